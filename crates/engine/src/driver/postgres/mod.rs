//! PostgreSQL, by tokio-postgres.

mod backends;
mod certificates;
mod clear;
mod connect;
mod connection;
mod cut;
mod error;
mod flight;
mod load;
mod notices;
mod observe;
mod param;
mod tls;
mod verifier;

pub(crate) use connect::Connector;
pub(crate) use connection::Connection;
pub(crate) use load::Load;
pub(crate) use observe::STANDBY_TIMELINE;
