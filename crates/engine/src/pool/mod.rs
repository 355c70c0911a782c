//! Connections that are kept, lent and checked.
//!
//! A semaphore counts what may be out (kept plus overflow) and queues waiters first in, first out; the
//! connections at rest are a stack, so that the most recently used, which is the warmest, goes first.

mod checkout;
mod core;
mod status;

pub(crate) use checkout::Checkout;
pub(crate) use core::Pool;
pub use status::PoolStatus;
