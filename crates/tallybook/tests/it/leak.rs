//! Leaked sessions are reported with the line that opened them.

use std::time::Duration;

use tallybook::{Database, Settings};

use crate::log::keep;
use crate::support::{eventually, open_with};

fn watched(settings: &mut Settings) {
    settings.pool.size = 2;
    settings.pool.max_overflow = 0;
    settings.pool.timeout = Duration::from_secs(5); // connecting is part of it
    settings.pool.leak_threshold = Some(Duration::from_millis(40));
}

fn reports(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.contains("is it leaked?")).collect()
}

async fn one_report_each(db: &Database) {
    let (kept, _guard) = keep();
    let first = (db.read().await.unwrap(), line!());
    eventually("it is reported", async || !reports(&kept.text()).is_empty()).await;
    // By the time the second is reported, the first could have been reported again.
    let second = (db.begin().await.unwrap(), line!());
    eventually("the other is reported", async || reports(&kept.text()).len() >= 2).await;
    let third = (db.snapshot().await.unwrap(), line!());
    eventually("the third is reported", async || reports(&kept.text()).len() >= 3).await;
    let text = kept.text();
    let reports = reports(&text);
    assert_eq!(reports.len(), 3, "{text}");
    for (report, line) in reports.iter().zip([first.1, second.1, third.1]) {
        assert!(
            report.contains("WARN") && report.contains(&format!("{}:{line}:", file!())),
            "{line}: {text}"
        );
    }
}

#[tokio::test]
async fn a_session_held_long_is_reported_once_with_its_line_on_sqlite() {
    let file = tallybook_testkit::SqliteFile::new("a_session_held_long");
    one_report_each(&open_with(&file.url(), watched).await).await;
}

#[tokio::test]
async fn a_session_held_long_is_reported_once_with_its_line_on_postgres() {
    let database = tallybook_testkit::postgres().await.database("a_session_held_long").await;
    let db = open_with(database.url(), |settings| {
        watched(settings);
        settings.pool.size = 3;
    })
    .await;
    one_report_each(&db).await;
}

#[tokio::test]
async fn a_session_handed_back_in_time_is_not_reported() {
    let (kept, _guard) = keep();
    let file = tallybook_testkit::SqliteFile::new("a_session_handed_back");
    let db = open_with(&file.url(), |settings| {
        watched(settings);
        settings.pool.leak_threshold = Some(Duration::from_secs(2));
    })
    .await;
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_millis(2_700) {
        let _session = db.read().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await; // what a user does with it
    }
    assert_eq!(reports(&kept.text()), [""; 0]);
}

tallybook_testkit::both_dialects! {
    async fn an_exhausted_pool_names_the_line_of_the_leak(url: &str) {
        let db = open_with(url, watched).await;
        let leaked = (db.read().await.unwrap(), line!());
        eventually("it is the oldest", async || longest(&db) > Duration::from_millis(20)).await;
        let _young = db.read().await.unwrap();
        let error = db.read().await.expect_err("both are taken");
        let expected = format!("taken at {}:{}:", file!(), leaked.1);
        assert!(error.is_timeout() && error.to_string().contains(&expected), "{expected} in {error}");
    }

    async fn a_leak_is_named_by_the_line_that_called_write(url: &str) {
        let db = open_with(url, |settings| {
            watched(settings);
            settings.pool.size = 1;
        })
        .await;
        let line = line!() + 1;
        let write = db.write(async |_| -> tallybook::Result<()> {
            // In another task, because a write inside a write is refused without waiting.
            let other = db.clone();
            let begun = tokio::spawn(async move { other.begin().await.map(drop) });
            let error = begun.await.unwrap().expect_err("the write holds the only one");
            let expected = format!("taken at {}:{line}:", file!());
            assert!(error.to_string().contains(&expected), "{expected} in {error}");
            Ok(())
        });
        write.await.unwrap();
    }
}

fn longest(db: &Database) -> Duration {
    db.pools().pop().unwrap().longest.unwrap().held
}
