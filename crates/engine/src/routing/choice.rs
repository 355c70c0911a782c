//! Which replica answers a read: of two random ones that are fit, the one with less to do.
//!
//! The power of two choices (Mitzenmacher, 2001): nearly as even as asking all, without all herding to the same.

use std::time::Instant;

use smallvec::SmallVec;

use super::need::Need;
use super::node::Node;
use super::router::Router;
use crate::random::random;

/// The nodes that a read was sent to already, by their numbers.
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

/// A replica for a read.
#[derive(Clone, Copy)]
pub(super) struct Choice {
    pub(super) node: usize,
    /// It is not known to be fresh enough: what it answers counts only if it had replayed this before.
    pub(super) needs: Option<u64>,
}

impl Router {
    /// A replica that is fit for the read; none, if it is for the primary.
    pub(super) fn choose(&self, need: Need, tried: Tried) -> Option<Choice> {
        let known = |node| Choice { node, needs: None };
        match need {
            Need::Primary => None,
            Need::Usual => {
                let moment = Instant::now().checked_sub(self.replica.max_staleness);
                let is_fresh = |node: &Node| moment.is_none_or(|moment| node.health.covers(moment));
                let up = self.pick(tried, |node| node.health.is_up() && is_fresh(node));
                // Without a primary nothing newer is to be had.
                let best = || match self.primary.now(self) {
                    Some(_) => None,
                    None => self
                        .pick(tried, |node| node.health.is_up())
                        .or_else(|| self.pick(tried, |node| node.health.is_readable())),
                };
                let slow = || self.pick(tried, |node| node.health.is_slow() && is_fresh(node));
                up.or_else(slow).or_else(best).map(known)
            }
            Need::Within(age) => {
                let moment = Instant::now().checked_sub(age)?;
                let fresh = |node: &Node| node.health.is_readable() && node.health.covers(moment);
                self.pick(tried, fresh).map(known).or_else(|| {
                    let lsn = self.history().needed(moment)?;
                    let node = self.pick(tried, |node| node.health.is_up())?;
                    Some(Choice { node, needs: Some(lsn) })
                })
            }
            Need::After(position) => {
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
                    Some(Choice { node, needs: Some(position.lsn) })
                })
            }
        }
    }

    /// Of two random nodes that are fit, the one with less to do for its weight; those of the own zone first.
    fn pick(&self, tried: Tried, is_fit: impl Fn(&Node) -> bool) -> Option<usize> {
        let mut fit: SmallVec<[usize; 8]> =
            (0..self.nodes.len()).filter(|&node| !tried.has(node) && is_fit(&self.nodes[node])).collect();
        if let Some(zone) = &self.replica.zone {
            let is_near = |&node: &usize| self.nodes[node].zone.as_ref() == Some(zone);
            if fit.iter().any(is_near) {
                fit.retain(|node| is_near(node));
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
            // At rest, weights decide how often.
            true => random() * ((weight + other_weight) as f64) < weight as f64,
            false => load * other_weight < other_load * weight,
        };
        if is_first { one } else { other }
    }
}
