//! The time limit of a command, with reports of the sessions that block it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tallybook::migrate::{Blocker, Progress};
use tallybook::{Database, Settings};
use tokio::time::timeout;

use crate::output;

/// Time that closing may take after a command failed, possibly at its deadline.
const GRACE: Duration = Duration::from_millis(200);

/// The deadline of a command, and the blockers it has reported.
pub(crate) struct Deadline {
    end: Instant,
    as_json: bool,
    /// The processes reported last.
    reported: Mutex<Vec<i64>>,
}

impl Deadline {
    /// Creates a deadline this many seconds from now.
    pub(crate) fn new(within: u64, as_json: bool) -> Self {
        let end = Instant::now() + Duration::from_secs(within);
        Self { end, as_json, reported: Mutex::default() }
    }

    /// Returns the time left.
    pub(crate) fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Opens a database before the deadline.
    pub(crate) async fn open(&self, mut settings: Settings) -> Result<Database> {
        // Longer than the deadline, whose error says more than SQLite's.
        settings.busy_timeout = self.left() + Duration::from_secs(1);
        let report = |blockers: &[Blocker]| self.report_blockers("the file", blockers);
        Ok(Database::open_within(settings, self.left(), report).await?)
    }

    /// Runs work until the deadline. Closes the database if that fails.
    pub(crate) async fn run<T>(&self, db: &Database, work: impl Future<Output = Result<T>>) -> Result<T> {
        let report = |blockers: &[Blocker]| self.report_blockers("a lock", blockers);
        // On the heap: a command is a large future, and the stack of the main thread is small.
        let outcome = db.within(self.left(), report, Box::pin(work)).await;
        if outcome.is_err() {
            let _ = timeout(GRACE, db.close()).await;
        }
        outcome
    }

    /// Reports the blockers, once: on standard error, or as a line of JSON on standard output.
    pub(crate) fn report_blockers(&self, what: &str, blockers: &[Blocker]) {
        let pids: Vec<_> = blockers.iter().map(|blocker| blocker.pid).collect();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if *reported == pids {
            return;
        }
        *reported = pids;
        // A reader that went away is no reason to stop.
        if self.as_json {
            drop(output::json_line(&Progress::Waiting {
                what: what.to_owned(),
                blockers: blockers.to_vec(),
            }));
        } else {
            let who: Vec<_> = blockers.iter().map(ToString::to_string).collect();
            let who =
                if who.is_empty() { "a process that is not visible".to_owned() } else { who.join("; ") };
            output::stderr_line(format!("waiting for {what}, held by {who}"));
        }
    }
}
