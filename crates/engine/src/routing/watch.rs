//! What the task that watches a node keeps from one question to the next.

use std::time::{Duration, Instant};

use super::cool_down::cool_down;
use crate::driver::Connection;

/// While nothing tells more of a node than that it is alive, it is not asked more often.
const PATIENCE: Duration = Duration::from_secs(1);
/// A connection that nothing is asked on is closed after so long.
const KEPT: Duration = Duration::from_secs(30);

/// The connection by which a node is watched, and why there is none although the node is alive.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) connection: Option<Connection>,
    used: Option<Instant>,
    /// Since when there are connections that are neither the pool's nor this one.
    others: Option<Instant>,
    problem: String,
    logged: String,
    failures: u32,
    /// Nothing more was learned than that the node is alive.
    is_blind: bool,
    /// When it is tried again to make one.
    again: Option<Instant>,
}

/// Why a node did not answer.
pub(super) struct Missed {
    pub(super) problem: String,
    pub(super) sign: Sign,
}

/// What that says of the node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It answers others.
    Alive,
    /// The server itself refused the connection.
    Refused,
    /// There was no connection to it.
    Unreachable,
    /// Nothing came back.
    Silent,
}

impl Watch {
    /// Notes that there is a connection.
    pub(super) fn connected(&mut self, connection: Connection) {
        *self = Self {
            connection: Some(connection),
            used: Some(Instant::now()),
            logged: std::mem::take(&mut self.logged),
            ..Self::default()
        };
    }

    /// Notes that there is none to a node that is alive: to try again at once would only burden it.
    pub(super) fn failed(&mut self, problem: &str, is_blind: bool) {
        self.connection = None;
        self.is_blind = is_blind;
        problem.clone_into(&mut self.problem);
        self.failures += 1;
        self.again = Some(Instant::now() + cool_down(self.failures));
    }

    /// Notes that the node does not answer at all.
    pub(super) fn gave_up(&mut self) {
        *self = Self { logged: std::mem::take(&mut self.logged), ..Self::default() };
    }

    /// Whether others are asked before it is tried again to make a connection.
    pub(super) fn is_patient(&self) -> bool {
        self.again.is_some_and(|again| Instant::now() < again)
    }

    /// How long to leave the node alone, where that is not as usual.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.is_blind.then_some(PATIENCE)
    }

    /// Whether so many connections were `open` for so long that some are neither the pool's nor this one. One that was
    /// closed is counted for a moment longer.
    pub(super) fn sees_others_for(&mut self, time: Duration, open: usize, pooled: usize) -> bool {
        if open <= pooled + usize::from(self.connection.is_some()) {
            self.others = None;
            return false;
        }
        self.others.get_or_insert_with(Instant::now).elapsed() >= time
    }

    /// Notes that there is nothing to ask.
    pub(super) fn rests(&mut self) {
        if self.used.is_some_and(|used| used.elapsed() >= KEPT) {
            *self = Self::default();
        }
    }

    /// Why there is no connection; empty if there is one, or was no reason to make one.
    pub(super) fn problem(&self) -> &str {
        &self.problem
    }

    /// The problem, if it is another one than at the last call.
    pub(super) fn change(&mut self) -> Option<&str> {
        if let Some(used) = self.connection.as_ref().and(self.used.as_mut()) {
            *used = Instant::now();
        }
        // That it is mended is seen by a connection.
        let is_told = !self.problem.is_empty() || self.connection.is_some();
        (is_told && self.problem != self.logged).then(|| {
            self.logged.clone_from(&self.problem);
            &*self.problem
        })
    }
}
