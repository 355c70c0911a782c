//! The tasks of a load.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tallybook::Database;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::latency::Tally;
use super::operation::Mix;
use super::pace::Schedule;
use crate::args::Pace;
use crate::output::thousands;

/// Pause of a task in a closed loop after a failure, so that a lost database is not flooded.
const AFTER_FAILURE: Duration = Duration::from_millis(10);
/// Interval of progress updates.
const SHOWN: Duration = Duration::from_millis(250);

/// The parameters of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) tasks: u32,
    pub(crate) pace: Pace,
    pub(crate) lasts: Duration,
    /// Seed of the sequence of operations and rows.
    pub(crate) seed: u64,
}

/// The result of a load.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) lasted: Duration,
    /// In an open loop, the number of operations that were due and not begun.
    pub(crate) not_begun: Option<u64>,
}

/// Runs a load. Dropping the future ends its tasks.
pub(crate) async fn run(db: &Database, mix: Mix, load: Load, bar: &ProgressBar) -> Result<Outcome> {
    let shared = Arc::new(Shared {
        db: db.clone(),
        mix,
        schedule: Schedule::new(load.pace, load.lasts),
        pace: load.pace,
        tally: Mutex::new(Tally::new()?),
    });
    let begun = shared.schedule.begun();
    let mut tasks = JoinSet::new();
    for number in 0..load.tasks {
        let shared = shared.clone();
        let rng = ChaCha8Rng::seed_from_u64(load.seed.wrapping_add(number.into()));
        tasks.spawn(async move { shared.work(rng).await });
    }
    tokio::select! {
        _ = tasks.join_all() => {}
        never = shared.show(begun, bar) => match never {},
    }
    let lasted = begun.elapsed();
    let tally = std::mem::replace(&mut *shared.tally(), Tally::new()?);
    let not_begun = shared.schedule.planned().map(|planned| planned.saturating_sub(tally.operations()));
    Ok(Outcome { tally, lasted, not_begun })
}

/// State shared by the tasks.
struct Shared {
    db: Database,
    mix: Mix,
    schedule: Arc<Schedule>,
    pace: Pace,
    tally: Mutex<Tally>,
}

impl Shared {
    /// Runs one task: one operation after another.
    async fn work(&self, mut rng: ChaCha8Rng) {
        while let Some(due) = self.schedule.next().await {
            let kind = self.mix.pick(&mut rng);
            let ended = self.mix.run(&self.db, kind, &mut rng).await;
            let (took, failed) = (due.elapsed(), ended.is_err());
            self.tally().record(kind, took, ended);
            if failed && matches!(self.pace, Pace::Closed) {
                sleep(AFTER_FAILURE).await;
            }
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the time and the current rate.
    async fn show(&self, begun: Instant, bar: &ProgressBar) -> std::convert::Infallible {
        let mut ticks = interval(SHOWN);
        let (mut since, mut before) = (begun, 0);
        loop {
            ticks.tick().await;
            let (now, operations) = (Instant::now(), self.tally().operations());
            let rate = (operations - before) as f64 / (now - since).as_secs_f64().max(f64::MIN_POSITIVE);
            bar.set_message(format!("{} operations/s", thousands(rate as u64)));
            bar.set_position(begun.elapsed().as_millis() as u64);
            (since, before) = (now, operations);
        }
    }
}
