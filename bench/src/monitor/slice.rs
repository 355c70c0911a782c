//! One mode's turn in a round.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use tallybook::Database;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::case::Case;
use super::mode::Mode;
use super::work::{Keys, Work};
use crate::processor_time;

/// When tasks stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// That much time has passed.
    Passed(Duration),
    /// Each has taken so many turns.
    Taken(u32),
}

/// What a statement cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Slice {
    /// Nanoseconds until the next one was done; many tasks share them.
    pub(super) elapsed: f64,
    /// Nanoseconds of this process on the processors.
    pub(super) processor: f64,
}

/// Lets the tasks of a case work, and takes the time.
pub(super) async fn timed(case: Case, mode: Mode, database: &Database, until: Until) -> Result<Slice> {
    let before = processor_time::of_process()?;
    let start = Instant::now();
    let turns = run(case, mode, database, until).await?;
    let elapsed = start.elapsed().as_nanos() as f64;
    let processor = (processor_time::of_process()? - before).as_nanos() as f64;
    let statements = f64::from(turns) * f64::from(case.work.statements());
    Ok(Slice { elapsed: elapsed / statements, processor: processor / statements })
}

/// Lets the tasks of a case work, on the runtime's own threads; the turns that they took.
pub(super) async fn run(case: Case, mode: Mode, database: &Database, until: Until) -> Result<u32> {
    let barrier = Arc::new(Barrier::new(case.tasks));
    let mut tasks = JoinSet::new();
    for task in 0..case.tasks {
        tasks.spawn(take_turns(case.work, mode, database.clone(), until, task, Arc::clone(&barrier)));
    }
    let mut turns = 0;
    while let Some(taken) = tasks.join_next().await {
        turns += taken??;
    }
    Ok(turns)
}

async fn take_turns(
    work: Work,
    mode: Mode,
    database: Database,
    until: Until,
    task: usize,
    barrier: Arc<Barrier>,
) -> Result<u32> {
    let mut keys = Keys::of_task(task);
    barrier.wait().await;
    let start = Instant::now();
    let mut turns = 0;
    loop {
        work.turn(mode, &database, &mut keys).await?;
        turns += 1;
        let is_over = match until {
            Until::Passed(time) => start.elapsed() >= time,
            Until::Taken(most) => turns >= most,
        };
        if is_over {
            return Ok(turns);
        }
    }
}
