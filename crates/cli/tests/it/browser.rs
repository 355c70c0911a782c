//! The dashboard in a browser. The tests themselves are in `crates/cli/tests/browser`, in Python; these start what they look at.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tallybook::{Database, all, params};
use tallybook_testkit::{Cluster, takes_at_most};
use tokio::task::spawn_blocking;

use crate::served::Served;
use crate::support::Program;
use crate::watched::Watched;

/// Returns the target directory, in which `scripts/install-needs` puts pytest, playwright and axe-core.
fn target() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_tallybook")).ancestors().nth(2).unwrap().to_owned()
}

/// Runs tests of a file, or those that are named after `::`, on the dashboard at this address.
fn run(tests: &str, served: &Served) {
    run_at(tests, &format!("http://{}/", served.address), "");
}

/// Runs them on this address, and with a token that a test may type.
fn run_at(tests: &str, address: &str, token: &str) {
    let pytest = target().join("browser/bin/pytest");
    assert!(pytest.exists(), "{} is missing; run scripts/install-needs", pytest.display());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let ran = Command::new(pytest)
        .args(["-q", "-p", "no:cacheprovider", "--color=no", tests])
        .env("TALLYBOOK_DASHBOARD", address)
        .env("TALLYBOOK_TOKEN", token)
        .env("TALLYBOOK_TARGET", target())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn the_dashboard_of_the_demo_works_in_a_browser() {
    takes_at_most(Duration::from_secs(1200));
    let program = Program::new();
    let served = Served::start(&program, "--demo");
    run("test_demo.py", &served);
}

#[test]
fn the_log_in_form_takes_a_token_in_a_browser() {
    let program = Program::new();
    program.run("migrate upgrade").ok();
    let token = program.run("token create desk --scope admin").ok();
    let served = Served::start(&program, "--tokens");
    run_at("test_login.py", &format!("http://{}/", served.address), token.trim());
}

#[test]
fn the_dashboard_shows_a_replica_that_goes_down() {
    let primary = Cluster::start().unwrap();
    let replica = primary.standby().unwrap();
    replica.catch_up(&primary).unwrap();
    let program = Program::new();
    program.write(
        ".env",
        &format!(
            "DATABASE_URL={}\nDB_READ_REPLICA_URL={}\nDB_ENABLE_READ_REPLICA=true\n",
            primary.url("postgres"),
            replica.url("postgres")
        ),
    );
    program.run("migrate upgrade").ok();
    let served = Served::start(&program, "");
    run("test_replica.py::test_a_replica_that_follows_is_up_and_has_its_chart_of_lag", &served);
    replica.kill().unwrap();
    run("test_replica.py::test_a_killed_replica_is_down_and_the_verdict_says_so", &served);
}

/// Statements with texts that a page could mistake for something else, the last with a megabyte.
fn hostile_statements() -> [String; 3] {
    [
        "SELECT 1 AS \"<script>document.body.remove()</script>\"".to_owned(),
        "SELECT 1 AS \"turned \u{202e} \u{1b}[31m\"".to_owned(),
        format!("SELECT 1 AS very_long_{}", "a".repeat(1 << 20)),
    ]
}

/// Runs them again and again.
async fn run_hostile(db: Database) {
    let statements = hostile_statements().map(|sql| &*sql.leak());
    loop {
        for sql in statements {
            let mut session = db.read().await.unwrap();
            session.run(all::<(i64,)>(sql, params![])).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_texts_are_shown_and_a_program_that_ends_is_gone() {
    let program = Program::new();
    let watched = Watched::open(program.directory()).await;
    let served = Served::run(&program, &watched.words("watch --web"));
    let address = format!("http://{}/", served.address);
    let load = tokio::spawn(run_hostile(watched.db.clone()));
    let shown = spawn_blocking({
        let address = address.clone();
        move || run_at("test_hostile.py", &address, "")
    });
    shown.await.unwrap();
    load.abort();
    watched.db.close().await;
    spawn_blocking(move || run_at("test_gone.py", &address, "")).await.unwrap();
}
