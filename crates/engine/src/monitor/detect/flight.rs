//! What is sent in one round trip, and what comes back.

use std::sync::Arc;
use std::time::Instant;

use super::super::statement::Statement;
use super::spot::Spot;
use crate::call::Call;
use crate::row::Taken;
use crate::value::Value;

/// A statement of a flight that is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) statement: &'a Arc<Statement>,
    pub(crate) call: Call,
    /// The text as it is sent: values written into it tell runs apart as well.
    pub(crate) sql: &'a str,
    pub(crate) values: &'a [Value],
}

/// A statement of a flight that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) statement: &'a Arc<Statement>,
    pub(crate) call: Call,
    /// The keys of its rows.
    pub(crate) taken: Option<&'a Taken>,
}

/// A flight under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(super) session: u64,
    pub(super) epoch: u64,
    pub(super) now: Instant,
    pub(super) is_read: bool,
    /// None when it can't be part of a loop.
    pub(super) run: Option<Run>,
}

/// Where a run is remembered, and what must be there still when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) group: usize,
    pub(super) spot: Spot,
    pub(super) binding: usize,
    pub(super) identity: u64,
}
