//! Time limits for work, its blockers, and what opening may do to a file.

use std::future::pending;
use std::sync::Mutex;
use std::time::Duration;

use tallybook::{Blocker, Database, Error, OpenMode, Result, Settings, execute, one, params};
use tallybook_testkit::{SqliteFile, both_dialects, postgres};

const LONG: Duration = Duration::from_secs(600);

async fn open(url: &str) -> Database {
    Database::open(Settings::new(url).unwrap()).await.unwrap()
}

async fn make_notes(db: &Database) {
    let make = execute("CREATE TABLE notes (id integer primary key)", params![]);
    db.write(async |session| session.run(make).await).await.unwrap();
}

both_dialects! {
    async fn work_that_is_done_in_time_is_not_disturbed(url: &str) {
        let db = open(url).await;
        let work = async { db.read().await?.run(one::<(i64,)>("SELECT 6 * 7", params![])).await };
        assert_eq!(db.within(LONG, |_| panic!("nobody is waited for"), work).await.unwrap(), (42,));
        let failed: Result<()> = db.within(LONG, |_| {}, async { Err(Error::invalid_value("it", "failed")) }).await;
        assert_eq!(failed.unwrap_err().to_string(), "it: failed");
    }

    async fn work_that_waits_for_nobody_ends_at_its_deadline_and_that_is_said(url: &str) {
        let db = open(url).await;
        let outcome: Result<()> = db.within(Duration::from_millis(100), |_| {}, pending()).await;
        let error = outcome.unwrap_err();
        assert!(error.is_timeout() && error.timed_out_step().is_none(), "{error}");
        assert!(error.to_string().contains("nobody was found to keep it waiting"), "{error}");
    }

    async fn nobody_is_named_while_nobody_waits(url: &str) {
        let db = open(url).await;
        make_notes(&db).await;
        assert_eq!(db.blockers().await, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_keeps_another_waiting_is_named_without_its_values() {
    let database = postgres().await.database("a_session_that_keeps").await;
    let (db, other) = (open(database.url()).await, open(database.url()).await);
    make_notes(&db).await;
    let mut holder = other.begin().await.unwrap();
    holder.run(execute("INSERT INTO notes (id) VALUES (4711)", params![])).await.unwrap();
    let named = Mutex::new(Vec::new());
    let work = db.write(async |session| -> Result<u64> {
        session.run(execute("INSERT INTO notes (id) VALUES (4711)", params![])).await
    });
    let tell = |blockers: &[Blocker]| named.lock().unwrap().extend_from_slice(blockers);
    let error = db.within(Duration::from_secs(2), tell, work).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let named = named.into_inner().unwrap();
    assert_eq!((&*named[0].user, &*named[0].application), ("tallybook", "tallybook"));
    assert_eq!(named[0].query, "insert into notes (id) values (?)");
    assert!(error.to_string().contains(&format!("pid {}", named[0].pid)), "{error}");
    holder.roll_back().await.unwrap();
}

#[tokio::test]
async fn a_file_that_must_exist_is_not_created() {
    let file = SqliteFile::new("must_exist");
    let mut settings = Settings::new(&file.url()).unwrap();
    for mode in [OpenMode::Existing, OpenMode::ReadOnly] {
        settings.open_mode = mode;
        let error = Database::open(settings.clone()).await.unwrap_err();
        assert!(error.is_connect() && error.to_string().contains("the file does not exist"), "{error}");
        assert!(!file.path().exists());
    }
    settings.open_mode = OpenMode::Create;
    Database::open(settings).await.unwrap().close().await;
    assert!(file.path().exists());
}

#[tokio::test]
async fn a_file_that_is_opened_to_be_read_refuses_writes_and_keeps_its_journal() {
    let file = SqliteFile::new("to_be_read");
    let sqlite = rusqlite::Connection::open(file.path()).unwrap();
    sqlite.execute_batch("CREATE TABLE notes (id integer primary key)").unwrap();
    drop(sqlite);
    let before = std::fs::read(file.path()).unwrap();
    let mut settings = Settings::new(&file.url()).unwrap();
    settings.open_mode = OpenMode::ReadOnly;
    let db = Database::open(settings).await.unwrap();
    let insert = execute("INSERT INTO notes (id) VALUES (1)", params![]);
    let error = db.write(async |session| session.run(insert).await).await.unwrap_err();
    assert!(error.is_read_only(), "{error}");
    let count = one::<(i64,)>("SELECT count(*) FROM notes", params![]);
    assert_eq!(db.read().await.unwrap().run(count).await.unwrap(), (0,));
    db.close().await;
    assert!(std::fs::read(file.path()).unwrap() == before);
    assert_eq!(std::fs::read_dir(file.path().parent().unwrap()).unwrap().count(), 1);
}
