//! The shared server among several processes. Each test has its own directory for temporary files, and so a shared
//! server of its own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use tallybook_testkit::postgres;
use tempfile::TempDir;

use crate::process::{Process, eventually, is_in_use, is_started_by_a_test, tell};

/// Creates a directory that the user who runs the servers can enter too.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

fn start_user(directory: &TempDir) -> Process {
    Process::start("shared::user", directory.path())
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

/// Returns the one entry of `directory` whose name starts with `prefix`.
fn entry(directory: &Path, prefix: &str) -> PathBuf {
    let names = fs::read_dir(directory).unwrap().flatten();
    let mut matching = names.filter(|name| name.file_name().to_str().unwrap().starts_with(prefix));
    let found = matching.next().unwrap().path();
    assert!(matching.next().is_none(), "more than one {prefix}");
    found
}

/// Kills the server in `directory` with SIGKILL, so that it can record nothing.
fn kill_server(directory: &Path) {
    let file = fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
    let process = file.lines().next().unwrap();
    let kill = format!("kill -9 {process}");
    let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
    assert!(status.success());
    let command = format!("/proc/{process}/cmdline");
    eventually("killed", || {
        // A zombie has an empty command line.
        fs::read(&command).unwrap_or_default().is_empty()
    });
}

#[test]
fn processes_that_start_at_once_share_one_server_that_ends_after_the_last() {
    let directory = directory();
    let (one, other) = thread::scope(|scope| {
        let one = scope.spawn(|| start_user(&directory));
        (start_user(&directory), one.join().unwrap())
    });
    assert_eq!(one.told, other.told);

    one.kill();
    let late = start_user(&directory);
    assert_eq!(late.told, other.told);

    other.kill();
    late.kill();
    eventually("removed", || is_empty(directory.path()));
    eventually("ended", || !is_in_use(directory.path()));
}

#[test]
fn a_process_that_comes_right_after_the_last_finds_the_server() {
    let directory = directory();
    let first = start_user(&directory);
    let port = first.told.clone();
    first.kill();
    let second = start_user(&directory);
    assert_eq!(second.told, port);
    second.kill();
    eventually("removed", || is_empty(directory.path()));
}

#[test]
fn a_server_that_died_is_replaced() {
    let directory = directory();
    let first = start_user(&directory);
    let dead = entry(directory.path(), "tallybook-pg-");
    kill_server(&dead);

    let second = start_user(&directory);
    assert_ne!(second.told, first.told);
    assert_ne!(entry(directory.path(), "tallybook-pg-"), dead);

    first.kill();
    second.kill();
    eventually("removed", || is_empty(directory.path()));
    eventually("ended", || !is_in_use(directory.path()));
}

#[test]
fn what_a_reboot_has_left_is_removed_and_its_process_id_spared() {
    let directory = directory();
    let left = directory.path().join("left");
    fs::create_dir_all(left.join("data")).unwrap();
    let id = std::process::id();
    fs::write(left.join("data/postmaster.pid"), format!("{id}\n")).unwrap();
    let user = fs::metadata(&left).unwrap().uid();
    let state = directory.path().join(format!("tallybook-testkit-{user}"));
    fs::create_dir(&state).unwrap();
    fs::write(state.join("server"), format!("1\npassword\n{}\n", left.display())).unwrap();

    let user = start_user(&directory);
    assert_ne!(user.told, "1");
    assert!(!left.exists());

    user.kill();
    eventually("removed", || is_empty(directory.path()));
}

#[tokio::test]
#[ignore = "the process that the other tests kill"]
async fn user() {
    if is_started_by_a_test() {
        let database = postgres().await.database("user").await;
        tell(&database.port().to_string());
    }
}
