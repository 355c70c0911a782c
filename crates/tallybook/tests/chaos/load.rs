//! The load: sixteen readers and four writers, whatever happens.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tallybook::{CommitToken, Database, Error, execute, params};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::clock;
use crate::ledger::Ledger;
use crate::reads::Read;
use crate::stats::{Phase, PhaseStats, report};

const READERS: usize = 16;
const WRITERS: usize = 4;
/// Time limit for opening all connections.
const START: Duration = Duration::from_millis(500);
/// Pause between two statements of a task. Two cores also run the servers, and other tests while nothing is
/// measured.
const PAUSE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 20 } else { 2 });
/// First id of a writer's entries, times the writer's number.
const ENTRIES: i64 = 1_000_000_000;
/// The kinds of reads, in turn.
const READS: [Read; 4] =
    [Read::Usual, Read::AfterLast, Read::Usual, Read::Within(Duration::from_millis(1_000))];

pub(crate) struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    db: Database,
    phase: AtomicU8,
    entered: Mutex<Instant>,
    stops: AtomicBool,
    ledger: Ledger,
    reads: Mutex<PhaseStats>,
    writes: Mutex<PhaseStats>,
}

/// The result of a load.
pub(crate) struct Outcome {
    pub(crate) ledger: Ledger,
    pub(crate) reads: PhaseStats,
    pub(crate) writes: PhaseStats,
}

impl Load {
    /// Starts in the phase before the fault.
    pub(crate) async fn start(db: &Database) -> Self {
        Self::of(db, READERS).await
    }

    /// Starts the writers only.
    pub(crate) async fn of_writers(db: &Database) -> Self {
        Self::of(db, 0).await
    }

    async fn of(db: &Database, readers: usize) -> Self {
        let shared = Arc::new(Shared {
            db: db.clone(),
            phase: AtomicU8::new(Phase::Start as u8),
            entered: Mutex::new(Instant::now()),
            stops: AtomicBool::new(false),
            ledger: Ledger::new(WRITERS),
            reads: Mutex::default(),
            writes: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for reader in 0..readers {
            tasks.spawn(read(Arc::clone(&shared), reader));
        }
        for writer in 0..WRITERS {
            tasks.spawn(write(Arc::clone(&shared), writer));
        }
        let load = Self { shared, tasks };
        sleep(START).await;
        load.enter(Phase::Before);
        load
    }

    /// Starts the next phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.shared.enter(phase);
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Ends the load, prints its results under a title, and returns them.
    pub(crate) async fn stop(self, title: &str) -> Outcome {
        self.shared.enter(Phase::Start);
        self.shared.stops.store(true, Ordering::SeqCst);
        for task in self.tasks.join_all().await {
            let () = task;
        }
        let Some(shared) = Arc::into_inner(self.shared) else { unreachable!("all tasks have ended") };
        let inner = |figures: Mutex<PhaseStats>| figures.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (reads, writes) = (inner(shared.reads), inner(shared.writes));
        report(format!("{title}\n  reads{reads}\n  writes{writes}"));
        Outcome { ledger: shared.ledger, reads, writes }
    }
}

impl Outcome {
    /// Asserts that no read failed or was too stale.
    pub(crate) fn assert_reads(&self) {
        let failures = &self.reads.failures;
        assert!(failures.is_empty(), "{} reads failed:\n{}", failures.len(), some(failures));
        let count = |phase| self.reads.count(phase);
        assert!(count(Phase::Before) + count(Phase::During) + count(Phase::After) > 0, "something is read");
    }

    /// Asserts the same, and that no write failed.
    pub(crate) fn assert_all(&self) {
        self.assert_reads();
        let failures = &self.writes.failures;
        assert!(failures.is_empty(), "{} writes failed:\n{}", failures.len(), some(failures));
    }
}

/// Returns the first of too many lines.
fn some(lines: &[String]) -> String {
    lines.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
}

impl Shared {
    fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::SeqCst))]
    }

    fn enter(&self, phase: Phase) {
        let now = Instant::now();
        let span = now - std::mem::replace(&mut *locked(&self.entered), now);
        let last = self.phase();
        locked(&self.reads).lasted(last, span);
        locked(&self.writes).lasted(last, span);
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    fn stops(&self) -> bool {
        self.stops.load(Ordering::SeqCst)
    }

    fn add(&self, to: &Mutex<PhaseStats>, began: (Phase, Instant), outcome: Result<(), String>) {
        let phase = Phase::of(began.0, self.phase());
        locked(to).add(phase, began.1.elapsed(), outcome);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(shared: Arc<Shared>, reader: usize) {
    let mut turn = reader;
    while !shared.stops() {
        let began = (shared.phase(), Instant::now());
        let outcome = READS[turn % READS.len()].run(&shared.db, &shared.ledger, turn % WRITERS).await;
        shared.add(&shared.reads, began, outcome);
        turn += 1 + reader % 2;
        sleep(PAUSE).await;
    }
}

async fn write(shared: Arc<Shared>, writer: usize) {
    let mut id = writer as i64 * ENTRIES;
    while !shared.stops() {
        id += 1;
        let began = (shared.phase(), Instant::now());
        let beat = clock::micros();
        let outcome = match insert(&shared.db, writer, id, beat).await {
            Ok(token) => {
                shared.ledger.acknowledged(writer, id, beat, token);
                Ok(())
            }
            Err(error) => {
                if error.is_commit_unknown() {
                    shared.ledger.unknown(writer, id);
                }
                Err(format!("{error:?}"))
            }
        };
        shared.add(&shared.writes, began, outcome);
        sleep(PAUSE).await;
    }
}

/// Writes an entry and a heartbeat in one transaction.
pub(crate) async fn insert(db: &Database, writer: usize, id: i64, beat: i64) -> Result<CommitToken, Error> {
    let writer = writer as i64;
    let written = db.write(async |session| -> Result<(), Error> {
        let entry = execute("INSERT INTO entry (id, writer) VALUES ($1, $2)", params![id, writer]);
        let beat = execute("UPDATE beat SET at = $2 WHERE writer = $1", params![writer, beat]);
        session.run((entry, beat)).await?;
        Ok(())
    });
    Ok(written.await?.token())
}
