//! Servers with certificates of all kinds, and machines in the middle.
//!
//! A TLS listener with a certificate of the test's own stands in front of a real server. What is taken and refused is
//! compared with `psql`, whose deviations are named.

mod authority;
mod front;
mod handshakes;
mod verification;
