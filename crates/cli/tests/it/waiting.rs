//! Commands that others keep waiting: each ends in time and names who it is.

use std::time::{Duration, Instant};

use serde_json::Value;
use tallybook_testkit::postgres;
use tokio_postgres::NoTls;

use crate::support::Program;

/// All that use a book at the newest revision.
const COMMANDS: [&str; 12] = [
    "migrate check",
    "migrate plan",
    "migrate current",
    "migrate history",
    "migrate adopt --dry-run",
    "migrate adopt",
    "migrate release",
    "migrate repair 0001",
    "migrate downgrade -1",
    "export trades",
    "import trades trades.csv",
    "seed --portfolios 1 --trades 1",
];

/// Far more than a second, and far less than what was waited for.
const BOUND: Duration = Duration::from_secs(60);

const TRADE: &str =
    "portfolio_id,symbol,action,quantity,order_type,status,filled_quantity,created_at,updated_at\n";

fn program() -> Program {
    let program = Program::new();
    program.write("trades.csv", TRADE);
    program
}

/// A session of another program.
async fn session(url: &str) -> (tokio_postgres::Client, i32) {
    let url = format!("{url}?application_name=nightly");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let pid = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    (client, pid)
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_lock_of_postgresql_every_command_ends_in_time_and_names_its_holder() {
    let database = postgres().await.database("waiting_for_a_lock").await;
    let program = program();
    let at = format!("--database {}", database.url());
    program.run(&format!("migrate upgrade {at}")).ok();
    let (holder, pid) = session(database.url()).await;
    holder
        .batch_execute("BEGIN; LOCK TABLE tallybook_revisions, trades; SELECT 'Secret' FROM portfolios")
        .await
        .unwrap();
    for command in COMMANDS {
        let start = Instant::now();
        let error = program.run(&format!("{command} --within 1 {at}")).fails(1);
        assert!(start.elapsed() < BOUND, "{command}");
        assert!(error.contains("the deadline came"), "{command}: {error}");
        let named = format!("pid {pid} (tallybook, nightly, idle in transaction, ");
        assert_eq!(error.matches(&named).count(), 2, "while it waits, and in the end: {command}: {error}");
        assert!(error.contains("waiting for"), "{command}: {error}");
        assert!(!error.contains("Secret"), "{command}: {error}");
        let waits = holder
            .query_one(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
            AND datname = current_database()",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(waits.get::<_, i64>(0), 0, "{command} is cancelled");
    }
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert!(
        program.run(&format!("migrate check --within 60 {at}")).ok().contains("is what its revisions say")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_the_holder_is_a_line_of_its_own() {
    let database = postgres().await.database("waiting_as_json").await;
    let program = program();
    let at = format!("--json --database {}", database.url());
    program.run(&format!("migrate upgrade {at}")).ok();
    let (holder, pid) = session(database.url()).await;
    holder.batch_execute("BEGIN; LOCK TABLE tallybook_revisions").await.unwrap();
    for command in ["migrate check", "migrate downgrade -1", "import trades trades.csv"] {
        let run = program.run(&format!("{command} --within 1 {at}"));
        let line: Value = serde_json::from_str(run.out.lines().next().unwrap()).unwrap();
        assert_eq!((run.code, &line["event"]), (1, &"waiting".into()), "{command}: {line}");
        let blocker = &line["blockers"][0];
        assert_eq!(blocker["pid"], pid, "{command}: {line}");
        assert_eq!(blocker["application"], "nightly");
        assert_eq!(blocker["query"], "begin; lock table tallybook_revisions", "{command}");
        assert!(blocker["age"].as_f64().unwrap() >= 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_that_nobody_ends_is_named() {
    let cluster = tallybook_testkit::Cluster::start().unwrap();
    cluster.configure(&[("max_prepared_transactions", "2")]).unwrap();
    cluster.restart_immediately().unwrap();
    let url = cluster.url("postgres");
    let program = program();
    program.run(&format!("migrate upgrade --database {url}")).ok();
    let (holder, _) = session(&url).await;
    holder.batch_execute("BEGIN; LOCK TABLE tallybook_revisions; PREPARE TRANSACTION 'lost'").await.unwrap();
    let error = program.run(&format!("migrate check --within 1 --database {url}")).fails(1);
    assert!(error.contains("pid 0 (tallybook, lost, prepared transaction, "), "{error}");
}

/// A book in a file without a log, as other programs keep theirs.
fn book_in_a_file(program: &Program) -> rusqlite::Connection {
    program.run("migrate upgrade --database sqlite:///./book.db").ok();
    let sqlite = rusqlite::Connection::open(program.directory().join("book.db")).unwrap();
    sqlite.pragma_update(None, "journal_mode", "delete").unwrap();
    sqlite
}

/// How a process of this test is named.
fn own_name() -> String {
    let command = std::fs::read_to_string("/proc/self/comm").unwrap();
    format!("pid {} ({}, locks the file)", std::process::id(), command.trim())
}

#[test]
fn behind_a_locked_file_every_command_ends_in_time_and_names_the_process() {
    let program = program();
    let holder = book_in_a_file(&program);
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for command in COMMANDS.iter().chain(&["migrate upgrade"]) {
        let start = Instant::now();
        let error = program.run(&format!("{command} --within 1 --database sqlite:///./book.db")).fails(1);
        assert!(start.elapsed() < BOUND, "{command}");
        assert!(error.contains("the deadline came"), "{command}: {error}");
        assert_eq!(error.matches(&own_name()).count(), 2, "{command}: {error}");
    }
    holder.execute_batch("ROLLBACK").unwrap();
    program.run("migrate check --database sqlite:///./book.db").ok();
}

#[test]
fn behind_a_writer_of_the_log_what_looks_goes_on_and_what_writes_names_it() {
    let program = program();
    let holder = book_in_a_file(&program);
    holder.pragma_update(None, "journal_mode", "wal").unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    for command in ["migrate check", "migrate plan", "migrate current", "export trades"] {
        program.run(&format!("{command} --within 60 --database sqlite:///./book.db")).ok();
    }
    for command in ["migrate downgrade -1", "import trades trades.csv", "seed --portfolios 1 --trades 1"] {
        let run = program.run(&format!("{command} --within 1 --database sqlite:///./book.db"));
        // A load without a row writes nothing.
        if command.starts_with("import") && run.code == 0 {
            continue;
        }
        let error = run.fails(1);
        assert!(error.contains(&own_name()), "{command}: {error}");
    }
}

#[test]
fn a_lock_that_is_given_back_in_time_is_only_waited_for() {
    let program = program();
    let holder = book_in_a_file(&program);
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut child = program
        .command("migrate check --within 300 --database sqlite:///./book.db")
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stderr.take().unwrap()), &mut told)
        .unwrap();
    assert!(told.starts_with("waiting for") && told.contains(&own_name()), "{told}");
    holder.execute_batch("ROLLBACK").unwrap();
    assert!(child.wait().unwrap().success());
}
