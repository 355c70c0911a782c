//! The contents of a report.

use tallybook::{Database, MonitorMode, One, Report, Statement, StatementReport, all, execute, one, params};
use tallybook_testkit::postgres;

use crate::support::{at_rest, eventually, open, open_with, read, try_read, try_write, with_notes, write};

fn find(report: &Report, part: &str) -> Option<StatementReport> {
    report.statements.iter().find(|known| known.statement.contains(part)).cloned()
}

/// Returns the calls of the statement that contains this text.
fn calls(db: &Database, part: &str) -> u64 {
    find(&db.report(), part).map_or(0, |known| known.calls)
}

/// Returns the calls of exactly this statement.
fn calls_of(db: &Database, text: &str) -> u64 {
    let report = db.report();
    report.statements.iter().find(|known| known.statement == text).map_or(0, |known| known.calls)
}

/// A read that runs until it is stopped.
#[track_caller]
fn endless() -> One<(i64,)> {
    one(
        Statement::per_dialect(
            "SELECT 1::bigint AS endless FROM pg_sleep(60)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS endless FROM n",
        ),
        params![],
    )
}

tallybook_testkit::both_dialects! {
    async fn a_report_has_the_calls_and_rows_of_a_statement_and_who_ran_it_last(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'a'), (2, 'b')").await;
        let mut session = db.read().await.unwrap();
        let read = "SELECT id FROM notes WHERE id >= $1";
        session.run(all::<(i64,)>(read, params![1])).await.unwrap();
        let line = line!() + 1;
        session.run(all::<(i64,)>(read, params![2])).await.unwrap();
        let known = find(&db.report(), "select id from notes").unwrap();
        assert_eq!(known.statement, "select id from notes where id >= ?");
        assert_eq!(known.summary, "SELECT notes");
        assert_eq!((known.calls, known.rows, known.errors()), (2, 3, 0));
        assert_eq!(known.at.map(|at| (at.file, at.line)), Some((file!().to_owned(), line)));
    }

    async fn a_statement_is_one_whatever_its_literals_and_layout(url: &str) {
        let db = with_notes(url).await;
        for sql in ["SELECT id FROM notes WHERE title = 'a'", "select id\n  from notes where title='b' -- why"] {
            read::<(i64,)>(&db, sql).await;
        }
        read::<(i64,)>(&db, "SELECT id FROM notes WHERE title = 'a' AND id = 1").await;
        assert_eq!(calls_of(&db, "select id from notes where title = ?"), 2);
        assert_eq!(db.report().statements.iter().filter(|known| known.statement.contains("title = ?")).count(), 2);
    }

    async fn the_statements_that_take_most_of_the_time_come_first(url: &str) {
        let db = with_notes(url).await;
        read::<(i64,)>(&db, "SELECT id FROM notes").await;
        let totals: Vec<_> = db.report().statements.iter().map(|known| known.times.total).collect();
        assert!(totals.len() >= 3 && totals.is_sorted_by(|more, less| more >= less), "{totals:?}");
    }

    async fn of_too_many_statements_the_longest_unused_go_and_nothing_is_lost(url: &str) {
        const KEPT: usize = 20;
        const RUN: u64 = 100;
        let db = open_with(url, |settings| settings.monitor.statements = KEPT).await;
        let mut session = db.read().await.unwrap();
        for number in 0..RUN {
            let sql = format!("SELECT 1 AS column_{number}_");
            session.run(one::<(i64,)>(sql, params![])).await.unwrap();
            session.run(one::<(i64,)>("SELECT 2 AS used_often", params![])).await.unwrap();
        }
        let fails = session.run(one::<(i64,)>("SELECT 3 FROM absent", params![])).await;
        fails.expect_err("there is no such table");
        let Report { statements, evicted, .. } = db.report();
        assert!(statements.len() <= KEPT, "{}", statements.len());
        assert_eq!(evicted.statements + statements.len() as u64, RUN + 2);
        let kept: u64 = statements.iter().map(|known| known.calls + known.errors()).sum();
        assert_eq!(evicted.calls + kept, 2 * RUN + 1);
        assert!(!evicted.total.is_zero() && evicted.errors == 0, "{evicted:?}");
        assert_eq!(calls(&db, "used_often"), RUN);
        assert_eq!((calls(&db, "column_0_"), calls(&db, "column_99_")), (0, 1));
    }

    async fn failures_of_statements_that_went_are_not_lost_either(url: &str) {
        let db = open_with(url, |settings| settings.monitor.statements = 10).await;
        try_read::<(i64,)>(&db, "SELECT id FROM absent").await.unwrap_err();
        let mut session = db.read().await.unwrap();
        for number in 0..20 {
            session.run(one::<(i64,)>(format!("SELECT 1 AS column_{number}"), params![])).await.unwrap();
        }
        assert_eq!(db.report().evicted.errors, 1);
    }

    async fn a_monitor_that_is_off_counts_nothing(url: &str) {
        let db = open_with(url, |settings| settings.monitor.mode = MonitorMode::Off).await;
        read::<(i64,)>(&db, "SELECT 1").await;
        try_read::<(i64,)>(&db, "SELECT 1 FROM absent").await.unwrap_err();
        let report = db.report();
        assert_eq!((report.statements, report.events, report.running), (vec![], vec![], vec![]));
        assert!(!report.pools.is_empty(), "pools are counted always");
    }

    async fn a_monitor_of_statements_counts_them_and_looks_for_nothing(url: &str) {
        let db = open_with(url, |settings| settings.monitor.mode = MonitorMode::Statements).await;
        write(&db, "CREATE TABLE notes (id integer, title text)").await;
        let mut session = db.read().await.unwrap();
        for _ in 0..10 {
            session.run(all::<(i64,)>("SELECT id FROM notes", params![])).await.unwrap();
        }
        drop(session);
        assert_eq!(calls(&db, "select id from notes"), 10);
        assert_eq!(db.findings(), []);
    }

    async fn what_runs_now_is_in_the_report_until_it_ends(url: &str) {
        let db = open(url).await;
        assert_eq!(db.report().running, []);
        let task = db.clone();
        let line = line!() + 1;
        let running = tokio::spawn(async move { task.read().await?.run(endless()).await });
        eventually("it runs", async || !db.report().running.is_empty()).await;
        let report = db.report().running.remove(0);
        assert!(report.statement.contains("endless"), "{report:?}");
        assert_eq!((report.at.file.as_str(), report.at.line), (file!(), line));
        eventually("it runs on", async || db.report().running[0].running > report.running).await;
        running.abort();
        eventually("it ended", async || db.report().running.is_empty()).await;
        let known = find(&db.report(), "endless").unwrap();
        assert_eq!((known.calls, known.failures), (0, vec![("cancelled".to_owned(), 1)]));
        at_rest(&db).await;
    }

    async fn slow_and_failed_statements_are_remembered_the_last_first(url: &str) {
        let db = open_with(url, |settings| settings.log.slow_threshold = std::time::Duration::ZERO).await;
        read::<(i64,)>(&db, "SELECT 1").await;
        let line = line!() + 1;
        let query = all::<(i64,)>("SELECT id FROM absent WHERE id = $1", params![7]);
        let error = db.read().await.unwrap().run(query).await.unwrap_err();
        let events = db.report().events;
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!((events[0].failure.as_deref(), events[0].at.line), (error.code(), line));
        assert_eq!((events[1].failure.as_deref(), events[1].rows), (None, 1));
        assert!(events[0].ended >= events[1].ended);
        assert!(events.iter().all(|events| events.parameters.is_none()), "nobody asked for them: {events:?}");
        for _ in 0..300 {
            read::<(i64,)>(&db, "SELECT 1").await;
        }
        assert_eq!(db.report().events.len(), 100, "no more are remembered");
    }

    async fn a_report_survives_a_trip_through_json(url: &str) {
        let db = open_with(url, |settings| settings.log.slow_threshold = std::time::Duration::ZERO).await;
        write(&db, "CREATE TABLE notes (id integer, title text)").await;
        try_write(&db, "INSERT INTO absent (id) VALUES (1)").await.unwrap_err();
        let _held = db.read().await.unwrap();
        let report = db.report();
        assert!(!report.statements.is_empty() && report.events.len() >= 2 && !report.pools.is_empty());
        assert!(report.pools.iter().any(|pool| pool.longest.is_some()));
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report, "{json}");
    }

    async fn sessions_opened_by_many_tasks_lose_no_count(url: &str) {
        let db = open(url).await;
        let tasks = (0..8).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let mut session = db.read().await.unwrap();
                    session.run(one::<(i64,)>("SELECT 1 AS one", params![])).await.unwrap();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let known = find(&db.report(), "as one").unwrap();
        assert_eq!((known.calls, known.times.count, known.rows), (400, 400, 400));
        assert_eq!(db.report().running, []);
    }

    async fn a_refused_statement_is_no_call(url: &str) {
        let db = with_notes(url).await;
        let before = db.report().statements.len();
        let mut session = db.begin().await.unwrap();
        session.run(execute("UPDATE notes SET id = $1", params![f64::NAN])).await.unwrap_err();
        assert_eq!(db.report().statements.len(), before);
    }
}

#[tokio::test]
async fn a_report_names_the_database_and_not_its_password() {
    let database = postgres().await.database("a_report_names_the_database").await;
    let db = open(database.url()).await;
    let (before, _) = database.url().split_once('@').unwrap();
    let (_, password) = before.rsplit_once(':').unwrap();
    let report = db.report();
    assert!(report.database.contains(database.name()), "{}", report.database);
    assert_eq!(report.process, std::process::id());
    assert!(!serde_json::to_string(&report).unwrap().contains(password));
}
