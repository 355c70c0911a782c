//! The parameters of a run, and how often it was repeated.

use std::time::{Duration, Instant};

use super::epochs::Epochs;
use super::flight::Ticket;
use super::rules::PAUSE;

/// Parameters of a run that are traced to where they come from.
pub(super) const TRACED: usize = 4;

/// Runs of a group with the same parameters.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) values: [u64; TRACED],
    /// When it was sent last.
    pub(super) sent: u64,
    answered: u64,
    ended: Option<Instant>,
    session: u64,
    epoch: u64,
    /// Runs in the present epoch.
    streak: u32,
    /// The most runs in one epoch.
    pub(super) repeats: u32,
    /// The time of the runs that an earlier answer would have spared.
    pub(super) repeated: Duration,
}

impl Binding {
    pub(super) fn new(values: [u64; TRACED], sent: u64) -> Self {
        Self {
            values,
            sent,
            answered: 0,
            ended: None,
            session: 0,
            epoch: 0,
            streak: 0,
            repeats: 0,
            repeated: Duration::ZERO,
        }
    }

    pub(super) fn answered(&mut self, ticket: &Ticket, tick: u64, elapsed: Duration, epochs: &Epochs) {
        if ticket.epoch < self.epoch {
            return;
        }
        if self.is_known(ticket, epochs) {
            self.streak = self.streak.saturating_add(1);
            self.repeated += elapsed;
        } else {
            self.streak = 1;
        }
        self.repeats = self.repeats.max(self.streak);
        (self.answered, self.session, self.epoch) = (tick, ticket.session, ticket.epoch);
        self.ended = self.ended.max(Some(ticket.now + elapsed));
    }

    /// Whether the answer was there already, and nothing says that it had changed.
    fn is_known(&self, ticket: &Ticket, epochs: &Epochs) -> bool {
        let starts_over = |session| epochs.ended_for(session, self.answered);
        self.epoch == ticket.epoch
            && self.ended.is_some_and(|ended| ticket.now <= ended + PAUSE)
            && !starts_over(self.session)
            && !starts_over(ticket.session)
    }
}
