//! Opening a database, and the message when that fails.

use std::fs;
use std::time::{Duration, Instant};

use tallybook::{AcquireStep, Database, Error, Settings, params};
use tallybook_testkit::{SqliteFile, postgres};
use tokio::net::TcpListener;

use crate::support::{
    count_notes, create_notes, eventually, in_own_process, open, open_with, read, try_read,
};
use crate::support::{with_notes, write};

async fn refused(url: &str) -> Error {
    Database::open(Settings::new(url).unwrap()).await.expect_err(url)
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_an_error_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let start = Instant::now();
    let error = refused(&format!("postgresql://ada:Secret@{address}/book")).await;
    assert!(error.is_connect() && !error.is_timeout(), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("cannot open postgresql://ada@{address}/book: ")), "{text}");
    assert!(text.contains("refused") && text.contains("is a server running there?"), "{text}");
    assert!(!format!("{error:?}").contains("Secret"), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn connecting_to_a_silent_server_fails_after_the_pool_timeout() {
    // The kernel accepts the connection; nobody ever reads.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = Settings::new(&format!("postgresql://ada:Secret@{address}/book")).unwrap();
    settings.pool.timeout = Duration::from_millis(300);
    let start = Instant::now();
    let error = Database::open(settings).await.expect_err("nobody answered");
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(error.is_timeout() && error.is_retryable(), "{error}");
    assert_eq!(error.timed_out_step(), Some(AcquireStep::Connecting));
    let text = error.to_string();
    assert!(text.starts_with("timed out after 0.3 s while connecting: to "), "{text}");
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(!format!("{error:?}").contains("Secret"), "{error:?}");
}

#[tokio::test]
async fn a_host_without_an_address_is_named() {
    let error = refused("postgresql://ada:Secret@nowhere.invalid/book").await;
    assert!(error.is_connect(), "{error}");
    assert!(error.to_string().contains("nowhere.invalid:5432"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_but_not_shown() {
    let database = postgres().await.database("a_wrong_password").await;
    let (before, after) = database.url().split_once('@').unwrap();
    let (user, password) = before.rsplit_once(':').unwrap();
    let error = refused(&format!("{user}:Secret@{after}")).await;
    assert!(error.is_connect(), "{error}");
    let text = error.to_string();
    assert!(text.contains("password authentication failed") && text.contains("check the password"), "{text}");
    for shown in [text, format!("{error:?} {error:#?}")] {
        assert!(!shown.contains("Secret") && !shown.contains(password), "{shown}");
    }
}

#[tokio::test]
async fn a_missing_password_is_not_mistaken_for_a_missing_server() {
    let database = postgres().await.database("a_missing_password").await;
    let (_, after) = database.url().split_once('@').unwrap();
    let error = refused(&format!("postgresql://tallybook@{after}")).await;
    assert!(error.is_connect(), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("the server asks for a password, and the URL has none")
            && !text.contains("is a server running"),
        "{text}"
    );
}

#[tokio::test]
async fn a_missing_database_is_named_with_what_creates_it() {
    let database = postgres().await.database("a_missing_database").await;
    let error = refused(&database.url().replace(database.name(), "nobodys_book")).await;
    assert!(error.is_connect(), "{error}");
    let text = error.to_string();
    assert!(text.contains("\"nobodys_book\" does not exist") && text.contains("createdb"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_only_read_stays_byte_for_byte_as_it_was() {
    let file = SqliteFile::new("read_only_use");
    // Created by another program, without a write-ahead log.
    let other = rusqlite::Connection::open(file.path()).unwrap();
    other.execute_batch("CREATE TABLE notes (id integer primary key, title text)").unwrap();
    drop(other);
    let before = fs::read(file.path()).unwrap();

    let db = open(&file.url()).await;
    assert_eq!(count_notes(&db).await, 0);
    db.close().await;
    assert!(before == fs::read(file.path()).unwrap());

    let db = open(&file.url()).await;
    write(&db, "INSERT INTO notes (title) VALUES ('first')").await;
    assert_eq!(count_notes(&db).await, 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_byte_for_byte() {
    for content in [b"portfolio,symbol\n".repeat(1_000), b"not a database".to_vec(), vec![0; 8_192]] {
        let file = SqliteFile::new("not_a_database");
        fs::write(file.path(), &content).unwrap();
        let error = refused(&file.url()).await;
        assert!(error.is_connect(), "{error}");
        let text = error.to_string();
        assert!(text.contains("not_a_database.db: the file is not an SQLite database"), "{text}");
        assert_eq!(fs::read(file.path()).unwrap(), content);
        let siblings = fs::read_dir(file.path().parent().unwrap()).unwrap().count();
        assert_eq!(siblings, 1, "nothing is left next to it");
    }
}

#[tokio::test]
async fn a_read_only_file_is_refused_and_left_as_it_is() {
    let file = SqliteFile::new("read_only");
    with_notes(&file.url()).await;
    // The threads of its connections end on their own time.
    let journal = file.path().with_extension("db-wal");
    eventually("the database was closed", async || !journal.exists()).await;
    let content = fs::read(file.path()).unwrap();
    let mut permissions = fs::metadata(file.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(file.path(), permissions).unwrap();
    let error = refused(&file.url()).await;
    assert!(error.is_connect() && error.to_string().contains("the file is read-only"), "{error}");
    assert_eq!(fs::read(file.path()).unwrap(), content);
}

#[tokio::test]
async fn a_directory_is_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let error = refused(&format!("sqlite:///{}", directory.path().display())).await;
    assert!(error.is_connect() && error.to_string().contains("it is a directory"), "{error}");
}

#[tokio::test]
async fn a_missing_directory_is_named_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let error = refused(&format!("sqlite:///{}/book.db", missing.display())).await;
    let message = format!("the directory {} does not exist", missing.display());
    assert!(error.is_connect() && error.to_string().contains(&message), "{error}");
    assert!(!missing.exists());
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let file = SqliteFile::new("empty");
    fs::write(file.path(), "").unwrap();
    let db = with_notes(&file.url()).await;
    assert_eq!(count_notes(&db).await, 0);
}

#[tokio::test]
#[ignore = "a program for the test below, which runs it in a process of its own"]
async fn use_a_relative_path() {
    let db = with_notes("sqlite:///./inner/../relative.db").await;
    // The path was relative to the working directory at the time of opening.
    std::env::set_current_dir("inner").unwrap();
    assert_eq!(count_notes(&db).await, 0);
}

#[test]
fn a_relative_path_begins_where_the_process_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("inner")).unwrap();
    in_own_process("connect::use_a_relative_path", directory.path(), &[]);
    assert!(directory.path().join("relative.db").is_file());
    assert!(!directory.path().join("inner/relative.db").exists());
}

#[tokio::test]
async fn two_databases_in_memory_are_two() {
    let one = with_notes("sqlite::memory:").await;
    let other = open("sqlite::memory:").await;
    assert_eq!(count_notes(&one).await, 0);
    let error = try_read::<(i64,)>(&other, "SELECT id FROM notes").await.unwrap_err();
    assert!(error.to_string().contains("no such table: notes"), "{error}");
}

#[tokio::test]
async fn all_connections_to_a_database_in_memory_share_it() {
    let db = with_notes("sqlite::memory:").await;
    write(&db, "INSERT INTO notes (id, title) VALUES (1, 'shared')").await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let mut session = db.read().await.unwrap();
        let rows =
            session.run(tallybook::all::<(String,)>("SELECT title FROM notes", params![])).await.unwrap();
        assert_eq!(rows, [("shared".to_owned(),)]);
        sessions.push(session);
    }
}

#[tokio::test]
async fn a_database_in_memory_outlives_the_connections_that_made_it() {
    let db = open_with("sqlite::memory:", |settings| {
        settings.pool.recycle = Some(Duration::from_millis(1));
    })
    .await;
    create_notes(&db).await;
    for id in 1..=5 {
        tokio::time::sleep(Duration::from_millis(5)).await; // older than 1 ms
        write(&db, format!("INSERT INTO notes (id, title) VALUES ({id}, 'note {id}')")).await;
    }
    assert_eq!(count_notes(&db).await, 5);
}

#[tokio::test]
async fn sqlite_keeps_a_log_and_foreign_keys_and_its_readers_cannot_write() {
    let file = SqliteFile::new("pragmas");
    let db = with_notes(&file.url()).await;
    let sql = "SELECT journal_mode, foreign_keys, synchronous, (SELECT query_only FROM pragma_query_only) \
               FROM pragma_journal_mode, pragma_foreign_keys, pragma_synchronous";
    let reader = read::<(String, i64, i64, i64)>(&db, sql).await;
    assert_eq!(reader, [("wal".to_owned(), 1, 2, 1)]);
    let mut writer = db.begin().await.unwrap();
    let writer = writer.run(tallybook::one::<(String, i64, i64, i64)>(sql, params![])).await.unwrap();
    // The writer flushes the log itself, for many commits at once.
    assert_eq!(writer, ("wal".to_owned(), 1, 1, 0));
}

#[tokio::test]
async fn postgresql_sees_who_connects_and_speaks_utc() {
    let database = postgres().await.database("postgresql_sees_who").await;
    let db = open(database.url()).await;
    let sql = "SELECT current_setting('application_name'), current_setting('timezone')";
    assert_eq!(read::<(String, String)>(&db, sql).await, [("tallybook".to_owned(), "UTC".to_owned())]);
}
