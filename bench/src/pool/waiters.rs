//! What a waiter weighs.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;
use serde::Serialize;
use tallybook::Database;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, yield_now};

use super::peers::open_tallybook;
use crate::allocations::Count;
use crate::connections::CONNECTIONS;

const COUNT: usize = 10_000;
const PATIENCE: Duration = Duration::from_secs(10);

/// The memory of callers that wait on a full pool.
#[derive(Debug, Serialize)]
pub(super) struct Waiters {
    /// Callers that were waiting at once.
    pub(super) waiting: usize,
    /// Callers that were sent away at once because the queue was full.
    pub(super) refused: usize,
    /// Bytes allocated for each, its task included.
    pub(super) bytes_each: f64,
    /// Allocations for each, its task included.
    pub(super) allocations_each: f64,
    /// The size of the bare future, of which the task is made.
    pub(super) future: usize,
    /// Callers that were served when the connections came back.
    pub(super) served: usize,
}

/// On a thread's own runtime, where every allocation can be counted: Tallybook only.
pub(super) fn measure(url: &str) -> Result<Waiters> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let database = runtime.block_on(open_tallybook(url))?;
    let future = size_of_val(&database.read());
    let held = runtime.block_on(try_join_all((0..CONNECTIONS).map(|_| database.read())))?;

    let mut tasks = Vec::with_capacity(COUNT);
    let count = Count::begin();
    queue(&runtime, &database, &mut tasks)?;
    let memory = count.so_far();
    drop(count);
    let waiting = waiting(&database);
    drop(held);
    let served = runtime.block_on(async {
        let mut served = 0;
        for task in tasks {
            served += usize::from(task.await?);
        }
        anyhow::Ok(served)
    })?;
    ensure!(served >= waiting, "{waiting} waited and only {served} were served");
    Ok(Waiters {
        waiting,
        refused: COUNT - waiting,
        bytes_each: memory.live_bytes as f64 / waiting.max(1) as f64,
        allocations_each: memory.live as f64 / waiting.max(1) as f64,
        future,
        served,
    })
}

/// Sends all callers to the pool until each waits or was refused.
fn queue(runtime: &Runtime, database: &Database, tasks: &mut Vec<JoinHandle<bool>>) -> Result<()> {
    runtime.block_on(async {
        for _ in 0..COUNT {
            let database = database.clone();
            tasks.push(tokio::spawn(async move { database.read().await.is_ok() }));
        }
        let start = Instant::now();
        loop {
            let refused = tasks.iter().filter(|task| task.is_finished()).count();
            if waiting(database) + refused == COUNT {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "the callers never came to rest: {:?}", database.pools());
            yield_now().await;
        }
    })
}

fn waiting(database: &Database) -> usize {
    database.pools().iter().map(|pool| pool.waiting).sum()
}
