//! Which node is written to.
//!
//! The one that takes writes; of several, the one with the highest timeline, since a promotion begins a new one. A
//! server on an older timeline than was seen is never written to again, also when it is the only one left: what the
//! promoted one acknowledged would be missing there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::node::Node;
use super::router::Router;
use super::status::NodeRole;
use crate::driver::Observation;

const NONE: usize = usize::MAX;

pub(super) struct Primary {
    current: AtomicUsize,
    /// Told when a node begins to take writes.
    pub(super) changed: Notify,
    standing: Mutex<Standing>,
}

/// What was seen of primaries so far.
#[derive(Default)]
struct Standing {
    /// The identifier of the cluster; that of the first primary.
    system: Option<u64>,
    timeline: u32,
    /// The last primary, also when it is none any more.
    last: Option<usize>,
    /// Which servers take writes, if that is not decided.
    conflict: Option<String>,
}

/// A candidate that takes writes.
#[derive(Clone, Copy)]
struct Writable {
    node: usize,
    seen: Observation,
}

impl Primary {
    pub(super) fn none() -> Self {
        Self::new(NONE)
    }

    /// Where there is nothing to choose.
    pub(super) fn only() -> Self {
        Self::new(0)
    }

    fn new(current: usize) -> Self {
        Self { current: AtomicUsize::new(current), changed: Notify::new(), standing: Mutex::default() }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The identifier of the cluster; 0 while it is not known.
    pub(super) fn system(&self) -> u64 {
        self.standing().system.unwrap_or_default()
    }

    /// The timeline of the primary.
    pub(super) fn timeline(&self) -> u32 {
        self.standing().timeline
    }

    /// Which servers take writes, if several do and nothing tells which is the primary.
    pub(super) fn conflict(&self) -> Option<String> {
        self.standing().conflict.clone()
    }

    /// The node that was the primary when last looked at, whether or not it can be reached now.
    pub(super) fn last(&self) -> Option<usize> {
        let current = self.current.load(Ordering::Acquire);
        (current != NONE).then_some(current)
    }

    /// The primary, if there is one that can be reached.
    pub(super) fn now(&self, router: &Router) -> Option<usize> {
        self.last().filter(|&node| router.nodes[node].health.is_writable())
    }
}

impl Router {
    /// Looks at what the nodes said last, and decides.
    pub(super) fn elect(&self) {
        if !self.has_others() {
            return;
        }
        let mut standing = self.primary.standing();
        let writable = self.writable(&standing);
        let Some(highest) = writable.iter().map(|one| one.seen.timeline).max() else {
            return self.keep_unless_demoted();
        };
        let (leaders, left): (Vec<_>, Vec<_>) =
            writable.into_iter().partition(|one| one.seen.timeline == highest);
        for Writable { node, seen } in left {
            let reason =
                format!("it takes writes on timeline {}, and the primary is on {highest}", seen.timeline);
            self.give_up(node, NodeRole::Primary, reason);
        }
        match *leaders {
            [leader] => {
                standing.conflict = None;
                standing.system.get_or_insert(leader.seen.system);
                standing.timeline = highest;
                let old = standing.last.replace(leader.node);
                self.make_primary(leader, old);
            }
            _ => {
                let told = |one: &Writable| {
                    let Writable { node, seen } = one;
                    let name = &self.nodes[*node].name;
                    format!("{name} (system {}, timeline {})", seen.system, seen.timeline)
                };
                let detail = leaders.iter().map(told).collect::<Vec<_>>().join(" and ");
                if standing.conflict.replace(detail.clone()).is_none() {
                    tracing::error!(target: "tallybook::routing", servers = detail, "several servers take writes: none is written to");
                }
                self.dethrone();
                self.primary.changed.notify_waiters();
            }
        }
    }

    /// The candidates that take writes, each server once, without those that must not be written to.
    fn writable(&self, standing: &Standing) -> Vec<Writable> {
        let mut writable: Vec<Writable> = Vec::new();
        for (node, health) in self.nodes.iter().map(|node| &node.health).enumerate() {
            let seen = health.known().observation;
            let Some(seen) = seen.filter(|_| health.is_writable() && self.nodes[node].is_candidate) else {
                continue;
            };
            let is_same =
                |one: &&Writable| one.seen.started == seen.started && one.seen.system == seen.system;
            if let Some(first) = writable.iter().find(is_same) {
                let reason = format!("it is the same server as {}", self.nodes[first.node].name);
                self.give_up(node, NodeRole::Primary, reason);
            } else if standing.system == Some(seen.system) && seen.timeline < standing.timeline {
                let reason = format!(
                    "it takes writes on timeline {}, but timeline {} was seen: it was replaced as the primary",
                    seen.timeline, standing.timeline
                );
                self.give_up(node, NodeRole::Primary, reason);
            } else {
                writable.push(Writable { node, seen });
            }
        }
        writable
    }

    /// A primary that is only out of reach may come back; one that became a standby is none.
    fn keep_unless_demoted(&self) {
        if let Some(node) = self.primary.last()
            && self.nodes[node].health.known().role == NodeRole::Replica
        {
            self.dethrone();
        }
    }

    fn dethrone(&self) {
        if let Some(node) = self.primary.last() {
            self.primary.current.store(NONE, Ordering::Release);
            self.nodes[node].fall();
        }
    }

    fn make_primary(&self, leader: Writable, old: Option<usize>) {
        if self.primary.current.swap(leader.node, Ordering::AcqRel) == leader.node {
            return;
        }
        {
            let mut history = self.history();
            history.clear();
            history.add(self.epoch, leader.seen.lsn);
        }
        self.primary.changed.notify_waiters();
        let new = &self.nodes[leader.node];
        let timeline = leader.seen.timeline;
        match old.filter(|&old| old != leader.node) {
            Some(old) => self.replace(&self.nodes[old], new, timeline),
            None => {
                tracing::info!(target: "tallybook::routing", primary = new.name, timeline, "found the primary");
            }
        }
    }

    /// Whoever waits for the old primary waits no longer, and nobody is left to believe that all it acknowledged is kept.
    fn replace(&self, old: &Node, new: &Node, timeline: u32) {
        old.fall();
        let doubtful = old.acknowledged.behind(new.health.replayed());
        self.add_doubtful(doubtful);
        let (old, new) = (&old.name, &new.name);
        tracing::warn!(target: "tallybook::routing", old, new, timeline, "another server is the primary");
        if doubtful > 0 {
            tracing::error!(
                target: "tallybook::routing",
                old, new, transactions = doubtful,
                "acknowledged by the old primary, and the new one was not seen to have replayed them: they may be missing"
            );
        }
    }
}
