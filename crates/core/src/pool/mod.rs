//! The connection pool.
//!
//! A semaphore of size plus overflow permits queues callers strictly first in, first out. Idle connections
//! form a stack, so that the most recently used, and therefore warmest, goes first. A caller with a permit
//! takes an idle connection or opens one, so a released connection reaches the caller that has waited
//! longest.
//!
//! A connection that a session left clean is kept; any other is cleaned in the background or closed. Those
//! beyond the size of the pool linger for a second and are closed if nobody needs them. Idle connections are pinged before use if they rested for a while or if another one was lost meanwhile.

mod acquire;
mod acquire_deadline;
mod close_reason;
mod core;
mod leak;
mod linger;
mod log_size;
mod pooled_connection;
mod release;
mod slots;
mod stats;
mod status;
mod waiting;

pub(crate) use acquire_deadline::{AcquireBudget, AcquireDeadline};
pub use close_reason::{CloseReason, Closed};
pub(crate) use core::Pool;
pub(crate) use pooled_connection::PooledConnection;
pub use status::{ConnectionHolder, PoolMetrics, PoolStatus, PoolTotals};
pub(crate) use waiting::Waiting;
