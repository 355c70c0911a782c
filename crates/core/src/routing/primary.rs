//! Election of the primary.
//!
//! The primary is the candidate that accepts writes; of several, the one on the highest timeline, since a
//! promotion starts a new one. A server on an older timeline than the highest ever seen is never written to
//! again, even if it is the only one left: it lacks what the promoted server acknowledged.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use tallybook_sql::lock::lock;
use tallybook_sql::replication::Observation;
use tokio::sync::Notify;

use super::history::History;
use super::node::Node;
use super::status::NodeRole;

const NONE: usize = usize::MAX;

pub(super) struct Primary {
    current: AtomicUsize,
    /// Notified when a node starts to accept writes.
    pub(super) changed: Notify,
    election: Mutex<ElectionState>,
    /// Time at which the nodes were created. The first known position of a primary covers all commits before then.
    epoch: Instant,
    history: Mutex<History>,
    /// Commits that a replaced primary acknowledged and its successor may lack.
    doubtful: AtomicU64,
}

/// The clusters and timelines that elections have seen so far.
#[derive(Default)]
struct ElectionState {
    /// System identifier of the cluster, from the first primary.
    system: Option<u64>,
    /// System identifier of the replicas at a start without a primary, until there is one.
    system_of_replicas: Option<u64>,
    timeline: u32,
    /// The latest primary, even if it no longer is one.
    last: Option<usize>,
    /// The servers that accept writes, if the election is undecided.
    conflict: Option<String>,
}

/// A candidate that accepts writes.
#[derive(Clone, Copy)]
struct Contender {
    node: usize,
    seen: Observation,
}

impl ElectionState {
    fn known_system(&self) -> Option<u64> {
        self.system.or(self.system_of_replicas)
    }
}

impl Primary {
    pub(super) fn undecided(epoch: Instant) -> Self {
        Self::new(NONE, epoch)
    }

    /// The election where there is only one node.
    pub(super) fn fixed(epoch: Instant) -> Self {
        Self::new(0, epoch)
    }

    fn new(current: usize, epoch: Instant) -> Self {
        Self {
            current: AtomicUsize::new(current),
            changed: Notify::new(),
            election: Mutex::default(),
            epoch,
            history: Mutex::default(),
            doubtful: AtomicU64::new(0),
        }
    }

    fn election(&self) -> MutexGuard<'_, ElectionState> {
        lock(&self.election)
    }

    /// Returns the system identifier of the cluster, or 0 if neither a primary nor the replicas have told it.
    pub(super) fn system(&self) -> u64 {
        self.election().known_system().unwrap_or_default()
    }

    /// Returns the system identifier of the cluster if a server belongs to another one. The first primary decides
    /// which cluster it is, whatever the replicas were part of.
    pub(super) fn other_system(&self, seen: &Observation, is_candidate: bool) -> Option<u64> {
        let election = self.election();
        if election.system.is_none() && is_candidate && !seen.standby {
            return None;
        }
        election.known_system().filter(|&system| system != seen.system)
    }

    /// Begins without a primary: the most advanced replica shows the cluster and how far its log goes, at least.
    pub(super) fn begin_without(&self, replica: &Observation) {
        let mut election = self.election();
        if election.last.is_none() {
            election.system_of_replicas = Some(replica.system);
            self.history().begin_without_primary(replica.timeline, replica.lsn);
        }
    }

    /// Returns whether there ever was a primary.
    pub(super) fn was_found(&self) -> bool {
        self.election().last.is_some()
    }

    /// Returns the timeline of the primary.
    pub(super) fn timeline(&self) -> u32 {
        self.election().timeline
    }

    /// Returns the servers that accept writes, if there are several and the election is undecided.
    pub(super) fn conflict(&self) -> Option<String> {
        self.election().conflict.clone()
    }

    /// Returns the primary of the last election, reachable or not.
    pub(super) fn last(&self) -> Option<usize> {
        let current = self.current.load(Ordering::Acquire);
        (current != NONE).then_some(current)
    }

    /// Returns the primary if it is reachable.
    pub(super) fn now(&self, nodes: &[Node]) -> Option<usize> {
        self.last().filter(|&node| nodes[node].health.is_writable())
    }

    /// Returns the positions of the primary over time.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// Returns the number of commits that a replaced primary acknowledged and its successor may lack.
    pub(super) fn doubtful(&self) -> u64 {
        self.doubtful.load(Ordering::Relaxed)
    }

    /// Elects the primary from the latest probes of several nodes.
    pub(super) fn elect(&self, nodes: &[Node]) {
        let mut election = self.election();
        let writable = writable(nodes, &election);
        let Some(highest) = writable.iter().map(|one| one.seen.timeline).max() else {
            return self.demote_if_standby(nodes);
        };
        let (leaders, left): (Vec<_>, Vec<_>) =
            writable.into_iter().partition(|one| one.seen.timeline == highest);
        for Contender { node, seen } in left {
            let reason =
                format!("it takes writes on timeline {}, and the primary is on {highest}", seen.timeline);
            nodes[node].mark_down(NodeRole::Primary, reason);
        }
        match *leaders {
            [leader] => {
                election.conflict = None;
                election.system.get_or_insert(leader.seen.system);
                election.timeline = highest;
                let old = election.last.replace(leader.node);
                self.make_primary(nodes, leader, old);
            }
            _ => {
                let describe = |one: &Contender| {
                    let Contender { node, seen } = one;
                    let name = &nodes[*node].name;
                    format!("{name} (system {}, timeline {})", seen.system, seen.timeline)
                };
                let detail = leaders.iter().map(describe).collect::<Vec<_>>().join(" and ");
                if election.conflict.replace(detail.clone()).is_none() {
                    tracing::error!(target: "tallybook::routing", servers = detail, "several servers take writes, so none is written to");
                }
                self.demote(nodes);
                self.changed.notify_waiters();
            }
        }
    }

    /// An unreachable primary may come back; one that became a standby is demoted.
    fn demote_if_standby(&self, nodes: &[Node]) {
        if let Some(node) = self.last()
            && nodes[node].health.known().role == NodeRole::Replica
        {
            self.demote(nodes);
        }
    }

    fn demote(&self, nodes: &[Node]) {
        if let Some(node) = self.last() {
            self.current.store(NONE, Ordering::Release);
            nodes[node].disconnect();
        }
    }

    fn make_primary(&self, nodes: &[Node], leader: Contender, old: Option<usize>) {
        if self.current.swap(leader.node, Ordering::AcqRel) == leader.node {
            return;
        }
        {
            let mut history = self.history();
            history.clear();
            history.add(self.epoch, leader.seen.lsn);
        }
        self.changed.notify_waiters();
        let new = &nodes[leader.node];
        let timeline = leader.seen.timeline;
        match old.filter(|&old| old != leader.node) {
            Some(old) => self.announce_replacement(&nodes[old], new, timeline),
            None => {
                tracing::info!(target: "tallybook::routing", primary = new.name, timeline, "found the primary");
            }
        }
    }

    /// Aborts connections to the old primary and reports commits that the new one may lack.
    fn announce_replacement(&self, old: &Node, new: &Node, timeline: u32) {
        old.disconnect();
        let doubtful = old.acknowledged.count_after(new.health.replayed());
        self.doubtful.fetch_add(doubtful, Ordering::Relaxed);
        let (old, new) = (&old.name, &new.name);
        tracing::warn!(target: "tallybook::routing", old, new, timeline, "another server is the primary");
        if doubtful > 0 {
            tracing::error!(
                target: "tallybook::routing",
                old, new, transactions = doubtful,
                "transactions acknowledged by the old primary may be missing: the new one is not known to have replayed them"
            );
        }
    }
}

/// Returns the candidates that accept writes, each server once. Marks down those that must not be written
/// to.
fn writable(nodes: &[Node], election: &ElectionState) -> Vec<Contender> {
    let mut writable: Vec<Contender> = Vec::new();
    for (node, health) in nodes.iter().map(|node| &node.health).enumerate() {
        let seen = health.known().observation;
        let Some(seen) = seen.filter(|_| health.is_writable() && nodes[node].is_candidate) else {
            continue;
        };
        let is_same = |one: &&Contender| one.seen.started == seen.started && one.seen.system == seen.system;
        if let Some(first) = writable.iter().find(is_same) {
            let reason = format!("it is the same server as {}", nodes[first.node].name);
            nodes[node].mark_down(NodeRole::Primary, reason);
        } else if election.system == Some(seen.system) && seen.timeline < election.timeline {
            let reason = format!(
                "it takes writes on timeline {}, but timeline {} was seen: it was replaced as the primary",
                seen.timeline, election.timeline
            );
            nodes[node].mark_down(NodeRole::Primary, reason);
        } else {
            writable.push(Contender { node, seen });
        }
    }
    writable
}
