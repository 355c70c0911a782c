//! The engine on real SQLite files and a real PostgreSQL.

mod cancel;
mod connect;
mod constraint;
mod explain;
mod load;
mod log;
mod lost;
mod migrate;
mod pool;
mod proxy;
mod read;
mod row;
mod settings;
mod support;
mod values;
mod wire;
mod write;
