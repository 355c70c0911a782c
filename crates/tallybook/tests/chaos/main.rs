//! Faults of a primary and two streaming replicas, on real servers, while 16 tasks read and 4 write.
//!
//! The quick tests run with all others. Each prints its measurements; to measure undisturbed, run them alone:
//!
//! ```text
//! cargo test --release -p tallybook --test chaos -- --nocapture --test-threads 1
//! ```
//!
//! The long tests do the same with more load, in about half an hour:
//!
//! ```text
//! cargo test --release -p tallybook --test chaos -- --ignored --nocapture --test-threads 1
//! ```
//!
//! `RUST_LOG=tallybook::routing=info` shows the state of the servers. Filling a disk needs root, to mount it.

mod abandoned;
mod access;
mod clock;
mod conflict;
mod disk;
mod fallback;
mod ledger;
mod load;
mod opening;
mod outage;
mod primary;
mod promotion;
mod reads;
mod scene;
mod staleness;
mod stats;
mod switchover;
mod tokens;
