//! Helpers for several modules.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use tallybook::migrate::{Migrator, Revision};
use tallybook::{Database, Result, Row, Settings, Statement, all, execute, one, params};
pub(crate) use tallybook_testkit::polled;
use tokio::runtime::Handle;

/// Time limit of every wait.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn open(url: &str) -> Database {
    open_with(url, |_| {}).await
}

pub(crate) async fn open_with(url: &str, change: impl FnOnce(&mut Settings)) -> Database {
    let mut settings = Settings::new(url).unwrap();
    change(&mut settings);
    Database::open(settings).await.unwrap()
}

/// Creates `notes`, a table with every constraint that the tests violate.
pub(crate) async fn create_notes(db: &Database) {
    write(db, "CREATE TABLE notes (id integer PRIMARY KEY, title text NOT NULL UNIQUE, parent integer REFERENCES notes)")
        .await;
}

/// Opens a database with an empty table `notes`.
pub(crate) async fn with_notes(url: &str) -> Database {
    let db = open(url).await;
    create_notes(&db).await;
    db
}

/// Returns the differences from the revisions, each with its weight.
pub(crate) async fn differences(db: &Database, revisions: &'static [Revision]) -> Vec<String> {
    let found = Migrator::new(db, revisions).check().await.unwrap();
    found
        .iter()
        .map(|one| format!("{} {one}", if one.is_blocking() { "blocks:" } else { "benign:" }))
        .collect()
}

/// Runs one statement in its own transaction.
pub(crate) async fn write(db: &Database, statement: impl Into<Statement>) -> u64 {
    try_write(db, statement).await.unwrap()
}

pub(crate) async fn try_write(db: &Database, statement: impl Into<Statement>) -> Result<u64> {
    let mut session = db.begin().await?;
    let touched = session.run(execute(statement, params![])).await?;
    session.commit().await?;
    Ok(touched)
}

/// Runs one query in its own session.
pub(crate) async fn read<T: Row>(db: &Database, statement: impl Into<Statement>) -> Vec<T> {
    try_read(db, statement).await.unwrap()
}

pub(crate) async fn try_read<T: Row>(db: &Database, statement: impl Into<Statement>) -> Result<Vec<T>> {
    db.read().await?.run(all(statement, params![])).await
}

/// Returns the number of rows in `notes`.
pub(crate) async fn count_notes(db: &Database) -> i64 {
    let query = one::<(i64,)>("SELECT count(*) FROM notes", params![]);
    db.read().await.unwrap().run(query).await.unwrap().0
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !met().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until no connection is in use or being cleaned.
pub(crate) async fn at_rest(db: &Database) {
    eventually("every connection came back", async || db.pools().iter().all(|pool| pool.in_use == 0)).await;
}

/// Checks a property on `cases` values, all on the runtime and the database of the test.
pub(crate) fn property<S: Strategy>(cases: u32, values: &S, law: impl AsyncFn(S::Value) -> TestCaseResult) {
    let runtime = Handle::current();
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = tokio::task::block_in_place(|| runner.run(values, |value| runtime.block_on(law(value))));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Runs an ignored test of this program in its own process, for what is global to a process: its environment
/// and working directory. Returns its output.
pub(crate) fn in_own_process(test: &str, directory: &Path, variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .current_dir(directory)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("1 passed"), "{test} is the name of no test: {printed}");
    printed
}
