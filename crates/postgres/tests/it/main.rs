//! Faults between a client and a server, and what the client makes of them.
//!
//! The tests use nothing but the public surface of the crate, real servers, and relays and fake servers that put faults
//! between. `psql` says how libpq behaves.

mod authentication;
mod buffers;
mod certificates;
mod copy;
mod cut;
mod fake_server;
mod hostile;
mod poolers;
mod relay;
mod rewriter;
mod server;
mod sessions;
mod statement_names;
mod support;
