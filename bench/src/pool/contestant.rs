//! The trials that every pool goes through.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;

use super::crowd::{Crowd, Turnout};
use super::peer::Peer;
use crate::connections::CONNECTIONS;

/// The end of a trial.
pub(super) type Trial<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// A pool under its name. Each trial is one task or several on the runtime's own threads, compiled for the pool:
/// nothing inside of a trial is dispatched at run time.
pub(super) trait Contestant: Send + Sync {
    /// What the tables call it.
    fn name(&self) -> &'static str;

    /// The bytes that move when a connection is handed out.
    fn loan_size(&self) -> usize;

    /// Makes every connection and asks each once.
    fn warm(&self) -> Trial<()>;

    /// One task checks out and hands back for some time; the nanoseconds of each.
    fn alone(&self, time: Duration) -> Trial<f64>;

    /// One task checks out and hands back, so many times.
    fn repeat(&self, times: u32) -> Trial<()>;

    /// Many tasks share the pool.
    fn crowd(&self, crowd: Crowd) -> Trial<Turnout>;
}

pub(super) struct Entry<P> {
    name: &'static str,
    peer: Arc<P>,
}

impl<P: Peer> Entry<P> {
    pub(super) fn shared(name: &'static str, peer: P) -> Arc<dyn Contestant> {
        Arc::new(Self { name, peer: Arc::new(peer) })
    }
}

impl<P: Peer> Contestant for Entry<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn loan_size(&self) -> usize {
        size_of::<P::Held>()
    }

    fn warm(&self) -> Trial<()> {
        let peer = Arc::clone(&self.peer);
        on_worker(async move {
            let mut all = try_join_all((0..CONNECTIONS).map(|_| peer.check_out())).await?;
            for held in &mut all {
                let answer = P::ask(held).await?;
                ensure!(answer == 1, "asked for 1, got {answer}");
            }
            Ok(())
        })
    }

    fn alone(&self, time: Duration) -> Trial<f64> {
        const BETWEEN_LOOKS: u32 = 64;
        let peer = Arc::clone(&self.peer);
        on_worker(async move {
            let start = Instant::now();
            let mut count = 0;
            loop {
                for _ in 0..BETWEEN_LOOKS {
                    drop(black_box(peer.check_out().await?));
                }
                count += BETWEEN_LOOKS;
                let passed = start.elapsed();
                if passed >= time {
                    return Ok(passed.as_secs_f64() * 1e9 / f64::from(count));
                }
            }
        })
    }

    fn repeat(&self, times: u32) -> Trial<()> {
        let peer = Arc::clone(&self.peer);
        on_worker(async move {
            for _ in 0..times {
                drop(black_box(peer.check_out().await?));
            }
            Ok(())
        })
    }

    fn crowd(&self, crowd: Crowd) -> Trial<Turnout> {
        let peer = Arc::clone(&self.peer);
        on_worker(async move { crowd.run(&peer).await })
    }
}

/// On one of the runtime's threads: the thread that blocks on the runtime is none of them.
fn on_worker<T: Send + 'static>(trial: impl Future<Output = Result<T>> + Send + 'static) -> Trial<T> {
    Box::pin(async { tokio::spawn(trial).await? })
}
