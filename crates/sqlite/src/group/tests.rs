//! A group has the same outcome as its members one by one, in the order in which they ran.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, ErrorDetail};
use tallybook_sql::grouped_transaction::{ExecuteBatch, GroupedTransaction, TransactionEnd};
use tallybook_sql::params;
use tallybook_sql::query::{Execute, all, execute, queries, reset};
use tallybook_sql::transaction::{Begin, End, TransactionFraming};

use super::Members;
use crate::config::{FileAccess, OpenMode, SqliteLocation};
use crate::connect::Connector;
use crate::{Connection, ExecutedGroup};

const SCHEMA: &str = "CREATE TABLE parents (id integer PRIMARY KEY, note text); \
    CREATE TABLE children (id integer PRIMARY KEY, parent integer REFERENCES parents); \
    CREATE TABLE sums (total integer); INSERT INTO sums VALUES (0); \
    CREATE TABLE refused (id integer); \
    CREATE TRIGGER refuse AFTER INSERT ON refused BEGIN SELECT RAISE(ROLLBACK, 'refused'); END; \
    INSERT INTO parents VALUES (1, 'one')";
const DEFERRED: &str = "CREATE TABLE later (id integer PRIMARY KEY, parent integer REFERENCES parents DEFERRABLE INITIALLY DEFERRED)";

/// The end of a member as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Committed,
    /// With the code of the error.
    Failed(String),
    /// It was not to be kept.
    Refused,
    Panicked,
}

/// What a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Work {
    /// Statements, as their texts.
    Statements(Vec<String>),
    /// It does not want to be kept.
    Refuses(i64),
    Panics(i64),
    /// Its caller is gone from the beginning.
    Abandoned(i64),
    /// Its caller goes while it runs.
    AbandonedMeanwhile(i64),
}

impl Work {
    fn statements(&self) -> Vec<String> {
        match self {
            Work::Statements(texts) => texts.clone(),
            Work::Refuses(id) | Work::Panics(id) | Work::Abandoned(id) | Work::AbandonedMeanwhile(id) => {
                vec![parent(*id), sum(*id)]
            }
        }
    }
}

fn parent(id: i64) -> String {
    format!("INSERT INTO parents VALUES ({id}, 'note {id}')")
}

fn child(parent: i64) -> String {
    format!("INSERT INTO children (parent) VALUES ({parent})")
}

/// Depends on the order of the members.
fn sum(id: i64) -> String {
    format!("UPDATE sums SET total = (total * 3 + {id}) % 1000003")
}

/// Takes longer than a group may.
fn slow() -> String {
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) \
     UPDATE sums SET total = total + (SELECT count(*) FROM n)"
        .to_owned()
}

struct Member {
    work: Work,
    batch: Vec<Execute>,
    failure: Option<Error>,
    is_abandoned: AtomicBool,
    /// Number of runs so far, of all members, and the number of this one's last run.
    runs: Arc<AtomicUsize>,
    last_run: Arc<AtomicUsize>,
    seen: Arc<Mutex<Option<Seen>>>,
}

/// The view of a member's caller.
struct Caller {
    work: Work,
    last_run: Arc<AtomicUsize>,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl Caller {
    fn seen(&self) -> Option<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn member(work: &Work, runs: &Arc<AtomicUsize>) -> (Box<dyn GroupedTransaction>, Caller) {
    let batch = work.statements().into_iter().map(|sql| execute(sql, params![])).collect();
    let (last_run, seen) = (Arc::default(), Arc::default());
    let caller = Caller { work: work.clone(), last_run: Arc::clone(&last_run), seen: Arc::clone(&seen) };
    let member = Member {
        work: work.clone(),
        batch,
        failure: None,
        is_abandoned: AtomicBool::new(matches!(work, Work::Abandoned(_))),
        runs: Arc::clone(runs),
        last_run,
        seen,
    };
    (Box::new(member), caller)
}

impl GroupedTransaction for Member {
    fn run(&mut self, execute: &mut ExecuteBatch<'_>) -> bool {
        self.last_run.store(self.runs.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        reset(&mut self.batch);
        self.failure = execute(&mut queries(&mut self.batch), None).err();
        match self.work {
            Work::Panics(_) => panic!("on purpose"),
            Work::AbandonedMeanwhile(_) => self.is_abandoned.store(true, Ordering::Relaxed),
            _ => {}
        }
        self.failure.is_none() && !matches!(self.work, Work::Refuses(_))
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }

    fn end(self: Box<Self>, end: TransactionEnd) {
        let code = |error: &Error| error.code().unwrap_or("none").to_owned();
        let seen = match (end, &self.failure) {
            (TransactionEnd::Committed, _) => Seen::Committed,
            (TransactionEnd::RolledBack, Some(error)) => Seen::Failed(code(error)),
            (TransactionEnd::RolledBack, None) => Seen::Refused,
            (TransactionEnd::Failed(error), _) if error.is_commit_unknown() => {
                Seen::Failed("unknown".to_owned())
            }
            (TransactionEnd::Failed(error), _) => Seen::Failed(code(&error)),
            (TransactionEnd::Panicked(_), _) => Seen::Panicked,
        };
        assert_eq!(self.seen.lock().unwrap().replace(seen), None, "it is told once");
    }
}

async fn open(path: &Path, schema: &str) -> Connection {
    let access = FileAccess { mode: OpenMode::Create, ..FileAccess::to_look() };
    let connector = Connector::new(&SqliteLocation::File(path.to_owned()), access);
    let mut connection = connector.connect(Role::Migrate).await.unwrap();
    connection.script(schema).await.unwrap();
    connection
}

async fn run_group(
    connection: &mut Connection,
    work: &[Work],
    waiting: usize,
) -> (Vec<Caller>, ExecutedGroup) {
    let runs = Arc::new(AtomicUsize::new(0));
    let (members, callers): (Members, Vec<_>) = work.iter().map(|work| member(work, &runs)).unzip();
    let mut group = connection.execute_group(members, &Arc::new(AtomicUsize::new(waiting))).await;
    for (member, end) in group.ended.drain(..) {
        member.end(end);
    }
    (callers, group)
}

/// Runs the work of a caller as a pipeline that begins and ends its transaction.
async fn run_by_itself(connection: &mut Connection, work: &Work) -> Seen {
    let end = match work {
        Work::Statements(_) => End::Commit,
        _ => End::Rollback,
    };
    let framing =
        TransactionFraming { begin: Some(Begin::Write), end: Some(end), ..TransactionFraming::default() };
    let batch: Vec<_> = work.statements().into_iter().map(|sql| execute(sql, params![])).collect();
    let outcome = connection.execute(batch, framing, None).await.outcome;
    connection.clean().await.unwrap();
    match (outcome, work) {
        (_, Work::Panics(_)) => Seen::Panicked,
        (Err(error), _) => Seen::Failed(error.code().unwrap_or("none").to_owned()),
        (Ok(()), Work::Refuses(_)) => Seen::Refused,
        (Ok(()), _) => Seen::Committed,
    }
}

async fn contents(connection: &mut Connection) -> Vec<String> {
    let mut found = Vec::new();
    for (table, columns) in [("parents", "id, note"), ("children", "id, parent"), ("sums", "total, total")] {
        let sql = format!(
            "SELECT group_concat(row, '; ') FROM (SELECT concat_ws('|', {columns}) AS row FROM {table} ORDER BY 1)"
        );
        let framing = TransactionFraming::default();
        let rows = connection.execute(all::<(Option<String>,)>(sql, params![]), framing, None).await;
        found.push(format!("{table}: {:?}", rows.finish().unwrap()));
    }
    found
}

fn works() -> impl Strategy<Value = Vec<Work>> {
    let id = || 1..12_i64;
    let one = prop_oneof![
        6 => id().prop_map(|id| Work::Statements(vec![parent(id), sum(id)])),
        4 => (id(), id()).prop_map(|(a, b)| Work::Statements(vec![sum(a), parent(a), parent(b)])),
        4 => id().prop_map(|id| Work::Statements(vec![sum(id), child(id)])),
        2 => id().prop_map(|id| Work::Statements(vec![parent(id), format!("UPDATE parents SET note = note || {id}")])),
        1 => id().prop_map(|id| Work::Statements(vec![parent(id), "INSERT INTO refused VALUES (1)".to_owned()])),
        1 => id().prop_map(|id| {
            Work::Statements(vec![sum(id), format!("INSERT OR ROLLBACK INTO parents VALUES ({id}, 'x')")])
        }),
        1 => id().prop_map(|id| Work::Statements(vec![sum(id), format!("PRAGMA user_version = {id}"), parent(id)])),
        1 => id().prop_map(|id| {
            Work::Statements(vec!["PRAGMA defer_foreign_keys = ON".to_owned(), child(id), parent(id)])
        }),
        2 => id().prop_map(Work::Refuses),
        1 => id().prop_map(Work::Panics),
        1 => id().prop_map(Work::Abandoned),
        1 => id().prop_map(Work::AbandonedMeanwhile),
    ];
    prop::collection::vec(one, 1..10)
}

/// Runs a group on one file, and its members one by one on another, in the order of their last runs.
async fn compare(work: &[Work], schema: &str) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let mut together = open(&directory.path().join("together.db"), schema).await;
    let (mut callers, group) = run_group(&mut together, work, 0).await;
    prop_assert!(group.unflushed.is_empty());
    callers.sort_by_key(|caller| caller.last_run.load(Ordering::Relaxed));
    let mut apart = open(&directory.path().join("apart.db"), schema).await;
    for caller in &callers {
        if matches!(caller.work, Work::Abandoned(_) | Work::AbandonedMeanwhile(_)) {
            prop_assert_ne!(caller.seen(), Some(Seen::Committed));
            continue;
        }
        let expected = run_by_itself(&mut apart, &caller.work).await;
        prop_assert_eq!(caller.seen(), Some(expected), "{:?}", &caller.work);
    }
    prop_assert_eq!(contents(&mut together).await, contents(&mut apart).await);
    prop_assert!(together.sqlite.upgrade().unwrap().lock().unwrap().is_autocommit());
    Ok(())
}

fn check(schema: &str, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() });
    runner.run(&works(), |work| runtime.block_on(compare(&work, schema))).unwrap();
}

#[test]
fn a_group_has_the_outcome_of_its_members_one_by_one() {
    check(SCHEMA, 60);
}

#[test]
fn a_group_has_the_outcome_of_its_members_one_by_one_with_deferred_foreign_keys() {
    check(&format!("{SCHEMA}; {DEFERRED}"), 20);
}

#[tokio::test]
async fn members_share_one_transaction() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("shared.db"), SCHEMA).await;
    // The first write enables WAL mode.
    run_group(&mut connection, &[Work::Statements(vec![sum(1)])], 0).await;
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    let hook = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    };
    let set = connection
        .thread()
        .call(move |sqlite| sqlite.commit_hook(Some(hook)).map_err(|error| error.to_string()));
    set.await.unwrap().unwrap();
    let mut work: Vec<_> = (10..20).map(|id| Work::Statements(vec![parent(id)])).collect();
    work.push(Work::Statements(vec![parent(10)]));
    work.push(Work::Panics(30));
    let (callers, _) = run_group(&mut connection, &work, 0).await;
    let committed = callers.iter().filter(|caller| caller.seen() == Some(Seen::Committed)).count();
    assert_eq!((committed, commits.load(Ordering::Relaxed)), (10, 1));
    assert_eq!(callers[10].seen(), Some(Seen::Failed("1555".to_owned())));
    assert_eq!(callers[11].seen(), Some(Seen::Panicked));
}

#[tokio::test]
async fn a_member_that_rolls_everything_back_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("rollback.db"), SCHEMA).await;
    let refused = vec![parent(50), "INSERT INTO refused VALUES (1)".to_owned()];
    let work = [
        Work::Statements(vec![parent(10), sum(1)]),
        Work::Statements(refused),
        Work::Statements(vec![parent(11), sum(2)]),
    ];
    let (callers, _) = run_group(&mut connection, &work, 0).await;
    let seen: Vec<_> = callers.iter().filter_map(Caller::seen).collect();
    assert_eq!(seen, [Seen::Committed, Seen::Failed("1811".to_owned()), Seen::Committed]);
    let found = contents(&mut connection).await;
    assert!(found[0].contains("10|note 10; 11|note 11") && !found[0].contains("50"), "{found:?}");
    assert!(found[2].contains("5|5"), "{found:?}");
}

#[tokio::test]
async fn a_violation_that_shows_at_commit_is_that_of_its_member() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("deferred.db"), &format!("{SCHEMA}; {DEFERRED}")).await;
    let orphan = |id: i64| format!("INSERT INTO later VALUES ({id}, {id})");
    let work = [
        Work::Statements(vec![orphan(7)]),
        Work::Statements(vec![parent(8), orphan(8)]),
        // It would hide the violation of the first one.
        Work::Statements(vec![parent(7)]),
    ];
    let (callers, _) = run_group(&mut connection, &work, 0).await;
    let seen: Vec<_> = callers.iter().filter_map(Caller::seen).collect();
    assert_eq!(seen, [Seen::Failed("787".to_owned()), Seen::Committed, Seen::Committed]);
}

#[tokio::test]
async fn a_member_that_takes_long_runs_after_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("slow.db"), SCHEMA).await;
    let work = [
        Work::Statements(vec![parent(10)]),
        Work::Statements(vec![slow()]),
        Work::Statements(vec![parent(11)]),
    ];
    let (callers, _) = run_group(&mut connection, &work, 0).await;
    assert!(callers.iter().all(|caller| caller.seen() == Some(Seen::Committed)));
    let found = contents(&mut connection).await;
    assert!(found[0].contains("11|note 11") && found[2].contains("400000"), "{found:?}");
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_every_member() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("commit.db"), SCHEMA).await;
    let hook = || true;
    let set = connection
        .thread()
        .call(move |sqlite| sqlite.commit_hook(Some(hook)).map_err(|error| error.to_string()));
    set.await.unwrap().unwrap();
    let work: Vec<_> = (10..14).map(|id| Work::Statements(vec![parent(id % 13)])).collect();
    let (callers, _) = run_group(&mut connection, &work, 0).await;
    let seen: Vec<_> = callers.iter().filter_map(Caller::seen).collect();
    assert_eq!(seen, vec![Seen::Failed("531".to_owned()); 4]);
    assert!(!contents(&mut connection).await[0].contains("10"));
}

#[tokio::test]
async fn nobody_is_told_before_the_flush() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("flush.db"), SCHEMA).await;
    let work: Vec<_> = (10..14).map(|id| Work::Statements(vec![parent(id)])).collect();
    let (callers, group) = run_group(&mut connection, &work, 1).await;
    assert!(
        callers.iter().all(|caller| caller.seen().is_none()),
        "another writer waits, so the flush is due"
    );
    assert_eq!(group.unflushed.len(), 4);
    group.flush.unwrap().wait().await.unwrap();
}

#[tokio::test]
async fn a_flush_that_fails_leaves_the_commit_of_every_member_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("unflushed.db"), SCHEMA).await;
    let (_, _) = run_group(&mut connection, &[Work::Statements(vec![parent(9)])], 0).await;
    connection.database_file().unwrap().flush_failed();
    let work: Vec<_> = (10..13).map(|id| Work::Statements(vec![parent(id)])).collect();
    let (callers, _) = run_group(&mut connection, &work, 0).await;
    let seen: Vec<_> = callers.iter().filter_map(Caller::seen).collect();
    assert_eq!(seen, vec![Seen::Failed("unknown".to_owned()); 3]);
    assert!(connection.is_closed(), "so that the pool replaces it");
}

#[tokio::test]
async fn the_members_of_a_group_whose_thread_is_gone_are_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = open(&directory.path().join("gone.db"), SCHEMA).await;
    run_group(&mut connection, &[Work::Statements(vec![sum(1)])], 0).await;
    let died = connection.thread().call(|_| -> () { panic!("on purpose") }).await;
    assert!(matches!(died.unwrap_err().detail(), ErrorDetail::Lost));
    while !connection.is_closed() {
        tokio::task::yield_now().await;
    }
    let (callers, group) = run_group(&mut connection, &[Work::Statements(vec![parent(9)])], 0).await;
    assert!(group.unflushed.is_empty());
    assert!(callers[0].seen().is_none() && Arc::strong_count(&callers[0].seen) == 1);
}
