//! PostgreSQL, by tokio-postgres.

mod connect;
mod connection;
mod error;
mod flight;
mod load;
mod param;

pub(crate) use connect::Connector;
pub(crate) use connection::Connection;
pub(crate) use load::Load;
