//! Readers and writers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tallybook::{Database, execute, one, params};
use tokio::task::JoinSet;
use tokio::time::sleep;

const READERS: usize = 8;
const WRITERS: usize = 2;
/// Between two operations of a task: the servers are to be busy, not saturated.
const PAUSE: Duration = Duration::from_millis(5);

/// How the operations ended. Cloning shares the counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Load(Arc<Counts>);

/// The counts of a load.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) reads: AtomicU64,
    pub(super) failed_reads: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) refused_writes: AtomicU64,
    pub(super) unknown_writes: AtomicU64,
}

impl std::ops::Deref for Load {
    type Target = Counts;

    fn deref(&self) -> &Counts {
        &self.0
    }
}

/// The running tasks of a load.
pub(super) struct Tasks {
    tasks: JoinSet<()>,
    is_over: Arc<AtomicBool>,
}

impl Tasks {
    pub(super) fn start(db: &Database, load: &Load) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..READERS {
            tasks.spawn(read(db.clone(), load.clone(), Arc::clone(&is_over)));
        }
        for _ in 0..WRITERS {
            tasks.spawn(write(db.clone(), load.clone(), Arc::clone(&is_over)));
        }
        Self { tasks, is_over }
    }

    /// Waits until every task has ended its operation.
    pub(super) async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await;
    }
}

async fn read(db: Database, load: Load, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let read =
            async { db.read().await?.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await };
        let counter = if read.await.is_ok() { &load.reads } else { &load.failed_reads };
        counter.fetch_add(1, Ordering::Relaxed);
        sleep(PAUSE).await;
    }
}

async fn write(db: Database, load: Load, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let insert = execute("INSERT INTO notes (title) VALUES ($1)", params!["a note"]);
        let written = db.write(async |session| session.run(insert).await).await;
        let counter = match written {
            Ok(_) => &load.writes,
            Err(error) if error.is_commit_unknown() => &load.unknown_writes,
            Err(_) => &load.refused_writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        sleep(PAUSE).await;
    }
}
