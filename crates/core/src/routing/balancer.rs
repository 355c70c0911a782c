//! Choice of the replica for a read.
//!
//! Of two random replicas that qualify, the less busy one wins: the power of two choices (Mitzenmacher,
//! 2001). It balances nearly as evenly as asking all, and callers do not stampede to the same replica.

use std::time::Instant;

use smallvec::SmallVec;

use super::node::Node;
use super::read_consistency::ReadConsistency;
use super::router::Router;
use crate::random::random;

/// The nodes that a read has already tried, as a bit set of indexes.
#[derive(Clone, Copy, Default)]
pub(super) struct Tried(u64);

impl Tried {
    pub(super) fn add(&mut self, node: usize) {
        self.0 |= 1 << node;
    }

    pub(super) fn has(self, node: usize) -> bool {
        self.0 & 1 << node != 0
    }
}

/// The replica chosen for a read.
#[derive(Clone, Copy)]
pub(super) struct ReplicaChoice {
    pub(super) node: usize,
    /// Set if the replica is not known to be fresh enough: its answer counts only if it had replayed this
    /// position.
    pub(super) required_lsn: Option<u64>,
}

impl Router {
    /// Returns a replica that qualifies for the read, or `None` if the read belongs on the primary.
    pub(super) fn choose_replica(&self, consistency: ReadConsistency, tried: Tried) -> Option<ReplicaChoice> {
        let known = |node| ReplicaChoice { node, required_lsn: None };
        match consistency {
            ReadConsistency::Primary => None,
            ReadConsistency::Usual => {
                let moment = Instant::now().checked_sub(self.replica.max_staleness);
                let is_fresh = |node: &Node| moment.is_none_or(|moment| node.health.covers(moment));
                let up = self.pick(tried, |node| node.health.is_up() && is_fresh(node));
                // Without a primary, any replica is as fresh as a read can get.
                let best = || match self.primary.now(&self.nodes) {
                    Some(_) => None,
                    None => self
                        .pick(tried, |node| node.health.is_up())
                        .or_else(|| self.pick(tried, |node| node.health.is_readable())),
                };
                let slow = || self.pick(tried, |node| node.health.is_slow() && is_fresh(node));
                up.or_else(slow).or_else(best).map(known)
            }
            ReadConsistency::Within(age) => {
                let moment = Instant::now().checked_sub(age)?;
                let fresh = |node: &Node| node.health.is_readable() && node.health.covers(moment);
                self.pick(tried, fresh).map(known).or_else(|| {
                    let lsn = self.primary.history().lsn_needed(moment)?;
                    let node = self.pick(tried, |node| node.health.is_up())?;
                    Some(ReplicaChoice { node, required_lsn: Some(lsn) })
                })
            }
            ReadConsistency::After(position) => {
                if self.primary.system() != position.system {
                    return None;
                }
                let replayed = |node: &Node| node.health.on_timeline(position.timeline);
                let has_it = |node: &Node| {
                    node.health.is_readable() && replayed(node).is_some_and(|lsn| lsn >= position.lsn)
                };
                self.pick(tried, has_it).map(known).or_else(|| {
                    let may_soon = |node: &Node| {
                        node.health.is_up() && replayed(node).is_some() && !node.health.is_stalled()
                    };
                    let node = self.pick(tried, may_soon)?;
                    Some(ReplicaChoice { node, required_lsn: Some(position.lsn) })
                })
            }
        }
    }

    /// Picks the less busy of two random nodes that qualify. Nodes of the local zone come first.
    fn pick(&self, tried: Tried, is_fit: impl Fn(&Node) -> bool) -> Option<usize> {
        let mut fit: SmallVec<[usize; 8]> =
            (0..self.nodes.len()).filter(|&node| !tried.has(node) && is_fit(&self.nodes[node])).collect();
        if let Some(zone) = &self.replica.zone {
            let is_local = |&node: &usize| self.nodes[node].zone.as_ref() == Some(zone);
            if fit.iter().any(is_local) {
                fit.retain(|node| is_local(node));
            }
        }
        match *fit {
            [] => None,
            [node] => Some(node),
            [one, other] => Some(self.less_busy(one, other)),
            _ => {
                let first = (random() * fit.len() as f64) as usize % fit.len();
                let one = fit.swap_remove(first);
                let other = fit[(random() * fit.len() as f64) as usize % fit.len()];
                Some(self.less_busy(one, other))
            }
        }
    }

    fn less_busy(&self, one: usize, other: usize) -> usize {
        let [(load, weight), (other_load, other_weight)] = [one, other].map(|node| {
            let node = &self.nodes[node];
            (node.reads.load(), node.weight as usize)
        });
        let is_first = match load == other_load {
            // Between equally busy nodes, weights decide.
            true => random() * ((weight + other_weight) as f64) < weight as f64,
            false => load * other_weight < other_load * weight,
        };
        if is_first { one } else { other }
    }
}
