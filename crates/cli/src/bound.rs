//! A bound for a command, and whom it waits for.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tallybook::engine::migrate::{Blocker, Progress};
use tallybook::{Database, Settings};
use tokio::time::timeout;

use crate::output;

/// What closing may take when a command failed: its time may be over.
const GRACE: Duration = Duration::from_millis(200);

/// The time that a command has, and what it said of those that keep it waiting.
pub(crate) struct Bound {
    end: Instant,
    as_json: bool,
    /// The processes that were named last.
    named: Mutex<Vec<i64>>,
}

impl Bound {
    /// So many seconds from now on.
    pub(crate) fn new(within: u64, as_json: bool) -> Self {
        let end = Instant::now() + Duration::from_secs(within);
        Self { end, as_json, named: Mutex::default() }
    }

    /// The time that is left.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Opens a database.
    pub(crate) async fn open(&self, mut settings: Settings) -> Result<Database> {
        // The deadline ends a wait, and says more than SQLite.
        settings.busy_timeout = self.left() + Duration::from_secs(1);
        let tell = |blockers: &[Blocker]| self.tell("the file", blockers);
        Ok(Database::open_within(settings, self.left(), tell).await?)
    }

    /// Works on a database, which is closed if that fails.
    pub(crate) async fn run<T>(&self, db: &Database, work: impl Future<Output = Result<T>>) -> Result<T> {
        let tell = |blockers: &[Blocker]| self.tell("a lock that others hold", blockers);
        // On the heap: a command is a large future, and the stack of the main thread is not.
        let outcome = db.within(self.left(), tell, Box::pin(work)).await;
        if outcome.is_err() {
            let _ = timeout(GRACE, db.close()).await;
        }
        outcome
    }

    /// Says who is waited for, once: on standard error, or as a line of JSON on standard output.
    pub(crate) fn tell(&self, what: &str, blockers: &[Blocker]) {
        let pids: Vec<_> = blockers.iter().map(|blocker| blocker.pid).collect();
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if *named == pids {
            return;
        }
        *named = pids;
        // A reader that went away is no reason to stop.
        if self.as_json {
            drop(output::json_line(&Progress::Waiting {
                what: what.to_owned(),
                blockers: blockers.to_vec(),
            }));
        } else {
            let who: Vec<_> = blockers.iter().map(ToString::to_string).collect();
            let who =
                if who.is_empty() { "somebody who is not to be seen".to_owned() } else { who.join("; ") };
            output::say(format!("waiting for {what}, held by {who}"));
        }
    }
}
