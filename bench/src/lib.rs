//! Benchmarks of Tallybook beside its peers, on a private PostgreSQL server.

pub mod pool;
