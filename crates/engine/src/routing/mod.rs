//! Which server a session gets.
//!
//! One task a node watches its role, position and health. Reads go to a replica that is fit for what they ask, writes
//! to the one primary; both only look at what the tasks found, so a choice costs no round trip. The method is that of
//! GitLab's load balancer (a commit's position against a replica's), with the timeline in it, so that a promotion
//! can't fool it.

mod acknowledged;
mod choice;
mod cool_down;
mod figures;
mod health;
mod history;
mod layout;
mod lease;
mod need;
mod node;
mod primary;
mod prober;
mod route;
mod router;
mod spill;
mod status;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use lease::Lease;
pub(crate) use need::Need;
pub(crate) use route::{Next, Route};
pub(crate) use router::Router;
pub use status::{NodeRole, NodeState, NodeStatus};
