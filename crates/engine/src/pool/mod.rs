//! Connections that are kept, lent and checked.
//!
//! A semaphore counts what may be out (kept plus overflow) and queues waiters strictly first in, first out; the
//! connections at rest are a stack, so that the most recently used, which is the warmest, goes first. Whoever
//! holds a permit owns a connection at rest or makes one, so a connection that is handed back reaches the
//! longest waiter.

mod acquire_deadline;
mod checkout;
mod core;
mod give_back;
mod inventory;
mod leak;
mod lend;
mod log_size;
mod stats;
mod status;
mod waiting;

pub(crate) use acquire_deadline::{AcquireBudget, AcquireDeadline};
pub(crate) use checkout::Checkout;
pub(crate) use core::Pool;
pub use stats::CloseReason;
pub(crate) use status::PoolFigures;
pub use status::{Closed, Holder, PoolStatus, Totals};
pub(crate) use waiting::Waiting;
