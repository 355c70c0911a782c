//! The dashboard in a browser. The tests themselves are in `crates/cli/tests/browser`, in Python; these start what they look at.

use std::path::{Path, PathBuf};
use std::process::Command;

use tallybook_testkit::{Cluster, takes_at_most};

use crate::served::Served;
use crate::support::Program;

/// Returns the target directory, in which `scripts/install-needs` puts pytest, playwright and axe-core.
fn target() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_tallybook")).ancestors().nth(2).unwrap().to_owned()
}

/// Runs tests of a file, or those that are named after `::`, on the dashboard at this address.
fn run(tests: &str, served: &Served) {
    let pytest = target().join("browser/bin/pytest");
    assert!(pytest.exists(), "{} is missing; run scripts/install-needs", pytest.display());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let ran = Command::new(pytest)
        .args(["-q", "-p", "no:cacheprovider", "--color=no", tests])
        .env("TALLYBOOK_DASHBOARD", format!("http://{}/", served.address))
        .env("TALLYBOOK_TARGET", target())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn the_dashboard_of_the_demo_works_in_a_browser() {
    takes_at_most(std::time::Duration::from_secs(1200));
    let program = Program::new();
    let served = Served::start(&program, "--demo");
    run("test_demo.py", &served);
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
