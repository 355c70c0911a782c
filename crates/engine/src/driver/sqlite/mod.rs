//! SQLite, by rusqlite: each connection on a thread of its own, so that one hop runs a whole flight.

mod connect;
mod connection;
mod error;
mod flight;
mod load;

pub(crate) use connect::Connector;
pub(crate) use connection::Connection;
pub(crate) use load::Load;
