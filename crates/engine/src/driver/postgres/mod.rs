//! PostgreSQL, by tokio-postgres.

mod backends;
mod bounded;
mod cancel;
mod cancel_key;
mod certificates;
mod clear;
mod connect;
mod connection;
mod cut;
mod error;
mod flight;
mod load;
mod local;
mod notices;
mod observe;
mod param;
mod pooler;
mod reported;
mod startup;
mod tls;
mod verifier;

pub(crate) use connect::Connector;
pub(crate) use connection::Connection;
pub(crate) use error::refusal;
pub(crate) use load::Load;
pub(crate) use observe::STANDBY_TIMELINE;
