//! The monitor's socket.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tallybook::{Database, Report, Result, Settings, Value, Workload, all, params};

use crate::log::keep;
use crate::support::{eventually, read};

/// A directory with a path for a socket.
struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().join("figures.sock"), _directory: directory }
    }

    async fn open(&self) -> Database {
        open(&self.path).await.unwrap()
    }

    /// Opens a database that cannot serve its report here, and returns the log line that says why.
    async fn warning(&self) -> String {
        let (kept, _guard) = keep();
        let db = self.open().await;
        let _: Vec<(i64,)> = read(&db, "SELECT 6 * 7").await;
        let text = kept.line("the figures are not served");
        assert!(text.contains(" WARN ") && text.contains("DB_MONITOR_SOCKET"), "{text}");
        assert!(text.contains("figures.sock"), "{text}");
        db.close().await;
        text
    }

    /// Returns everything that is sent to a client.
    async fn text(&self) -> String {
        self.answer("").await
    }

    /// Returns everything that is sent to a client that sends `request` and closes its half.
    async fn answer(&self, request: &'static str) -> String {
        let path = self.path.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            let mut client = UnixStream::connect(path).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            client.read_to_string(&mut text).unwrap();
            text
        });
        reading.await.unwrap()
    }

    async fn report(&self) -> Report {
        serde_json::from_str(&self.text().await).unwrap()
    }
}

async fn open(path: &Path) -> Result<Database> {
    let mut settings = Settings::new("sqlite::memory:").unwrap();
    settings.monitor.socket = Some(path.to_owned());
    Database::open(settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_gets_the_report_in_one_line() {
    let place = Place::new();
    let db = place.open().await;
    let _: Vec<(i64,)> = read(&db, "SELECT 6 * 7").await;
    let text = place.text().await;
    assert_eq!(text.matches('\n').count(), 1);
    assert!(text.ends_with('\n'));
    let report: Report = serde_json::from_str(&text).unwrap();
    assert_eq!((report.statements[0].calls, report.process), (1, std::process::id()));
    let _: Vec<(i64,)> = read(&db, "SELECT 6 * 7").await;
    assert_eq!(place.report().await.statements[0].calls, 2, "each one gets the figures of its moment");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_client_that_asks_for_the_workload_receives_values() {
    let place = Place::new();
    let db = place.open().await;
    let query = all::<(String,)>("SELECT $1 AS found", params!["a secret"]);
    db.read().await.unwrap().run(query).await.unwrap();
    for request in ["", "report\n", "report"] {
        let text = place.answer(request).await;
        assert!(!text.contains("a secret"), "{text}");
        assert!(serde_json::from_str::<Report>(&text).is_ok(), "{text}");
    }
    let workload: Workload = serde_json::from_str(&place.answer("workload\n").await).unwrap();
    let [statement] = &workload.statements[..] else { panic!("{workload:?}") };
    assert_eq!((&*statement.sql, statement.calls, statement.rows), ("SELECT $1 AS found", 1, 1));
    assert_eq!(statement.samples, [[Value::Text("a secret".to_owned())]]);
    assert!(statement.at.as_ref().unwrap().file.ends_with("socket.rs"));
    assert_eq!(workload.dialect, "sqlite");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_request_gets_no_answer() {
    let place = Place::new();
    let _db = place.open().await;
    for request in ["secrets\n", "workload please\n"] {
        assert_eq!(place.answer(request).await, "", "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_and_waits_gets_the_report() {
    let place = Place::new();
    let _db = place.open().await;
    let path = place.path.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        UnixStream::connect(path).unwrap().read_to_string(&mut text).unwrap();
        text
    });
    assert!(serde_json::from_str::<Report>(&reading.await.unwrap()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_user_may_connect() {
    let place = Place::new();
    let _db = place.open().await;
    let mode = std::fs::metadata(&place.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_database_takes_its_socket_with_it() {
    let place = Place::new();
    drop(place.open().await);
    eventually("the file is gone", async || !place.path.exists()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_database_takes_its_socket_with_it() {
    let place = Place::new();
    let db = place.open().await;
    db.close().await;
    assert!(!place.path.exists());
    assert_eq!(UnixStream::connect(&place.path).unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_the_path_since_is_not_removed() {
    let place = Place::new();
    let db = place.open().await;
    std::fs::remove_file(&place.path).unwrap();
    let _other = UnixListener::bind(&place.path).unwrap();
    db.close().await;
    drop(db);
    assert!(place.path.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_of_a_killed_program_is_replaced() {
    let place = Place::new();
    drop(UnixListener::bind(&place.path).unwrap());
    assert!(place.path.exists(), "a killed program leaves it");
    let _db = place.open().await;
    assert_eq!(place.report().await.process, std::process::id());
}

#[tokio::test]
async fn a_socket_that_another_program_serves_is_left_to_it() {
    let place = Place::new();
    let _first = place.open().await;
    let warning = place.warning().await;
    assert!(warning.contains("another one serves"), "{warning}");
    assert!(place.report().await.statements.is_empty(), "the first still serves it");
}

#[tokio::test]
async fn a_foreign_listener_is_left_alone_and_the_database_opens() {
    let place = Place::new();
    let listener = UnixListener::bind(&place.path).unwrap();
    let warning = place.warning().await;
    assert!(warning.contains("another one serves this socket"), "{warning}");
    listener.accept().expect("it was asked, and is still there");
    assert!(place.path.exists());
}

#[tokio::test]
async fn what_is_no_socket_is_left_as_it_is_and_the_database_opens() {
    let place = Place::new();
    std::fs::write(&place.path, "dear diary").unwrap();
    let warning = place.warning().await;
    assert!(warning.contains("a file of another kind is there, and is left as it is"), "{warning}");
    assert_eq!(std::fs::read_to_string(&place.path).unwrap(), "dear diary");
    std::fs::remove_file(&place.path).unwrap();
    std::fs::create_dir(&place.path).unwrap();
    assert!(place.warning().await.contains("a directory is there"));
    std::fs::remove_dir(&place.path).unwrap();
    std::os::unix::fs::symlink("nowhere", &place.path).unwrap();
    assert!(place.warning().await.contains("a symbolic link is there"));
}

#[tokio::test]
async fn a_path_where_no_socket_can_be_is_warned_of_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nowhere").join("figures.sock");
    let warning = Place { _directory: directory, path }.warning().await;
    assert!(warning.contains("No such file or directory"), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_leave_or_stay_silent_do_not_hurt_others() {
    let place = Place::new();
    let db = place.open().await;
    for _ in 0..50 {
        drop(UnixStream::connect(&place.path).unwrap());
    }
    // More than are served at once, none of which reads. The answers are larger than a socket buffer.
    for column in 0..400 {
        let text = "x".repeat(2_000);
        let _: Vec<(i64,)> = read(&db, format!("SELECT 1 AS a{column}_{text}")).await;
    }
    let silent: Vec<_> = (0..20).map(|_| UnixStream::connect(&place.path).unwrap()).collect();
    // Served after those that hold all places were given up; without that, never.
    assert_eq!(place.report().await.statements.len(), 400);
    drop(silent);
}
