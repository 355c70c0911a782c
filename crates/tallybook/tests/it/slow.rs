//! Log lines of slow, stuck, failed and abandoned statements.

use std::time::Duration;

use tallybook::{
    Database, Dialect, LoggedParameters, One, Result, Settings, Statement, Value, WriteSession, all, execute,
    one, params,
};
use tallybook_testkit::postgres;
use tokio::task::JoinHandle;

use crate::log::{Kept, field, keep, logged_on_both_dialects};
use crate::support::{at_rest, create_notes, eventually, open_with, try_read, try_write, with_notes, write};

const SLOW: &str = ": slow statement";
const RUNNING: &str = "statement still running";
const FAILED: &str = "statement failed";
const ABANDONED: &str = "statement abandoned";
const PLAN: &str = "plan of a slow statement";

/// Short enough that tests need not sleep for long. On a busy machine a COMMIT takes as long.
fn impatient(settings: &mut Settings) {
    settings.log.slow_threshold = Duration::from_millis(100);
}

/// Everything is slow.
fn hasty(settings: &mut Settings) {
    settings.log.slow_threshold = Duration::ZERO;
}

/// A location in this file as it is logged, without the column.
fn here(line: u32) -> String {
    format!(" at={}:{line}:", file!())
}

fn millis(line: &str, name: &str) -> f64 {
    field(line, name).parse().unwrap_or_else(|_| panic!("{name} in {line}"))
}

/// A read that runs until it is stopped.
#[track_caller]
fn endless() -> One<(i64,)> {
    one(
        Statement::per_dialect(
            "SELECT 1::bigint FROM pg_sleep(60)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        ),
        params![],
    )
}

fn find(title: &str) -> tallybook::All<(i64,)> {
    all("SELECT id FROM notes WHERE title = $1", params![title])
}

/// Returns the part of the log before a text.
fn before(kept: &Kept, what: &str) -> String {
    kept.text().split_once(what).unwrap_or_else(|| panic!("{what} in {}", kept.text())).0.to_owned()
}

async fn reported(kept: &Kept, what: &str) -> String {
    eventually(what, async || !kept.lines(what).is_empty()).await;
    kept.line(what)
}

/// Returns the only such line about this statement.
fn line_of(kept: &Kept, what: &str, sql: &str) -> String {
    let mut lines = kept.lines(what);
    lines.retain(|line| line.contains(sql));
    assert_eq!(lines.len(), 1, "{what}, {sql}: {}", kept.text());
    lines.remove(0)
}

/// Starts to update note 1 while another session holds its lock. Returns the line of the call.
fn rename(db: &Database) -> (JoinHandle<Result<()>>, u32) {
    let db = db.clone();
    let task = async move {
        let mut session = db.begin().await?;
        session.run(execute("UPDATE notes SET title = 'b' WHERE id = 1", params![])).await?;
        session.commit().await.map(drop)
    };
    (tokio::spawn(task), line!() - 3)
}

#[tokio::test]
async fn a_slow_statement_is_logged_while_it_runs_and_at_its_end_with_its_split() {
    let database = postgres().await.database("a_slow_statement_is_logged").await;
    let (kept, _guard) = keep();
    let db = open_with(database.url(), impatient).await;
    let mut session = db.read().await.unwrap();
    session.run(one::<(i64,)>("SELECT 1::bigint", params![])).await.unwrap();
    let line = line!() + 1;
    let query = all::<(i64,)>("SELECT i::bigint FROM generate_series(1, 3) i, pg_sleep(0.6)", params![]);
    session.run(query).await.unwrap();
    let slow = line_of(&kept, SLOW, "pg_sleep");
    assert!(slow.contains("WARN tallybook::query") && slow.contains(&here(line)), "{line}: {slow}");
    assert!(millis(&slow, "execute_ms") >= 600.0, "{slow}");
    let parts: f64 = ["execute_ms", "fetch_ms", "decode_ms"].iter().map(|name| millis(&slow, name)).sum();
    assert!((millis(&slow, "ms") - parts).abs() < 0.01, "{parts} in {slow}");
    assert!(millis(&slow, "wait_ms") < millis(&slow, "ms"), "{slow}");
    let numbers = ["rows", "session", "number"].map(|name| field(&slow, name));
    assert_eq!(numbers, ["3", "1", "2"], "{slow}");
    assert!(before(&kept, &slow).contains(RUNNING), "{}", kept.text());
    assert!(line_of(&kept, RUNNING, "pg_sleep").contains(&here(line)), "{}", kept.text());
}

#[tokio::test]
async fn a_slow_commit_is_seen() {
    let database = postgres().await.database("a_slow_commit_is_seen").await;
    let db = with_notes(database.url()).await;
    write(
        &db,
        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql \
         AS 'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END'",
    )
    .await;
    write(
        &db,
        "CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION nap()",
    )
    .await;
    let (kept, _guard) = keep();
    let db = open_with(database.url(), impatient).await;
    let mut session = db.begin().await.unwrap();
    session.run(execute("INSERT INTO notes (id, title) VALUES (1, 'a')", params![])).await.unwrap();
    let line = line!() + 1;
    session.commit().await.unwrap();
    let slow = line_of(&kept, SLOW, r#"sql="commit""#);
    assert!(slow.contains(&here(line)), "{line}: {slow}");
    assert!(millis(&slow, "ms") >= 300.0, "{slow}");
}

logged_on_both_dialects! {
    async fn a_write_that_waits_for_a_lock_is_reported_while_it_is_stuck(url: &str, kept: &Kept) {
        let other = with_notes(url).await;
        write(&other, "INSERT INTO notes (id, title) VALUES (1, 'a')").await;
        let db = open_with(url, impatient).await;
        // A row lock on PostgreSQL, the lock of the file on SQLite.
        let mut holder = other.begin().await.unwrap();
        holder.run(execute("UPDATE notes SET title = 'c' WHERE id = 1", params![])).await.unwrap();
        let (stuck, line) = rename(&db);
        let running = reported(kept, RUNNING).await;
        assert!(!stuck.is_finished(), "the lock is held still");
        assert!(running.contains("WARN") && running.contains(&here(line)), "{line}: {running}");
        assert!(millis(&running, "ms") >= 100.0, "{running}");
        assert!(running.contains(r#"sql="update notes set title = ? where id = ?""#), "{running}");
        assert_eq!(kept.lines(SLOW), [""; 0]);
        holder.commit().await.unwrap();
        stuck.await.unwrap().unwrap();
        assert_eq!(line_of(kept, RUNNING, "update notes"), running, "it is reported once while it runs");
        let slow = line_of(kept, SLOW, "update notes");
        assert!(slow.contains(&here(line)), "{line}: {slow}");
        assert!(millis(&slow, "execute_ms") >= millis(&running, "ms"), "{slow}");
        for name in ["session", "number", "fingerprint"] {
            assert_eq!(field(&slow, name), field(&running, name), "{name} of {running} and {slow}");
        }
    }

    async fn a_failed_statement_is_logged_with_its_code_and_line(url: &str, kept: &Kept) {
        let db = open_with(url, |_| {}).await;
        let mut session = db.read().await.unwrap();
        let line = line!() + 1;
        let query = all::<(i64,)>("SELECT id FROM absent", params![]);
        session.run(query).await.expect_err("there is no such table");
        let failed = kept.line(FAILED);
        let code = if db.dialect() == Dialect::Sqlite { "1" } else { "42P01" };
        assert!(failed.contains("WARN tallybook::query") && failed.contains(&here(line)), "{line}: {failed}");
        assert_eq!(field(&failed, "code").trim_matches('"'), code, "{failed}");
        assert!(failed.contains("absent"), "it says what is missing: {failed}");
    }

    async fn the_statement_of_a_batch_that_failed_is_named_and_not_the_first(url: &str, kept: &Kept) {
        let db = with_notes(url).await;
        let mut session = db.read().await.unwrap();
        let line = line!() + 3;
        let batch = (
            all::<(i64,)>("SELECT id FROM notes", params![]),
            all::<(i64,)>("SELECT id FROM absent", params![]),
            all::<(String,)>("SELECT title FROM notes", params![]),
        );
        session.run(batch).await.expect_err("there is no such table");
        let failed = kept.line(FAILED);
        assert!(failed.contains(&here(line)), "{line}: {failed}");
        assert_eq!((field(&failed, "session"), field(&failed, "number")), ("2", "2"), "{failed}");
    }

    async fn a_failure_that_programs_expect_warns_nobody(url: &str, kept: &Kept) {
        let db = with_notes(url).await;
        let insert = "INSERT INTO notes (id, title) VALUES (1, 'a')";
        write(&db, insert).await;
        assert!(try_write(&db, insert).await.unwrap_err().is_unique_violation());
        let orphan = "INSERT INTO notes (id, title, parent) VALUES (2, 'b', 9)";
        assert!(try_write(&db, orphan).await.unwrap_err().is_foreign_key_violation());
        let untitled = "INSERT INTO notes (id) VALUES (3)";
        assert!(try_write(&db, untitled).await.unwrap_err().is_not_null_violation());
        assert_eq!(kept.lines("tallybook::query"), [""; 0]);
        let db = open_with(url, |settings| settings.log.timing = true).await;
        try_write(&db, insert).await.unwrap_err();
        let failed = kept.line(FAILED);
        assert!(failed.contains("INFO tallybook::query"), "who logs everything sees it: {failed}");
    }

    async fn a_statement_whose_future_is_dropped_is_logged_as_abandoned(url: &str, kept: &Kept) {
        let db = open_with(url, impatient).await;
        let task = db.clone();
        let line = line!() + 2;
        let dropped = tokio::spawn(async move {
            task.read().await?.run(endless()).await
        });
        let running = reported(kept, RUNNING).await;
        assert!(running.contains(&here(line)), "{line}: {running}");
        dropped.abort();
        let abandoned = reported(kept, ABANDONED).await;
        assert!(abandoned.contains(&here(line)), "{line}: {abandoned}");
        assert!(millis(&abandoned, "ms") >= millis(&running, "ms"), "{abandoned}");
        assert_eq!(kept.lines(SLOW), [""; 0]);
        at_rest(&db).await;
    }

    async fn the_plan_of_a_slow_read_is_logged_once_and_without_values(url: &str, kept: &Kept) {
        let db = open_with(url, hasty).await;
        create_notes(&db).await;
        let line = line!() + 2;
        for title in ["Secret 1", "Secret 2"] {
            let query = all::<(i64,)>("SELECT id FROM notes WHERE title = $1", params![title]);
            db.read().await.unwrap().run(query).await.unwrap();
        }
        let plan = reported(kept, PLAN).await;
        assert!(plan.contains("WARN tallybook::query") && plan.contains(&here(line)), "{line}: {plan}");
        assert!(plan.contains("notes"), "{plan}");
        // Plans are explained in order: none that was requested before can follow this one.
        try_read::<(i64,)>(&db, "SELECT id FROM notes WHERE id = 1").await.unwrap();
        eventually("the next plan", async || kept.lines(PLAN).len() >= 2).await;
        assert_eq!(kept.lines(PLAN).iter().filter(|plan| plan.contains("title = ?")).count(), 1, "{}", kept.text());
        assert!(!kept.text().contains("Secret"), "{}", kept.text());
        let report = db.report();
        let read = report.statements.iter().find(|read| read.statement.contains("where title = ?")).unwrap();
        assert!(read.plan.as_ref().is_some_and(|plan| plan.contains("notes")), "{:?}", read.plan);
    }

    async fn parameters_are_logged_only_as_far_as_they_may_be_seen(url: &str, kept: &Kept) {
        with_notes(url).await;
        let run = async |parameters: LoggedParameters| {
            let db = open_with(url, |settings| {
                hasty(settings);
                settings.log.parameters = parameters;
            })
            .await;
            let known = kept.lines(SLOW).len();
            for title in ["Secret", "Secret", "other"] {
                db.read().await.unwrap().run(find(title)).await.unwrap();
            }
            let lines = kept.lines(SLOW).split_off(known);
            assert_eq!(lines.len(), 3, "{lines:?}");
            lines
        };
        let none = run(LoggedParameters::None).await;
        assert!(none.iter().all(|line| !line.contains("params")), "{none:?}");
        let hashes = run(LoggedParameters::Hash).await;
        let hash = |index: usize| field(&hashes[index], "params");
        assert!(hash(0).contains('#') && hash(0) == hash(1) && hash(0) != hash(2), "{hashes:?}");
        assert!(!kept.text().contains("Secret"), "{}", kept.text());
        let full = run(LoggedParameters::Full).await;
        assert!(full[0].contains("Secret") && full[2].contains("other"), "{full:?}");
    }

    async fn a_bulk_load_is_not_as_slow_as_who_makes_its_rows(url: &str, kept: &Kept) {
        let pause = Duration::from_secs(3);
        let db = open_with(url, |settings| settings.log.slow_threshold = pause).await;
        create_notes(&db).await;
        let line = line!() + 2;
        let load = async |session: &mut WriteSession| -> Result<u64> {
            let mut load = session.load("notes", &["id", "title"]).await?;
            for id in 1..=3_i64 {
                load.write_values(vec![Value::Int(id), Value::Text(format!("note {id}"))]).await?;
            }
            tokio::time::sleep(pause).await; // the maker of the rows takes its time
            load.finish().await
        };
        assert_eq!(db.write(load).await.unwrap().into_value(), 3);
        assert_eq!(kept.lines("tallybook::query"), [""; 0]);
        let report = db.report();
        let copy = report.statements.iter().find(|copy| copy.statement.starts_with("copy notes")).unwrap();
        assert_eq!((copy.calls, copy.rows), (1, 3));
        assert!(copy.times.total < pause, "{:?}", copy.times);
        assert_eq!(copy.at.as_ref().map(|at| at.line), Some(line));
    }
}
