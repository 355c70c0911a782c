//! Sixteen tasks that read and four that write, whatever happens.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tallybook_engine::{CommitToken, Database, Error, execute, params};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::clock;
use crate::figures::{Figures, Phase, tell};
use crate::ledger::Ledger;
use crate::reads::Read;

const READERS: usize = 16;
const WRITERS: usize = 4;
/// How long it takes at most until all connections are made.
const START: Duration = Duration::from_millis(500);
/// Between two reads, or writes, of a task: two cores have servers to run as well, and other tests where nothing is
/// measured.
const PAUSE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 10 } else { 2 });
/// The first id of a writer's entries, times its number.
const ENTRIES: i64 = 1_000_000_000;
/// What is read, in turn.
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
    reads: Mutex<Figures>,
    writes: Mutex<Figures>,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) ledger: Ledger,
    pub(crate) reads: Figures,
    pub(crate) writes: Figures,
}

impl Load {
    /// Begins with the phase before a fault.
    pub(crate) async fn start(db: &Database) -> Self {
        Self::of(db, READERS).await
    }

    /// Writers only.
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

    /// What happens from now on belongs to the phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.shared.enter(phase);
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Ends it, prints its figures under a title, and returns them.
    pub(crate) async fn stop(self, title: &str) -> Outcome {
        self.shared.enter(Phase::Start);
        self.shared.stops.store(true, Ordering::SeqCst);
        for task in self.tasks.join_all().await {
            let () = task;
        }
        let Some(shared) = Arc::into_inner(self.shared) else { unreachable!("all tasks have ended") };
        let inner = |figures: Mutex<Figures>| figures.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (reads, writes) = (inner(shared.reads), inner(shared.writes));
        tell(format!("{title}\n  reads{reads}\n  writes{writes}"));
        Outcome { ledger: shared.ledger, reads, writes }
    }
}

impl Outcome {
    /// No read failed or was too old.
    pub(crate) fn assert_reads(&self) {
        let failures = &self.reads.failures;
        assert!(failures.is_empty(), "{} reads failed:\n{}", failures.len(), some(failures));
        let count = |phase| self.reads.count(phase);
        assert!(count(Phase::Before) + count(Phase::During) + count(Phase::After) > 0, "something is read");
    }

    /// No write failed either.
    pub(crate) fn assert_all(&self) {
        self.assert_reads();
        let failures = &self.writes.failures;
        assert!(failures.is_empty(), "{} writes failed:\n{}", failures.len(), some(failures));
    }
}

/// The first of too many lines.
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

    fn add(&self, to: &Mutex<Figures>, began: (Phase, Instant), outcome: Result<(), String>) {
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

/// An entry and a heartbeat, in one transaction.
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
