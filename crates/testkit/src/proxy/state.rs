use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{counts::Counters, mode::Mode};

/// Number of consecutive quiet polls before an answer is passed on where turns are counted.
const QUIET_POLLS: u32 = 20;
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// On a busy machine a poll comes late, and so does the client's next message. From then on polls are as far apart
/// as the latest one was late, up to this limit.
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(50);

/// State of a proxy, shared with the tasks of its connections.
#[derive(Debug)]
pub(super) struct ProxyState {
    pub(super) server: u16,
    pub(super) counts_turns: bool,
    pub(super) mode: watch::Sender<Mode>,
    pub(super) counters: Counters,
}

/// State shared by the two directions of a connection.
pub(super) struct ConnectionState {
    pub(super) shared: Arc<ProxyState>,
    /// Set once data was discarded, after which neither side can interpret the rest.
    lost: AtomicBool,
    /// Set if the client has sent something since the last answer.
    client_sent: AtomicBool,
    /// Number of reads from either side.
    activity: AtomicU64,
}

impl ConnectionState {
    pub(super) fn new(shared: Arc<ProxyState>) -> Self {
        let (lost, client_sent) = (AtomicBool::default(), AtomicBool::default());
        Self { shared, lost, client_sent, activity: AtomicU64::default() }
    }

    pub(super) fn mode(&self) -> Mode {
        *self.shared.mode.borrow()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(SeqCst)
    }

    pub(super) fn mark_lost(&self) {
        self.lost.store(true, SeqCst);
    }

    pub(super) fn record_activity(&self, from_client: bool) {
        self.activity.fetch_add(1, SeqCst);
        if from_client {
            self.client_sent.store(true, SeqCst);
        }
    }

    /// Waits until both sides have been quiet, and counts a turn if the client has sent something since the last
    /// answer.
    pub(super) async fn wait_until_quiet(&self) {
        let (mut activity, mut quiet_polls, mut interval) = (self.activity.load(SeqCst), 0, POLL_INTERVAL);
        while quiet_polls < QUIET_POLLS {
            let start = Instant::now();
            tokio::time::sleep(interval).await;
            if start.elapsed() > 2 * interval {
                interval = start.elapsed().min(MAX_POLL_INTERVAL);
            }
            let now = self.activity.load(SeqCst);
            quiet_polls = if now == activity { quiet_polls + 1 } else { 0 };
            activity = now;
        }
        let turns = usize::from(self.client_sent.swap(false, SeqCst));
        self.shared.counters.turns.fetch_add(turns, SeqCst);
    }
}
