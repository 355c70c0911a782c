//! What is at rest, and what is lent to whom.

use std::panic::Location;
use std::time::{Duration, Instant};

use slab::Slab;

use super::Holder;
use crate::driver::{Connection, Identity};

/// The connections of a pool at rest, and its loans.
#[derive(Default)]
pub(super) struct Inventory {
    idle: Vec<Idle>,
    loans: Slab<Loan>,
    /// Whether the connection that was made last is encrypted.
    pub(super) encrypted: Option<bool>,
    /// Who is at its other end.
    pub(super) identity: Identity,
}

/// An open connection.
pub(super) struct Opened {
    /// Boxed, because it is handed from place to place at every check-out.
    pub(super) connection: Box<Connection>,
    /// When it is to be replaced.
    pub(super) expires: Option<Instant>,
    /// That of the pool when it was last known to be alive.
    pub(super) generation: u64,
}

/// A connection at rest, since when.
pub(super) struct Idle {
    pub(super) opened: Opened,
    pub(super) since: Instant,
}

/// A connection that is lent.
struct Loan {
    since: Instant,
    holder: &'static Location<'static>,
    reported: bool,
}

impl Inventory {
    /// The most recently used connection at rest.
    pub(super) fn pop(&mut self) -> Option<Idle> {
        self.idle.pop()
    }

    pub(super) fn push(&mut self, opened: Opened, now: Instant) {
        self.idle.push(Idle { opened, since: now });
    }

    pub(super) fn take_idle(&mut self) -> Vec<Opened> {
        std::mem::take(&mut self.idle).into_iter().map(|idle| idle.opened).collect()
    }

    pub(super) fn idle_len(&self) -> usize {
        self.idle.len()
    }

    /// Writes a loan down; the number ends it.
    pub(super) fn lend(&mut self, holder: &'static Location<'static>, now: Instant) -> usize {
        self.loans.insert(Loan { since: now, holder, reported: false })
    }

    pub(super) fn end(&mut self, loan: usize) {
        self.loans.try_remove(loan);
    }

    pub(super) fn longest_loan(&self) -> Option<Holder> {
        let (_, loan) = self.loans.iter().min_by_key(|(_, loan)| loan.since)?;
        Some(Holder { held: loan.since.elapsed(), at: loan.holder })
    }

    /// The loans that are held this long and were not reported yet; they count as reported from now on.
    pub(super) fn new_leaks(&mut self, threshold: Duration) -> Vec<Holder> {
        self.loans
            .iter_mut()
            .map(|(_, loan)| (loan.since.elapsed(), loan))
            .filter(|(held, loan)| *held >= threshold && !loan.reported)
            .map(|(held, loan)| {
                loan.reported = true;
                Holder { held, at: loan.holder }
            })
            .collect()
    }
}
