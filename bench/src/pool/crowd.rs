//! Many tasks on few connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};

use super::peer::Peer;

/// What a task does with a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold {
    /// Lets the other tasks run.
    Yield,
    /// Runs a statement.
    Ask,
}

/// So many tasks, each of which checks out, holds and hands back until the time is up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub(super) tasks: usize,
    pub(super) hold: Hold,
    pub(super) time: Duration,
}

/// What the tasks got.
pub(super) struct Turnout {
    /// Check-outs per second.
    pub(super) rate: f64,
    /// Nanoseconds from asking for a connection to having it.
    pub(super) waits: Histogram<u64>,
    /// Check-outs of each task.
    pub(super) served: Vec<u64>,
}

impl Crowd {
    pub(super) async fn run<P: Peer>(self, peer: &Arc<P>) -> Result<Turnout> {
        let barrier = Arc::new(Barrier::new(self.tasks + 1));
        let mut tasks = JoinSet::new();
        for _ in 0..self.tasks {
            let member = Member::new()?;
            tasks.spawn(member.take_turns(Arc::clone(peer), self, Arc::clone(&barrier)));
        }
        barrier.wait().await;
        let start = Instant::now();
        let mut turnout = Turnout { rate: 0.0, waits: waits()?, served: Vec::with_capacity(self.tasks) };
        while let Some(member) = tasks.join_next().await {
            let member = member??;
            turnout.waits.add(&member.waits)?;
            turnout.served.push(member.served);
        }
        turnout.rate = turnout.served.iter().sum::<u64>() as f64 / start.elapsed().as_secs_f64();
        Ok(turnout)
    }
}

/// One of the tasks.
struct Member {
    waits: Histogram<u64>,
    served: u64,
}

impl Member {
    fn new() -> Result<Self> {
        Ok(Self { waits: waits()?, served: 0 })
    }

    async fn take_turns<P: Peer>(
        mut self,
        peer: Arc<P>,
        crowd: Crowd,
        barrier: Arc<Barrier>,
    ) -> Result<Self> {
        barrier.wait().await;
        let end = Instant::now() + crowd.time;
        loop {
            let asked = Instant::now();
            let mut held = peer.check_out().await?;
            let got = Instant::now();
            self.waits.saturating_record((got - asked).as_nanos() as u64);
            match crowd.hold {
                Hold::Yield => yield_now().await,
                Hold::Ask => {
                    let answer = P::ask(&mut held).await?;
                    ensure!(answer == 1, "asked for 1, got {answer}");
                }
            }
            drop(held);
            self.served += 1;
            if got >= end {
                return Ok(self);
            }
        }
    }
}

/// Up to a minute, to three digits.
fn waits() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}
