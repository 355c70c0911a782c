//! SQLite files.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use tallybook::{Database, Settings, WriteSession};
use tallybook::{execute, params};
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

/// A `sqlite3` that has the file open and does what it is told; it answers each line before the next.
struct Shell {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Shell {
    fn on(path: &Path) -> Self {
        let mut child = Command::new("sqlite3")
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 is installed: apt-get install sqlite3, or run ./scripts/test, which does");
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn run(&mut self, sql: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{sql}\nSELECT 'done';").unwrap();
        let mut line = String::new();
        while line.trim() != "done" {
            line.clear();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "sqlite3 ended at {sql}");
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_process_that_goes_on_with_a_deleted_file_is_named_and_its_rows_can_be_rescued() {
    let file = SqliteFile::new("deleted");
    let mut shell = Shell::on(file.path());
    shell.run("PRAGMA journal_mode = WAL; CREATE TABLE notes (id integer PRIMARY KEY); INSERT INTO notes VALUES (1);");
    fs::remove_file(file.path()).unwrap();
    shell.run("INSERT INTO notes VALUES (2);");
    let process = format!("sqlite3 (process {}) still uses a file that was deleted", shell.child.id());
    let report = doctor(&file.url());
    report.has("critical", "file", &process, "cp /proc/");
    report.has("critical", "file", "the file does not exist", "ls -l");
    let copies =
        report.told["findings"].as_array().unwrap().iter().flat_map(|one| one["next"].as_array().unwrap());
    let copies: Vec<_> =
        copies.filter_map(|next| next["run"].as_str()).filter(|run| run.starts_with("cp ")).collect();
    assert_eq!(copies.len(), 2, "{}", report.all);
    let directory = file.path().parent().unwrap();
    for copy in copies {
        assert!(Command::new("sh").args(["-c", copy]).current_dir(directory).status().unwrap().success());
    }
    let rescued =
        Command::new("sqlite3").arg(directory.join("rescued.db")).arg("SELECT count(*) FROM notes").output();
    assert_eq!(String::from_utf8_lossy(&rescued.unwrap().stdout).trim(), "2");
}

#[test]
fn who_keeps_a_log_long_is_named() {
    let file = SqliteFile::new("long_log");
    let mut reader = Shell::on(file.path());
    reader
        .run("PRAGMA journal_mode = WAL; CREATE TABLE notes (text text); BEGIN; SELECT count(*) FROM notes;");
    let mut writer = Shell::on(file.path());
    for _ in 0..9 {
        writer.run("INSERT INTO notes SELECT hex(randomblob(4000000));");
    }
    let report = doctor(&file.url());
    report.has("warning", "disk", "the log next to the file has", "fuser -v");
    assert!(report.all.contains(&format!("sqlite3 (process {})", reader.child.id())), "{}", report.all);
}
