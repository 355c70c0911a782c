//! An SQLite file that is deleted, replaced or moved while it is open.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tallybook::migrate::{Migrator, Progress, Revision, Step, Target};
use tallybook::{Database, Error, NodeState, Result, Settings, execute, one, params};
use tallybook_testkit::SqliteFile;

use crate::support::{count_notes, eventually, open, try_read, try_write, with_notes, write};

const INSERT: &str = "INSERT INTO notes (title) VALUES (hex(randomblob(16)))";
const COUNT: &str = "SELECT count(*) FROM notes";

/// Opens a database with one note.
async fn with_one_note(file: &SqliteFile) -> Database {
    let db = with_notes(&file.url()).await;
    write(&db, "INSERT INTO notes (title) VALUES ('first')").await;
    db
}

/// A separate, complete file with `notes` notes, like a backup.
async fn backup(path: &Path, notes: i64) {
    let db = with_notes(&format!("sqlite:///{}", path.display())).await;
    for id in 0..notes {
        write(&db, format!("INSERT INTO notes (title) VALUES ('restored {id}')")).await;
    }
    db.close().await;
}

/// An open transaction that wrote.
async fn begun(db: &Database) -> tallybook::WriteSession {
    let mut session = db.begin().await.unwrap();
    session.run(execute(INSERT, params![])).await.unwrap();
    session
}

fn sibling(file: &SqliteFile, suffix: &str) -> std::path::PathBuf {
    format!("{}{suffix}", file.path().display()).into()
}

/// Every use of the database reports it, and nothing creates a new file.
async fn assert_all_fails(db: &Database, what: &str) {
    let assert_gone = |error: Error| {
        assert!(error.is_file_gone(), "{error}");
        assert!(!error.is_retryable(), "{error}");
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.to_string().contains("until the database is opened again"), "{error}");
    };
    for _ in 0..3 {
        assert_gone(try_write(db, INSERT).await.unwrap_err());
        assert_gone(try_read::<(i64,)>(db, COUNT).await.unwrap_err());
        assert_gone(db.snapshot().await.unwrap_err());
    }
    let node = &db.nodes()[0];
    assert_eq!(node.state, NodeState::Down);
    assert!(node.reason.contains(what), "{}", node.reason);
}

/// Reads notice it at the latest a millisecond after the last check.
async fn until_reads_fail(db: &Database) -> Error {
    let mut failed = None;
    eventually("a read notices", async || {
        failed = try_read::<(i64,)>(db, COUNT).await.err();
        failed.is_some()
    })
    .await;
    failed.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_into_a_deleted_file_is_not_acknowledged() {
    let file = SqliteFile::new("deleted");
    let db = with_one_note(&file).await;
    let session = begun(&db).await;
    fs::remove_file(file.path()).unwrap();
    let error = session.commit().await.unwrap_err();
    assert!(error.is_file_gone(), "{error}");
    assert!(!error.is_commit_unknown(), "{error}");
    let message = error.to_string();
    assert!(message.contains(&format!("{} was deleted", file.path().display())), "{message}");
    assert!(message.contains("the transaction is lost"), "{message}");
    assert_all_fails(&db, "was deleted").await;
    db.close().await;
    assert!(!file.path().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_not_acknowledged_after_a_backup_was_moved_over_the_file() {
    let file = SqliteFile::new("replaced");
    let db = with_one_note(&file).await;
    backup(&sibling(&file, ".backup"), 3).await;
    let session = begun(&db).await;
    fs::rename(sibling(&file, ".backup"), file.path()).unwrap();
    let error = session.commit().await.unwrap_err();
    assert!(error.is_file_gone() && !error.is_commit_unknown(), "{error}");
    let message = error.to_string();
    assert!(
        message.contains(&format!("{} was replaced by another file", file.path().display())),
        "{message}"
    );
    assert_all_fails(&db, "was replaced by another file").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn none_of_many_writers_is_told_ok_once_the_file_is_gone() {
    let file = SqliteFile::new("many_writers");
    let db = with_notes(&file.url()).await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut acknowledged = 0;
                let start = Instant::now();
                loop {
                    assert!(start.elapsed() < Duration::from_secs(60), "it goes on and on");
                    match try_write(&db, INSERT).await {
                        Ok(_) => acknowledged += 1,
                        Err(error) => break (acknowledged, error),
                    }
                }
            })
        })
        .collect();
    eventually("some rows are in", async || count_notes(&db).await > 20).await;
    let kept = sibling(&file, ".kept");
    fs::rename(file.path(), &kept).unwrap();
    fs::rename(sibling(&file, "-wal"), format!("{}-wal", kept.display())).unwrap();
    let mut acknowledged = 0;
    for writer in writers {
        let (of_one, error) = writer.await.unwrap();
        assert!(error.is_file_gone(), "{error}");
        acknowledged += of_one;
    }
    db.close().await;
    // Every acknowledged commit came before the move, so the moved file has it.
    let moved = open(&format!("sqlite:///{}", kept.display())).await;
    let rows = count_notes(&moved).await;
    assert!(rows >= acknowledged, "{acknowledged} acknowledged, {rows} in the file");
    // Commits in progress may or may not be there.
    assert!(rows <= acknowledged + 8, "{acknowledged} acknowledged, {rows} in the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_do_not_go_on_with_a_file_that_was_replaced() {
    let file = SqliteFile::new("reads");
    let db = with_one_note(&file).await;
    let mut session = db.read().await.unwrap();
    let mut snapshot = db.snapshot().await.unwrap();
    let count = || one::<(i64,)>(COUNT, params![]);
    assert_eq!(session.run(count()).await.unwrap(), (1,));
    assert_eq!(snapshot.run(count()).await.unwrap(), (1,));
    backup(&sibling(&file, ".backup"), 3).await;
    fs::rename(sibling(&file, ".backup"), file.path()).unwrap();
    let error = until_reads_fail(&db).await;
    assert!(error.to_string().contains("was replaced by another file"), "{error}");
    assert!(session.run(count()).await.unwrap_err().is_file_gone());
    assert!(snapshot.run(count()).await.unwrap_err().is_file_gone());
    drop((session, snapshot));
    assert_all_fails(&db, "was replaced by another file").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_replacing_file_is_opened_again_and_left_alone_by_the_old_one() {
    let file = SqliteFile::new("anew");
    let old = with_one_note(&file).await;
    backup(&sibling(&file, ".backup"), 3).await;
    fs::rename(sibling(&file, ".backup"), file.path()).unwrap();
    // Files of the old database would damage the new one; restoring a backup includes removing them.
    fs::remove_file(sibling(&file, "-wal")).unwrap();
    fs::remove_file(sibling(&file, "-shm")).unwrap();
    let new = open(&file.url()).await;
    write(&new, "INSERT INTO notes (title) VALUES ('new')").await;
    assert_eq!(count_notes(&new).await, 4);
    assert_all_fails(&old, "was replaced by another file").await;
    old.close().await;
    // Closing the old one touches neither the log nor the locks of the new one.
    assert!(sibling(&file, "-wal").exists());
    write(&new, "INSERT INTO notes (title) VALUES ('newer')").await;
    new.close().await;
    assert_eq!(count_notes(&open(&file.url()).await).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renaming_the_directory_moves_the_transaction_along_and_is_reported() {
    let file = SqliteFile::new("directory");
    let (here, there) =
        (file.path().parent().unwrap().join("here"), file.path().parent().unwrap().join("there"));
    fs::create_dir(&here).unwrap();
    let db = with_notes(&format!("sqlite:///{}/book.db", here.display())).await;
    let session = begun(&db).await;
    fs::rename(&here, &there).unwrap();
    let error = session.commit().await.unwrap_err();
    assert!(error.is_file_gone() && error.is_commit_unknown(), "{error}");
    let moved = format!("{}/book.db was moved to {}/book.db", here.display(), there.display());
    assert!(error.to_string().contains(&moved), "{error}");
    assert_all_fails(&db, &moved).await;
    db.close().await;
    assert_eq!(count_notes(&open(&format!("sqlite:///{}/book.db", there.display())).await).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_deleted_stops_everything_and_its_rows_are_kept_by_closing() {
    let file = SqliteFile::new("log");
    let db = with_one_note(&file).await;
    let session = begun(&db).await;
    fs::remove_file(sibling(&file, "-wal")).unwrap();
    let error = session.commit().await.unwrap_err();
    assert!(error.is_file_gone() && error.is_commit_unknown(), "{error}");
    let what = format!("the log {}-wal was deleted", file.path().display());
    assert!(error.to_string().contains(&what), "{error}");
    assert_all_fails(&db, &what).await;
    db.close().await;
    // The acknowledged one, and the one reported as unknown.
    assert_eq!(count_notes(&open(&file.url()).await).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_turned_to_another_file_counts_as_replaced() {
    let file = SqliteFile::new("link");
    let (first, second) = (sibling(&file, ".first"), sibling(&file, ".second"));
    backup(&first, 1).await;
    backup(&second, 2).await;
    std::os::unix::fs::symlink(&first, file.path()).unwrap();
    let db = open(&file.url()).await;
    write(&db, INSERT).await;
    assert_eq!(count_notes(&db).await, 2);
    let session = begun(&db).await;
    std::os::unix::fs::symlink(&second, sibling(&file, ".turned")).unwrap();
    fs::rename(sibling(&file, ".turned"), file.path()).unwrap();
    let error = session.commit().await.unwrap_err();
    // The file that was written to still exists under its own name.
    assert!(error.is_file_gone() && error.is_commit_unknown(), "{error}");
    assert!(error.to_string().contains("was replaced by another file"), "{error}");
    assert!(error.to_string().contains(&first.display().to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_stays_is_no_trouble() {
    let file = SqliteFile::new("link_stays");
    let target = sibling(&file, ".target");
    backup(&target, 1).await;
    std::os::unix::fs::symlink(&target, file.path()).unwrap();
    let db = open(&file.url()).await;
    write(&db, INSERT).await;
    // Writing in place keeps the file.
    write_script(&target, "VACUUM; INSERT INTO notes (title) VALUES ('by another')");
    write(&db, "INSERT INTO notes (title) VALUES ('third')").await;
    assert_eq!(count_notes(&db).await, 4);
    db.close().await;
}

/// As another program would.
fn write_script(path: &Path, sql: &str) {
    let output = std::process::Command::new("sqlite3").arg(path).arg(sql).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_load_is_not_acknowledged_either() {
    let file = SqliteFile::new("load");
    let db = with_notes(&file.url()).await;
    let mut session = db.begin().await.unwrap();
    let mut load = session.load("notes", &["title"]).await.unwrap();
    load.write(&("loaded".to_owned(),)).await.unwrap();
    load.finish().await.unwrap();
    fs::remove_file(file.path()).unwrap();
    assert!(session.commit().await.unwrap_err().is_file_gone());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_a_revision_is_not_taken_for_done_when_the_file_goes_under_it() {
    const REVISIONS: &[Revision] = &[Revision::new(
        "0001",
        "stars",
        &[Step::sql("create stars", "CREATE TABLE stars (id integer PRIMARY KEY)", "DROP TABLE stars")],
    )];
    let file = SqliteFile::new("revision");
    let db = with_notes(&file.url()).await;
    let path = file.path().to_owned();
    let migrator = Migrator::new(&db, REVISIONS).on_progress(move |progress| {
        if matches!(progress, Progress::Applied(_)) {
            fs::remove_file(&path).unwrap();
        }
    });
    let error = migrator.upgrade(&Target::Head).await.unwrap_err();
    assert!(error.is_file_gone(), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_deleted_while_nothing_has_it_open_is_not_created_again() {
    let file = SqliteFile::new("not_made");
    let mut settings = Settings::new(&file.url()).unwrap();
    // No connection is kept for long.
    settings.pool.recycle = Some(Duration::from_millis(1));
    let db = Database::open(settings).await.unwrap();
    crate::support::create_notes(&db).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    fs::remove_file(file.path()).unwrap();
    let error: Result<Vec<(i64,)>> = try_read(&db, COUNT).await;
    assert!(error.unwrap_err().is_file_gone());
    assert!(try_write(&db, INSERT).await.unwrap_err().is_file_gone());
    assert!(!file.path().exists());
    db.close().await;
    assert!(!file.path().exists());
}
