//! The plans of slow statements: asked for now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use tokio::sync::mpsc;

use super::statement::Statement;
use crate::call::Call;
use crate::query::Request;
use crate::value::Value;

/// A statement that stays slow is explained this often.
const AGAIN_AFTER: Duration = Duration::from_secs(600);
/// Statements that wait to be explained; further ones are not.
const QUEUE: usize = 8;
/// Statements whose last time is remembered.
const REMEMBERED: usize = 1_000;

/// Decides which slow statements are explained.
#[derive(Debug)]
pub(super) struct Plans {
    wanted: mpsc::Sender<Wanted>,
    asked: Mutex<HashMap<u64, Instant, FixedState>>,
}

/// A statement to explain, as it was run.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) statement: crate::statement::Statement,
    pub(crate) values: Vec<Value>,
    pub(crate) call: Call,
    known: Arc<Statement>,
}

impl Plans {
    pub(super) fn new() -> (Self, mpsc::Receiver<Wanted>) {
        let (wanted, queue) = mpsc::channel(QUEUE);
        (Self { wanted, asked: Mutex::default() }, queue)
    }

    /// Asks for the plan of a slow statement, unless it was asked for not long ago.
    pub(super) fn ask(&self, known: &Arc<Statement>, request: &Request, call: Call) {
        let Ok(place) = self.wanted.try_reserve() else { return };
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let last = asked.get(&known.fingerprint.hash);
        if last.is_some_and(|last| now - *last < AGAIN_AFTER) {
            return;
        }
        if asked.len() >= REMEMBERED {
            asked.clear();
        }
        asked.insert(known.fingerprint.hash, now);
        place.send(Wanted {
            statement: request.statement.clone(),
            values: request.values().to_vec(),
            call,
            known: Arc::clone(known),
        });
    }
}

impl Wanted {
    /// Writes the plan to the log and keeps it for reports.
    pub(crate) fn explained(self, outline: String) {
        let fingerprint = &self.known.fingerprint;
        tracing::warn!(
            target: "tallybook::query",
            at = %self.call.at(),
            fingerprint = fingerprint.code(),
            sql = &*fingerprint.text,
            plan = outline,
            "plan of a slow statement"
        );
        self.known.explained(outline);
    }
}
