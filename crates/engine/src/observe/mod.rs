//! What happens, as typed events, and who may listen.
//!
//! The pool emits events to the [`Log`]. A session writes into a [`Journal`] that an [`Observer`] gave it;
//! nothing below knows who that is.

mod journal;
mod log;

pub(crate) use journal::{Journal, Observer, Opened, Outcome};
pub(crate) use log::{Event, Log};
