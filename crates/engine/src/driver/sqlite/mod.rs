//! SQLite, by rusqlite: each connection has a thread of its own, so that one hop runs a whole flight; short reads
//! need none.

mod checked_results;
mod checkpoint;
mod connect;
mod connection;
mod error;
mod file;
mod flight;
mod functions;
mod guard;
mod leash;
mod load;
mod locks;
mod log;
#[cfg(test)]
mod tests;

pub(crate) use connect::Connector;
pub(crate) use connection::Connection;
pub(crate) use load::Load;
pub(crate) use locks::{Process, lock_holders, log_readers};
pub(crate) use log::Sync;
