//! Benchmarks of Tallybook: the book and the pool beside their peers, and what the monitor costs.

mod allocations;
pub mod book;
mod connections;
pub mod failover;
mod goal;
mod json;
mod machine;
pub mod monitor;
pub mod pool;
pub mod poolers;
mod processor_time;
mod proxy;
pub mod routing;
mod runtime;
mod table;
mod tally;
