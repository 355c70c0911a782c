//! Events of pools and sessions, and the traits that receive them.
//!
//! Pools write [`Event`]s to the [`Log`]. Sessions report to the [`Recorder`] that an [`Observer`] returned
//! for them; nothing in this crate knows the implementation.

mod log;
mod recorder;

pub use log::{Event, Log};
pub use recorder::{Observer, Opened, Outcome, Recorder};
