//! Commits acknowledged on SQLite are on disk: simulated power failures.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tallybook::migrate::{Migrator, Revision, Step, Target};
use tallybook::{Database, Result, execute, params};
use tallybook_testkit::{Disk, Trace};

use crate::support::{in_own_process, open, write};

const FILE: &str = "book.db";
const LOG: &str = "book.db-wal";
/// The file to which the observed program appends a line after each acknowledgement: a query that from then on
/// returns 1, whatever happens.
const ACKNOWLEDGED: &str = "acknowledged";
const TABLE: &str = "CREATE TABLE entries (id integer PRIMARY KEY, part_of integer NOT NULL, padding blob)";
/// Each transaction has two rows, so that a visible one has both.
const PARTS: i64 = 2;
const TORN: &str = "SELECT count(*) FROM (SELECT 1 FROM entries GROUP BY part_of HAVING count(*) <> 2)";

const REVISIONS: &[Revision] = &[
    Revision::new(
        "0001",
        "stars",
        &[
            Step::sql("create stars", "CREATE TABLE stars (id integer PRIMARY KEY)", "DROP TABLE stars"),
            Step::index("ix_entries_part_of", "entries", &["part_of"]),
        ],
    ),
    Revision::new(
        "0002",
        "moons",
        &[Step::sql("create moons", "CREATE TABLE moons (id integer PRIMARY KEY)", "DROP TABLE moons")],
    ),
];

/// The observed program.
struct Program {
    db: Database,
    directory: PathBuf,
}

impl Program {
    async fn start() -> Self {
        let directory = PathBuf::from(env::var("TALLYBOOK_DISK").unwrap());
        let db = open(&format!("sqlite:///{}", directory.join(FILE).display())).await;
        write(&db, TABLE).await;
        Self { db, directory }
    }

    fn acknowledge(&self, query: &str) {
        let mut file =
            File::options().create(true).append(true).open(self.directory.join(ACKNOWLEDGED)).unwrap();
        file.write_all(format!("{query}\n").as_bytes()).unwrap();
    }

    /// Writes one transaction per row, in one batch each.
    async fn try_entry(&self, number: i64, padding: usize) -> Result<()> {
        self.db
            .write(async |session| {
                for _ in 0..PARTS {
                    let insert = "INSERT INTO entries (part_of, padding) VALUES ($1, randomblob($2))";
                    session.run(execute(insert, params![number, padding as i64])).await?;
                }
                Ok(())
            })
            .await?;
        self.acknowledge(&format!("SELECT count(*) = {PARTS} FROM entries WHERE part_of = {number}"));
        Ok(())
    }

    async fn entry(&self, number: i64) {
        self.try_entry(number, 10).await.unwrap();
    }

    async fn several_at_once(&self, tasks: i64, each: i64) -> usize {
        let entries = (0..tasks).map(async |task| {
            let mut refused = 0;
            for number in 0..each {
                if let Err(error) = self.try_entry(1_000 * (task + 1) + number, 10).await {
                    assert!(error.is_commit_unknown(), "{error}");
                    refused += 1;
                }
            }
            refused
        });
        futures_util::future::join_all(entries).await.into_iter().sum()
    }

    /// Writes one whole transaction for each row, of many tasks, which share transactions, and of sessions in between.
    async fn whole_at_once(&self, tasks: i64, each: i64) -> usize {
        let entries = (0..tasks).map(async |task| {
            let mut refused = 0;
            for number in 0..each {
                let number = 1_000 * (task + 1) + number;
                let written = match task {
                    0 => self.try_entry(number, 10).await,
                    _ => self.try_whole_entry(number).await,
                };
                if let Err(error) = written {
                    assert!(error.is_commit_unknown(), "{error}");
                    refused += 1;
                }
            }
            refused
        });
        futures_util::future::join_all(entries).await.into_iter().sum()
    }

    async fn try_whole_entry(&self, number: i64) -> Result<()> {
        let insert = move || execute("INSERT INTO entries (part_of) VALUES ($1)", params![number]);
        self.db.write_batch_then(insert(), move |_| Ok::<_, tallybook::Error>((insert(), ()))).await?;
        self.acknowledge(&format!("SELECT count(*) = {PARTS} FROM entries WHERE part_of = {number}"));
        Ok(())
    }

    async fn upgrade(&self, target: Target) -> Result<()> {
        Migrator::new(&self.db, REVISIONS).upgrade(&target).await.map(drop)
    }

    fn let_a_flush_fail(&self) {
        File::create(self.directory.join("fail-flush")).unwrap();
    }

    fn make_flushes_slow(&self) {
        File::create(self.directory.join("slow-flush")).unwrap();
    }
}

const REVISION_DONE: &str = "SELECT (SELECT count(*) FROM stars) = 0 AND (SELECT count(*) FROM tallybook_revisions WHERE id = '0001') = 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the program that the others watch"]
async fn program() {
    let program = Program::start().await;
    match &*env::var("SCENARIO").unwrap() {
        "one after the other" => {
            for number in 0..20 {
                program.entry(number).await;
            }
        }
        "several at once" => {
            program.make_flushes_slow();
            assert_eq!(program.several_at_once(6, 6).await, 0);
        }
        "whole at once" => {
            program.make_flushes_slow();
            assert_eq!(program.whole_at_once(8, 6).await, 0);
        }
        "whole, and a flush that fails" => {
            program.entry(1).await;
            // A reader stays open, so that the log is not checkpointed when the writer is replaced.
            crate::support::read::<(i64,)>(&program.db, "SELECT id FROM entries").await;
            program.make_flushes_slow();
            program.let_a_flush_fail();
            assert!(program.whole_at_once(4, 8).await >= 1);
            program.try_whole_entry(9).await.unwrap();
        }
        "bulk loads" => {
            for load in 0..3 {
                let mut session = program.db.begin().await.unwrap();
                let mut rows = session.load("entries", &["part_of"]).await.unwrap();
                for row in 0..1_500_i64 {
                    rows.write(&(10_000 * load + row / PARTS,)).await.unwrap();
                }
                rows.finish().await.unwrap();
                session.commit().await.unwrap();
                let range = format!("{} AND {}", 10_000 * load, 10_000 * load + 9_999);
                program.acknowledge(&format!(
                    "SELECT count(*) = 1500 FROM entries WHERE part_of BETWEEN {range}"
                ));
            }
        }
        "revisions" => {
            program.upgrade(Target::Revision("0001".to_owned())).await.unwrap();
            program.acknowledge(REVISION_DONE);
            program.entry(1).await;
            program.upgrade(Target::Head).await.unwrap();
            program.acknowledge("SELECT count(*) = 0 FROM moons");
        }
        "checkpoints" => {
            for number in 0..25 {
                program.try_entry(number, 180_000).await.unwrap();
            }
        }
        "a flush that fails" => {
            program.entry(1).await;
            // A reader stays open, so that the log is not checkpointed when the writer is replaced.
            crate::support::read::<(i64,)>(&program.db, "SELECT id FROM entries").await;
            program.let_a_flush_fail();
            let error = program.try_entry(2, 10).await.unwrap_err();
            assert!(error.is_commit_unknown(), "{error}");
            for number in 3..8 {
                program.entry(number).await;
            }
            program.let_a_flush_fail();
            let error = program.upgrade(Target::Revision("0001".to_owned())).await.unwrap_err();
            assert!(error.is_commit_unknown(), "{error}");
            program.upgrade(Target::Revision("0001".to_owned())).await.unwrap();
            program.acknowledge(REVISION_DONE);
            program.make_flushes_slow();
            program.let_a_flush_fail();
            let refused = program.several_at_once(4, 8).await;
            assert!((1..=5).contains(&refused), "{refused}");
            program.entry(9).await;
        }
        "one of many batches" => {
            program.entry(1).await;
            program.acknowledge("SELECT 1");
            let mut session = program.db.begin().await.unwrap();
            for _ in 0..PARTS {
                let insert = || execute("INSERT INTO entries (part_of) VALUES (2), (3), (4)", params![]);
                let update = || execute("UPDATE entries SET part_of = part_of WHERE part_of > 1", params![]);
                session.run((insert(), update(), update())).await.unwrap();
                session.run((update(), update())).await.unwrap();
            }
            session.commit().await.unwrap();
            program.acknowledge("SELECT count(*) = 6 FROM entries WHERE part_of > 1");
        }
        other => panic!("{other}"),
    }
}

/// Deterministic pseudo-random numbers (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) as usize % limit
    }
}

/// A directory in which a program ran a scenario.
struct Watched {
    directory: tempfile::TempDir,
    trace: Trace,
    /// The acknowledgements: at which event, and of what.
    promises: Vec<(usize, String)>,
}

impl Watched {
    fn new(scenario: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // As SQLite will name it: without links.
        let path = fs::canonicalize(directory.path()).unwrap().join("watched");
        fs::create_dir(&path).unwrap();
        let disk = Disk::new(&path);
        let variables = disk.variables();
        let mut variables: Vec<_> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        variables.push(("SCENARIO", scenario));
        in_own_process("durability::program", &path, &variables);
        let trace = disk.trace();
        let promises = trace
            .written_to(ACKNOWLEDGED)
            .map(|(at, line)| (at, String::from_utf8(line.to_vec()).unwrap().trim().to_owned()))
            .collect();
        Self { directory, trace, promises }
    }

    /// Simulates a power failure before the event `at`, and opens the file again.
    fn check(&self, at: usize, keeps: impl FnMut() -> bool) {
        let place = self.directory.path().join("after");
        fs::create_dir(&place).unwrap();
        self.trace.power_failure(at, keeps, &place);
        self.check_promises(at, &place);
        fs::remove_dir_all(&place).unwrap();
    }

    fn check_promises(&self, at: usize, place: &Path) {
        let promises: Vec<_> = self.promises.iter().filter(|(promised, _)| *promised < at).collect();
        let path = place.join(FILE);
        if promises.is_empty() && !path.exists() {
            return;
        }
        let file = rusqlite::Connection::open(path).unwrap();
        let is_sound: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(is_sound, "ok", "before event {at}");
        for (promised, query) in promises {
            let holds = file.query_row(query, [], |row| row.get::<_, bool>(0));
            assert_eq!(holds, Ok(true), "acknowledged at event {promised}, gone before event {at}: {query}");
        }
        if let Ok(torn) = file.query_row(TORN, [], |row| row.get::<_, i64>(0)) {
            assert_eq!(torn, 0, "half of a transaction is there, before event {at}");
        }
    }

    /// Simulates a power failure right after each acknowledgement, with nothing on disk except what was
    /// flushed, and `random` more anywhere, with any part of the rest.
    fn check_all(&self, random: usize) {
        assert!(!self.promises.is_empty());
        for (at, _) in &self.promises {
            self.check(at + 1, || false);
        }
        let mut chance = Chance(7);
        for _ in 0..random {
            let at = chance.below(self.trace.events.len() + 1);
            let percent = [0, 10, 50, 90, 100][chance.below(5)];
            self.check(at, || chance.below(100) < percent);
        }
    }

    /// Returns the events between two acknowledgements.
    fn between(&self, first: usize, second: usize) -> Range<usize> {
        self.promises[first].0..self.promises[second].0
    }
}

#[test]
fn commits_one_after_the_other_outlast_a_power_failure() {
    let watched = Watched::new("one after the other");
    assert_eq!(watched.promises.len(), 20);
    for number in 1..20 {
        assert_eq!(watched.trace.flushes_of(LOG, watched.between(number - 1, number)), 1, "{number}");
    }
    watched.check_all(60);
}

#[test]
fn commits_that_share_a_flush_outlast_a_power_failure() {
    let watched = Watched::new("several at once");
    assert_eq!(watched.promises.len(), 36);
    let flushes = watched.trace.flushes_of(LOG, watched.between(0, 35));
    // How many commits share one flush depends on the machine; the log's own tests prove that they do.
    assert!(flushes <= 35, "{flushes} flushes behind the first of 36 commits");
    watched.check_all(60);
}

#[test]
fn whole_transactions_that_share_a_commit_outlast_a_power_failure() {
    let watched = Watched::new("whole at once");
    assert_eq!(watched.promises.len(), 48);
    watched.check_all(60);
}

#[test]
fn whole_transactions_go_on_after_a_flush_that_failed_and_outlast_a_power_failure() {
    Watched::new("whole, and a flush that fails").check_all(60);
}

#[test]
fn bulk_loads_outlast_a_power_failure() {
    Watched::new("bulk loads").check_all(40);
}

#[test]
fn revisions_outlast_a_power_failure() {
    Watched::new("revisions").check_all(60);
}

#[test]
fn checkpoints_leave_the_file_whole_wherever_the_power_fails() {
    let watched = Watched::new("checkpoints");
    assert!(watched.trace.flushes_of(FILE, 0..watched.trace.events.len()) > 2, "there was no checkpoint");
    watched.check_all(40);
}

#[test]
fn after_a_flush_that_failed_commits_go_on_and_outlast_a_power_failure() {
    Watched::new("a flush that fails").check_all(60);
}

#[test]
fn a_transaction_of_many_batches_is_flushed_once() {
    let watched = Watched::new("one of many batches");
    assert_eq!(watched.trace.flushes_of(LOG, watched.between(1, 2)), 1);
    watched.check_all(10);
}
