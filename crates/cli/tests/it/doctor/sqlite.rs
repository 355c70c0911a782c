//! SQLite files.

use std::fs;
use std::os::unix::fs::FileExt;

use tallybook::engine::{execute, params};
use tallybook::{Database, Settings, WriteSession};
use tallybook_testkit::SqliteFile;

use super::{doctor, migrate};

async fn change(file: &SqliteFile, statements: &[&'static str]) {
    let db = Database::open(Settings::new(&file.url()).unwrap()).await.unwrap();
    for &statement in statements {
        let work = async |session: &mut WriteSession| session.run(execute(statement, params![])).await;
        db.write(work).await.unwrap();
    }
    db.close().await;
}

#[test]
fn a_sound_file_ends_with_0_and_is_left_as_it_is() {
    let file = SqliteFile::new("sound");
    migrate(&file.url());
    let before = fs::read(file.path()).unwrap();
    let report = doctor(&file.url());
    assert_eq!((report.code, &report.told["severity"]), (0, &"ok".into()), "{}", report.all);
    assert!(report.all.contains("all is well"), "{}", report.all);
    assert!(before == fs::read(file.path()).unwrap());
}

#[test]
fn a_file_that_is_not_there_is_told_of_and_not_made() {
    let file = SqliteFile::new("nowhere");
    let report = doctor(&file.url());
    assert_eq!(report.code, 4);
    report.has("critical", "file", "the file does not exist", "tallybook migrate upgrade");
    assert!(!file.path().exists());
    doctor(&format!("{}/deeper/a.db", file.url())).has("critical", "file", "does not exist", "mkdir -p");
}

#[test]
fn what_is_no_database_or_may_not_be_written_is_told_of() {
    let file = SqliteFile::new("text");
    fs::write(file.path(), "dear diary, ".repeat(500)).unwrap();
    doctor(&file.url()).has("critical", "file", "not an SQLite database", "file ");
    let file = SqliteFile::new("read_only");
    migrate(&file.url());
    let mut permissions = fs::metadata(file.path()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(file.path(), permissions).unwrap();
    doctor(&file.url()).has("critical", "file", "may not read and write", "chmod u+rw");
    let directory = file.path().parent().unwrap();
    doctor(&format!("sqlite:///{}", directory.display())).has(
        "critical",
        "file",
        "it is a directory",
        "DATABASE_URL",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_overwritten_is_damage() {
    let file = SqliteFile::new("damaged");
    change(
        &file,
        &[
            "CREATE TABLE notes (id integer primary key, text text)",
            "INSERT INTO notes (text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i \
             < 5000) \
             SELECT 'note ' || i FROM n",
        ],
    )
    .await;
    fs::File::options().write(true).open(file.path()).unwrap().write_all_at(&[0xa5; 4096], 4 * 4096).unwrap();
    let report = doctor(&file.url());
    assert_eq!(report.code, 4);
    report.has("critical", "integrity", "damage", ".recover");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_refer_to_nothing_are_told_of() {
    let file = SqliteFile::new("orphans");
    migrate(&file.url());
    // What a shell leaves that does not switch foreign keys on: the table is put in place of one without a key.
    change(
        &file,
        &[
            "CREATE TABLE parents (id integer primary key)",
            "CREATE TABLE children (id integer primary key, parent_id integer REFERENCES others (id))",
            "CREATE TABLE others (id integer primary key)",
            "INSERT INTO others VALUES (7)",
            "INSERT INTO children VALUES (1, 7)",
            "DROP TABLE parents",
            "ALTER TABLE others RENAME TO former",
        ],
    )
    .await;
    orphan(&file);
    let report = doctor(&file.url());
    report.has(
        "critical",
        "integrity",
        "1 rows of children refer to rows of former",
        "foreign_key_check(children)",
    );
}

/// As a shell does it: without foreign keys.
fn orphan(file: &SqliteFile) {
    let script =
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM former'); c.commit()";
    let done = std::process::Command::new("python3").args(["-c", script]).arg(file.path()).status().unwrap();
    assert!(done.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_free_pages_are_noted() {
    let file = SqliteFile::new("free");
    migrate(&file.url());
    change(
        &file,
        &[
            "CREATE TABLE blobs (x blob)",
            "INSERT INTO blobs VALUES (zeroblob(80000000))",
            "DELETE FROM blobs",
        ],
    )
    .await;
    doctor(&file.url()).has("note", "pages", "are free pages", "VACUUM");
}
