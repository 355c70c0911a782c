//! The task that takes a report a second.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::live::Live;
use super::source::Source;

/// The time between two reports.
const EVERY: Duration = Duration::from_secs(1);

/// A program that is sampled while somebody holds this.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) source: Source,
    pub(super) live: Live,
    /// Held by whoever takes the first report.
    first: tokio::sync::Mutex<()>,
}

impl Sampled {
    /// Starts sampling. Must be called on a Tokio runtime.
    pub(super) fn start(source: Source) -> Arc<Self> {
        let live = Live::new(source.settings());
        let sampled = Arc::new(Self { source, live, first: tokio::sync::Mutex::default() });
        tokio::spawn(sample(Arc::downgrade(&sampled)));
        sampled
    }

    /// Waits for the first report, or for the reason why there is none.
    pub(super) async fn first(&self) {
        let _turn = self.first.lock().await;
        if self.live.report().is_none() {
            self.take().await;
        }
    }

    async fn take(&self) {
        match self.source.report().await {
            Ok(report) => self.live.add(report),
            Err(reason) => self.live.lose(reason),
        }
    }
}

/// Takes reports until nobody needs them any more.
async fn sample(sampled: Weak<Sampled>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(sampled) = sampled.upgrade() else { return };
        sampled.take().await;
    }
}
