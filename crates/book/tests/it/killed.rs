//! Runs that are killed at any point, and run again.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tallybook::Database;
use tallybook::book::{Position, Positions, Trade, migrator};
use tallybook::migrate::{Progress, Target};
use tallybook_testkit::both_dialects;

use crate::catalog::catalog;
use crate::sample::{Sample, parents};
use crate::support::{open, rows, sql, time, write};

const PROGRAM: &str = "killed::a_program_that_tells_what_it_does_and_stops";

/// Runs the program to a target in a process of its own until it stops there, and kills it. Returns whether it was
/// killed before its end.
fn killed(url: &str, target: &str, stop: &str) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([PROGRAM, "--exact", "--ignored", "--nocapture"])
        .env("URL", url)
        .env("GOAL", target)
        .env("STOP", stop)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let stopped = lines.map(Result::unwrap).any(|line| line == "stopped");
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    stopped
}

#[ignore = "a program that other tests run"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_tells_what_it_does_and_stops() {
    let variable = |name| std::env::var(name).unwrap();
    let (db, stop) = (open(&variable("URL")).await, variable("STOP"));
    let seen = AtomicUsize::new(0);
    let migrator = migrator(&db).force(true).on_progress(move |progress| {
        let is_step = matches!(
            progress,
            Progress::Started(_) | Progress::Applied(_) | Progress::Done { .. } | Progress::Ended { .. }
        );
        let number = if is_step { seen.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
        let is_building = matches!(progress, Progress::Building { blockers, .. } if !blockers.is_empty());
        if stop.parse() == Ok(number) || (stop == "building" && is_building) {
            writeln!(std::io::stdout(), "\nstopped").unwrap();
            loop {
                std::thread::park();
            }
        }
    });
    match variable("GOAL").parse().unwrap() {
        target @ Target::Steps(..0) => migrator.downgrade(&target).await.unwrap(),
        target => migrator.upgrade(&target).await.unwrap(),
    };
}

/// Creates a book at a revision, with trades. Also returns its schema and that of the next one, as uninterrupted runs
/// leave them.
async fn prepared(url: &str, revision: &str) -> (Database, Vec<String>, Vec<String>) {
    let db = open(url).await;
    migrator(&db).upgrade(&Target::Head).await.unwrap();
    parents(&db).await;
    write(&db, async |session| {
        let new = [Trade::full(1, time(100)), Trade::bare(2), Trade::full(3, time(300))];
        tallybook::book::Trades::new(session).create_many(&new).await
    })
    .await;
    if revision == "0001" {
        migrator(&db).force(true).downgrade(&Target::Steps(-1)).await.unwrap();
    }
    let next = schema(&db).await;
    migrator(&db).force(true).downgrade(&revision.parse().unwrap()).await.unwrap();
    let first = schema(&db).await;
    (db, first, next)
}

async fn schema(db: &Database) -> Vec<String> {
    catalog(&mut db.read().await.unwrap()).await
}

/// Returns everything by which a run decides how to continue: the schema and the history, without times.
async fn state(db: &Database) -> Vec<String> {
    let mut session = db.read().await.unwrap();
    let mut lines = catalog(&mut session).await;
    for recorded in [
        "SELECT id FROM tallybook_revisions ORDER BY id",
        "SELECT revision || step || what || checksum || state FROM tallybook_steps ORDER BY revision, step",
        "SELECT history || steps || coalesce(origin, '-') || coalesce(target, '-') FROM tallybook_pending ORDER BY history",
        "SELECT revision || needs FROM tallybook_needs ORDER BY revision, needs",
    ] {
        lines.push(recorded.to_owned());
        lines.extend(rows::<(String,)>(&mut session, recorded).await.into_iter().map(|(line,)| line));
    }
    lines
}

async fn count(db: &Database) -> i64 {
    rows::<(i64,)>(&mut db.read().await.unwrap(), "SELECT count(*) FROM trades").await[0].0
}

/// Kills a run from a revision to the next one, and back, at each of its events, and runs it again.
async fn killed_anywhere(url: &str, from: &str, to: &str) {
    let (db, first, next) = prepared(url, from).await;
    let trades = count(&db).await;
    for stop in 1.. {
        let up = killed(url, to, &stop.to_string());
        migrator(&db).upgrade(&to.parse().unwrap()).await.unwrap();
        assert_eq!(schema(&db).await, next, "killed at event {stop} on the way up");
        assert_eq!(migrator(&db).check().await.unwrap(), []);
        let down = killed(url, "-1", &stop.to_string());
        if down {
            // Never the revision before it, even if it was killed after its last step.
            migrator(&db).force(true).downgrade(&Target::Steps(-1)).await.unwrap();
        }
        assert_eq!(schema(&db).await, first, "killed at event {stop} on the way down");
        assert_eq!(count(&db).await, trades);
        assert_eq!(migrator(&db).current().await.unwrap(), Some(from));
        if !up && !down {
            assert!(stop > 15, "{stop}: each step is begun, done and recorded");
            return;
        }
    }
}

both_dialects! {
    async fn a_run_that_is_killed_anywhere_is_simply_run_again(url: &str) {
        killed_anywhere(url, "0001", "0002").await;
    }

    async fn a_run_that_makes_an_index_unique_and_is_killed_anywhere_is_simply_run_again(url: &str) {
        killed_anywhere(url, "0002", "0003").await;
    }

    async fn a_run_that_rows_forbid_a_unique_index_and_that_is_killed_anywhere_is_simply_run_again(url: &str) {
        let (db, ..) = prepared(url, "0002").await;
        write(&db, async |session| {
            Positions::new(session).create_many(&[Position::bare(1), Position::bare(2), Position::bare(1)]).await
        })
        .await;
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        let whole = schema(&db).await;
        for stop in 1.. {
            migrator(&db).downgrade(&"0002".parse().unwrap()).await.unwrap();
            let was_killed = killed(url, "head", &stop.to_string());
            let changes = migrator(&db).upgrade(&Target::Head).await.unwrap();
            assert_eq!(schema(&db).await, whole, "killed at event {stop}");
            for change in &changes {
                assert_eq!(change.not_unique.len(), 1, "killed at event {stop}");
                assert_eq!(change.not_unique[0].groups[0].ids, ["1", "3"]);
            }
            if !was_killed {
                assert!(stop > 15, "{stop}: each step is begun, done and recorded");
                return;
            }
        }
    }

    async fn a_step_up_that_is_killed_anywhere_and_run_again_goes_no_further(url: &str) {
        let db = open(url).await;
        let mut finished = HashSet::new();
        for stop in 1.. {
            let was_killed = killed(url, "+1", &stop.to_string());
            // A run that continues from the state of an earlier one would do the same again.
            if !was_killed || finished.insert(state(&db).await) {
                if was_killed {
                    migrator(&db).upgrade(&Target::Steps(1)).await.unwrap();
                }
                assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"), "killed at event {stop}");
            }
            migrator(&db).downgrade(&Target::Base).await.unwrap();
            if !was_killed {
                assert!(stop > 15, "{stop}: each step is begun, done and recorded");
                return;
            }
        }
    }

    async fn a_step_that_did_not_tell_its_end_stands_before_another_step_and_is_finished_by_name(url: &str) {
        let (db, first, _) = prepared(url, "0001").await;
        migrator(&db).upgrade(&"0002".parse().unwrap()).await.unwrap();
        assert!(killed(url, "-1", "8"));
        for target in [Target::Steps(-2), Target::Steps(1)] {
            let error = match target {
                Target::Steps(..0) => migrator(&db).force(true).downgrade(&target).await,
                _ => migrator(&db).upgrade(&target).await,
            };
            let error = error.unwrap_err().to_string();
            assert!(error.contains("`tallybook migrate downgrade 0001`"), "{error}");
            assert!(error.contains("`tallybook migrate upgrade 0002`"), "{error}");
        }
        migrator(&db).force(true).downgrade(&Target::Revision("0001".to_owned())).await.unwrap();
        assert_eq!(schema(&db).await, first);
        migrator(&db).force(true).downgrade(&Target::Steps(-1)).await.unwrap();
        assert_eq!(migrator(&db).current().await.unwrap(), None, "a run that told its end is over");
    }

    async fn a_killed_way_back_can_be_turned_round(url: &str) {
        let (db, _, whole) = prepared(url, "0001").await;
        migrator(&db).upgrade(&"0002".parse().unwrap()).await.unwrap();
        assert!(killed(url, "-1", "8"));
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0001"));
        migrator(&db).upgrade(&"0002".parse().unwrap()).await.unwrap();
        assert_eq!(schema(&db).await, whole);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_in_an_index_build_is_simply_run_again() {
    let database = tallybook_testkit::postgres().await.database("killed_in_a_build").await;
    let (db, _, whole) = prepared(database.url(), "0001").await;
    // The build waits while its snapshot is open.
    let mut snapshot = db.snapshot().await.unwrap();
    rows::<(i64,)>(&mut snapshot, "SELECT count(*) FROM portfolios").await;
    let url = database.url().to_owned();
    assert!(tokio::task::spawn_blocking(move || killed(&url, "0002", "building")).await.unwrap());
    drop(snapshot);
    migrator(&db).upgrade(&"0002".parse().unwrap()).await.unwrap();
    assert_eq!(schema(&db).await, whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_while_it_makes_a_table_anew_is_simply_run_again() {
    let file = tallybook_testkit::SqliteFile::new("killed_anew");
    let (db, ..) = prepared(&file.url(), "0001").await;
    let trades = count(&db).await;
    // Alembic leaves this half-way: the column exists, its key does not.
    sql(&open(&file.url()).await, "ALTER TABLE trades ADD COLUMN session_id INTEGER").await;
    for (stop, keys) in [("1", 1), ("2", 1), ("3", 2)] {
        assert!(killed(&file.url(), "head", stop));
        let found = rows::<(i64,)>(
            &mut db.read().await.unwrap(),
            "SELECT count(*) FROM pragma_foreign_key_list('trades')",
        )
        .await;
        assert_eq!(found, [(keys,)], "killed at event {stop}");
        assert_eq!(count(&db).await, trades);
    }
    migrator(&db).upgrade(&"0002".parse().unwrap()).await.unwrap();
    assert_eq!(migrator(&db).check().await.unwrap(), []);
    assert_eq!(count(&db).await, trades);
}
