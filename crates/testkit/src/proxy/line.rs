use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use super::{Mode, Shared};

/// How often in a row nothing must be heard of either side before an answer is
/// passed on where turns are counted.
const LOOKS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(5);
/// On a busy machine a look comes late, as does what the client has to do before
/// it sends the rest: from then on looks are as far apart as the latest was late.
const FARTHEST: Duration = Duration::from_millis(50);

/// What the two directions of a connection know of each other.
pub(super) struct Line {
    pub(super) shared: Arc<Shared>,
    /// Whether something was lost, after which nothing can be understood.
    lost: AtomicBool,
    /// Whether the client has sent something since the last answer.
    asked: AtomicBool,
    /// How often something was heard of either side.
    heard: AtomicU64,
}

impl Line {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (lost, asked) = (AtomicBool::default(), AtomicBool::default());
        Self { shared, lost, asked, heard: AtomicU64::default() }
    }

    pub(super) fn mode(&self) -> Mode {
        *self.shared.mode.borrow()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(SeqCst)
    }

    pub(super) fn lose(&self) {
        self.lost.store(true, SeqCst);
    }

    pub(super) fn hear(&self, from_client: bool) {
        self.heard.fetch_add(1, SeqCst);
        if from_client {
            self.asked.store(true, SeqCst);
        }
    }

    /// Waits until both sides have been quiet, and counts a turn if the client
    /// has asked for what it will get.
    pub(super) async fn quiet(&self) {
        let (mut heard, mut looks, mut between) = (self.heard.load(SeqCst), 0, BETWEEN);
        while looks < LOOKS {
            let start = Instant::now();
            tokio::time::sleep(between).await;
            if start.elapsed() > 2 * between {
                between = start.elapsed().min(FARTHEST);
            }
            let now = self.heard.load(SeqCst);
            looks = if now == heard { looks + 1 } else { 0 };
            heard = now;
        }
        let turns = usize::from(self.asked.swap(false, SeqCst));
        self.shared.counters.turns.fetch_add(turns, SeqCst);
    }
}
