//! What every peer can be made to do.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::checksum::{Checksum, Loaded};
use super::questions::Questions;
use super::work::{Question, Work};
use crate::allocations::Count;
use crate::processor_time;

/// Turns before allocations are counted: statements are prepared then, and pools filled.
const WARM_UP: usize = 20;
/// Turns of which the allocations are counted.
const COUNTED: usize = 50;

/// What a read needs of the allocator, over all questions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Allocations per row.
    pub(super) per_row: f64,
    /// Allocations per answer.
    pub(super) per_answer: f64,
    /// The bytes of the answers.
    pub(super) answer: i64,
    /// The bytes that were there at once, at most, while the answers were read; they are in it.
    pub(super) peak: i64,
}

/// One peer's turn in a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) operations: f64,
    pub(super) time: Duration,
    /// Processor time of the client: of this process, or of the peer's own. `None` if it can't be told from other work.
    pub(super) client: Option<Duration>,
    /// Processor time of the server, where only the peer can tell: its connections end with the turn.
    pub(super) server: Option<Duration>,
}

impl Turn {
    /// Operations per second.
    pub(super) fn speed(&self) -> f64 {
        self.operations / self.time.as_secs_f64()
    }

    /// Microseconds an operation.
    pub(super) fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.operations
    }
}

/// The end of a trial.
pub(super) type Trial<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// A library with a pool of its own, written as its users would.
pub(super) trait Peer: Send + Sync + 'static {
    /// What it makes of the rows.
    type Answer: Loaded;

    /// Whether it records fills; those that don't are not asked to.
    const RECORDS: bool = false;

    /// Does a piece of work.
    fn ask(&self, question: &Question) -> impl Future<Output = Result<Self::Answer>> + Send;
}

/// Somebody whose work can be measured; compiled for the peer, so that nothing inside a slice is dispatched.
pub(super) trait Contestant: Send + Sync {
    /// What the tables call it.
    fn name(&self) -> &'static str;

    /// Whether it does this work.
    fn does(&self, work: Work) -> bool {
        let _ = work;
        true
    }

    /// Does all questions of a work once: the sum over the answers, or `None` from one that builds no rows.
    fn check(&self, work: Work) -> Trial<Option<Checksum>>;

    /// So many tasks work for about so long.
    fn slice(&self, work: Work, tasks: usize, time: Duration) -> Trial<Turn>;

    /// What a read needs of the allocator, where that can be counted.
    fn needs(&self, work: Work) -> Trial<Option<Needs>> {
        let _ = work;
        Box::pin(async { Ok(None) })
    }
}

/// A peer under its name.
pub(super) struct Entry<P> {
    name: &'static str,
    peer: Arc<P>,
    questions: Arc<Questions>,
}

impl<P: Peer> Entry<P> {
    pub(super) fn shared(name: &'static str, peer: P, questions: &Arc<Questions>) -> Arc<dyn Contestant> {
        Arc::new(Self { name, peer: Arc::new(peer), questions: Arc::clone(questions) })
    }
}

impl<P: Peer> Contestant for Entry<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn does(&self, work: Work) -> bool {
        work != Work::Record || P::RECORDS
    }

    fn check(&self, work: Work) -> Trial<Option<Checksum>> {
        let (peer, questions) = (Arc::clone(&self.peer), Arc::clone(&self.questions));
        on_worker(async move {
            let mut sum = Checksum::new();
            for question in questions.of(work) {
                peer.ask(question).await?.add_to(&mut sum);
            }
            Ok(Some(sum))
        })
    }

    fn slice(&self, work: Work, tasks: usize, time: Duration) -> Trial<Turn> {
        let (peer, questions) = (Arc::clone(&self.peer), Arc::clone(&self.questions));
        on_worker(async move {
            let barrier = Arc::new(Barrier::new(tasks + 1));
            let mut all = JoinSet::new();
            for task in 0..tasks {
                let (peer, questions) = (Arc::clone(&peer), Arc::clone(&questions));
                all.spawn(take_turns(peer, questions, work, task, time, Arc::clone(&barrier)));
            }
            barrier.wait().await;
            let (start, before) = (Instant::now(), processor_time::of_process()?);
            let mut turns = 0;
            while let Some(taken) = all.join_next().await {
                turns += taken??;
            }
            let (time, client) = (start.elapsed(), Some(processor_time::of_process()? - before));
            Ok(Turn { operations: f64::from(turns), time, client, server: None })
        })
    }

    fn needs(&self, work: Work) -> Trial<Option<Needs>> {
        let (peer, questions) = (Arc::clone(&self.peer), Arc::clone(&self.questions));
        on_worker(async move {
            let mut rows = 0;
            let all = || questions.of(work).iter().cycle();
            for question in all().take(WARM_UP) {
                black_box(peer.ask(question).await?);
            }
            for question in all().take(COUNTED) {
                rows += peer.ask(question).await?.checksum().rows;
            }
            ensure!(rows > 0, "no rows");
            let count = Count::begin();
            for question in all().take(COUNTED) {
                black_box(peer.ask(question).await?);
            }
            let made = count.so_far().made as f64;
            let (per_row, per_answer) = (made / rows as f64, made / COUNTED as f64);
            drop(count);
            let (mut answer, mut peak) = (0, 0);
            for question in questions.of(work) {
                let (held, highest) = footprint(&*peer, question).await?;
                answer += held;
                peak += highest;
            }
            Ok(Some(Needs { per_row, per_answer, answer, peak }))
        })
    }
}

/// The bytes of an answer, and the most that were there at once while it was read.
async fn footprint<P: Peer>(peer: &P, question: &Question) -> Result<(i64, i64)> {
    let count = Count::begin();
    let answer = black_box(peer.ask(question).await?);
    let held = count.so_far();
    drop(answer);
    Ok((held.live_bytes - count.so_far().live_bytes, held.peak_bytes))
}

async fn take_turns<P: Peer>(
    peer: Arc<P>,
    questions: Arc<Questions>,
    work: Work,
    task: usize,
    time: Duration,
    barrier: Arc<Barrier>,
) -> Result<u32> {
    barrier.wait().await;
    let start = Instant::now();
    let mut turns = 0;
    for question in questions.of(work).iter().cycle().skip(task) {
        black_box(peer.ask(question).await?);
        turns += 1;
        if start.elapsed() >= time {
            return Ok(turns);
        }
    }
    None.context("there are no questions")
}

/// On one of the runtime's threads: the thread that blocks on the runtime is none of them.
pub(super) fn on_worker<T: Send + 'static>(
    trial: impl Future<Output = Result<T>> + Send + 'static,
) -> Trial<T> {
    Box::pin(async { tokio::spawn(trial).await? })
}
