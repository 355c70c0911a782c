//! What goes wrong with a primary and two streaming replicas, on real servers, while 16 tasks read and 4 write.
//!
//! The quick ones run with all other tests. What each of them measured is printed; measure without others beside it:
//!
//! ```text
//! cargo test --release -p tallybook-engine --test chaos -- --nocapture --test-threads 1
//! ```
//!
//! The long ones do the same for longer and with more of it, in about half an hour:
//!
//! ```text
//! cargo test --release -p tallybook-engine --test chaos -- --ignored --nocapture --test-threads 1
//! ```
//!
//! `RUST_LOG=tallybook::routing=info` shows what becomes of the servers. To fill a disk takes root: it is mounted.

mod abandoned;
mod access;
mod clock;
mod conflict;
mod disk;
mod figures;
mod ledger;
mod load;
mod opening;
mod outage;
mod primary;
mod promotion;
mod reads;
mod scene;
mod spill;
mod staleness;
mod switchover;
mod tokens;
