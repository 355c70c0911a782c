//! The testkit's guarantees to the tests that use it.

mod binaries;
mod client;
mod cluster;
mod databases;
mod process;
mod proxy;
mod shared;
mod sqlite;
mod standby;
