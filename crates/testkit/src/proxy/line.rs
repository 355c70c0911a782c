use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Mode, Shared};

/// How long both sides are quiet before an answer is passed on where turns
/// are counted.
const QUIET: Duration = Duration::from_millis(100);

/// What the two directions of a connection know of each other.
pub(super) struct Line {
    pub(super) shared: Arc<Shared>,
    /// Whether something was lost, after which nothing can be understood.
    lost: AtomicBool,
    /// Whether the client has sent something since the last answer.
    asked: AtomicBool,
    /// When something was last heard of either side.
    heard: Mutex<Instant>,
}

impl Line {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (lost, asked) = (AtomicBool::default(), AtomicBool::default());
        Self { shared, lost, asked, heard: Mutex::new(Instant::now()) }
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
        *self.heard.lock().expect("nothing panics with it") = Instant::now();
        if from_client {
            self.asked.store(true, SeqCst);
        }
    }

    /// Waits until both sides have been quiet, and counts a turn if the client
    /// has asked for what it will get.
    pub(super) async fn quiet(&self) {
        loop {
            let end = *self.heard.lock().expect("nothing panics with it") + QUIET;
            if end <= Instant::now() {
                break;
            }
            tokio::time::sleep_until(end).await;
        }
        let turns = usize::from(self.asked.swap(false, SeqCst));
        self.shared.counters.turns.fetch_add(turns, SeqCst);
    }
}
