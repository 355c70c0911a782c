//! Routing: which server a session gets.
//!
//! One task per node probes its role, log position and health. Writes go to the one primary, reads to a
//! replica that meets their `ReadConsistency`. Both decide on the latest probes, so routing costs no round
//! trip.
//!
//! The method is that of GitLab's load balancer, which compares the position of a commit with that of a
//! replica. Here the timeline is part of the position, so a promotion cannot produce a false match.

mod acknowledged;
mod backoff;
mod balancer;
mod health;
mod history;
mod metrics;
mod node;
mod node_connection;
mod open;
mod primary;
mod primary_fallback;
mod prober;
mod read_consistency;
mod route;
mod router;
mod status;
#[cfg(test)]
mod tests;
mod topology;
mod watch;
mod write_queue;

pub(crate) use node_connection::NodeConnection;
pub(crate) use read_consistency::ReadConsistency;
pub(crate) use route::Next;
pub(crate) use route::Route;
pub(crate) use router::Router;
pub use status::{NodeRole, NodeState, NodeStatus};
