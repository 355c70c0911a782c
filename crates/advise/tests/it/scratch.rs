//! The given database stays as it is, and nothing of the scratch copy remains.

use std::time::Duration;

use tallybook::{Database, Settings, all, one, params};
use tallybook_advise::{Options, advise};
use tallybook_testkit::SqliteFile;

use crate::market;

/// The content of a PostgreSQL database: the files of all relations, and their rows.
async fn content(db: &Database) -> Vec<(String, i64)> {
    let relations = "SELECT relname::text, relfilenode::bigint FROM pg_class WHERE relpersistence <> 't' AND oid >= 16384 ORDER BY 1";
    let mut session = db.read().await.unwrap();
    let mut content = session.run(all::<(String, i64)>(relations, params![])).await.unwrap();
    for table in ["orders", "fills", "jobs", "accounts", "options", "prices", "events"] {
        let rows = format!(
            "SELECT md5(string_agg(t::text || ctid::text || xmin::text, ',' ORDER BY id)), count(*) FROM {table} t"
        );
        content.push(session.run(one::<(String, i64)>(rows, params![])).await.unwrap());
    }
    content
}

/// Returns the connections of scratch copies and the temporary tables.
async fn remains(db: &Database) -> (i64, i64) {
    let counts = "SELECT (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tallybook advise' AND datname = current_database()), \
        (SELECT count(*) FROM pg_class WHERE relpersistence = 't')";
    db.read().await.unwrap().run(one::<(i64, i64)>(counts, params![])).await.unwrap()
}

async fn nothing_remains(db: &Database) {
    for _ in 0..2_000 {
        if remains(db).await == (0, 0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{:?}", remains(db).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sqlite_file_is_byte_for_byte_the_same_afterwards() {
    let file = SqliteFile::new("unchanged");
    market::create(&file.url()).await;
    let db = market::work(&file.url()).await;
    let bytes = || {
        let read = |suffix: &str| std::fs::read(format!("{}{suffix}", file.path().display())).unwrap();
        (read(""), read("-wal"))
    };
    let before = bytes();
    let advice = advise(&db, &db.workload(), &Options::default()).await.unwrap();
    assert_eq!(advice.add.len(), 4);
    assert!(bytes() == before);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_database_has_the_same_files_and_rows_afterwards() {
    let database = tallybook_testkit::postgres().await.database("unchanged").await;
    market::create(database.url()).await;
    let db = market::work(database.url()).await;
    let before = content(&db).await;
    let advice = advise(&db, &db.workload(), &Options::default()).await.unwrap();
    assert_eq!(advice.add.len(), 4);
    nothing_remains(&db).await;
    assert_eq!(content(&db).await, before);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_remains_on_postgres_of_an_examination_that_is_dropped() {
    let database = tallybook_testkit::postgres().await.database("dropped").await;
    market::create(database.url()).await;
    let db = market::work(database.url()).await;
    let workload = db.workload();
    let (examined, watching) = (db.clone(), db.clone());
    let examination = tokio::spawn(async move { advise(&examined, &workload, &Options::default()).await });
    while remains(&watching).await.1 == 0 {
        assert!(!examination.is_finished());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    examination.abort();
    assert!(examination.await.unwrap_err().is_cancelled());
    nothing_remains(&db).await;
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_memory_is_refused_with_the_reason() {
    let db = Database::open(Settings::new("sqlite::memory:").unwrap()).await.unwrap();
    let error = advise(&db, &db.workload(), &Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("a database in memory cannot be copied"), "{error}");
}
