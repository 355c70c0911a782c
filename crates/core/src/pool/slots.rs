//! The connections of a pool: idle and in use.

use std::mem;
use std::panic::Location;
use std::time::{Duration, Instant};

use slab::Slab;
use tallybook_sql::replication::Identity;

use super::ConnectionHolder;
use super::linger::expired;
use crate::driver::Connection;

/// Idle connections and the registry of those in use.
#[derive(Default)]
pub(super) struct Slots {
    /// The most recently used last.
    idle: Vec<Idle>,
    /// True while a task closes what lingers.
    has_closer: bool,
    in_use: Slab<InUse>,
    /// True if the most recent connection is encrypted.
    pub(super) encrypted: Option<bool>,
    /// Identity of the server at the most recent connect.
    pub(super) identity: Identity,
}

/// An open connection.
pub(super) struct OpenConnection {
    /// Boxed, because every acquire moves it several times.
    pub(super) connection: Box<Connection>,
    /// Time at which it is recycled.
    pub(super) expires: Option<Instant>,
    /// Generation of the pool when the connection was last known to be alive.
    pub(super) generation: u64,
}

/// An idle connection, and since when it is idle.
pub(super) struct Idle {
    pub(super) opened: OpenConnection,
    pub(super) since: Instant,
}

/// A connection in use.
struct InUse {
    since: Instant,
    caller: &'static Location<'static>,
    reported: bool,
}

impl Slots {
    /// Takes the most recently used idle connection.
    pub(super) fn pop(&mut self) -> Option<Idle> {
        self.idle.pop()
    }

    pub(super) fn push(&mut self, opened: OpenConnection, now: Instant) {
        self.idle.push(Idle { opened, since: now });
    }

    /// Adds a connection that was just used. Returns whether it lingers beyond the size and nothing would close it:
    /// the caller starts a task for that.
    pub(super) fn push_used(&mut self, opened: OpenConnection, now: Instant, size: usize) -> bool {
        self.push(opened, now);
        self.idle.len() > size && !mem::replace(&mut self.has_closer, true)
    }

    /// Takes what has lingered long enough, and returns when to look again. Without such a time the task ends.
    pub(super) fn take_lingering(
        &mut self,
        size: usize,
        now: Instant,
    ) -> (Vec<OpenConnection>, Option<Instant>) {
        let since: Vec<_> = self.idle.iter().map(|idle| idle.since).collect();
        let (count, next) = expired(&since, size, now);
        self.has_closer = next.is_some();
        (self.idle.drain(..count).map(|idle| idle.opened).collect(), next)
    }

    pub(super) fn take_idle(&mut self) -> Vec<OpenConnection> {
        mem::take(&mut self.idle).into_iter().map(|idle| idle.opened).collect()
    }

    pub(super) fn idle_len(&self) -> usize {
        self.idle.len()
    }

    /// Registers a connection as in use and returns the key of the entry.
    pub(super) fn acquire(&mut self, caller: &'static Location<'static>, now: Instant) -> usize {
        self.in_use.insert(InUse { since: now, caller, reported: false })
    }

    pub(super) fn end(&mut self, slot: usize) {
        self.in_use.try_remove(slot);
    }

    pub(super) fn longest_session(&self) -> Option<ConnectionHolder> {
        let (_, slot) = self.in_use.iter().min_by_key(|(_, slot)| slot.since)?;
        Some(ConnectionHolder { held: slot.since.elapsed(), at: slot.caller })
    }

    /// Returns the sessions that reached the threshold and were not reported before, and marks them as
    /// reported.
    pub(super) fn new_leaks(&mut self, threshold: Duration) -> Vec<ConnectionHolder> {
        self.in_use
            .iter_mut()
            .map(|(_, slot)| (slot.since.elapsed(), slot))
            .filter(|(held, slot)| *held >= threshold && !slot.reported)
            .map(|(held, slot)| {
                slot.reported = true;
                ConnectionHolder { held, at: slot.caller }
            })
            .collect()
    }
}
