//! Benchmarks of Tallybook: its pool beside its peers, and what its monitor costs.

mod allocations;
mod connections;
mod goal;
mod json;
mod machine;
pub mod monitor;
pub mod pool;
mod runtime;
mod table;
mod tally;
