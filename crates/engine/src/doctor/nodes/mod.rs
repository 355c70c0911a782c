//! What concerns several nodes, judged when all were looked at.

mod lag;
mod members;
mod pools;
mod reach;
mod roles;
mod same;
mod systems;
mod unused;

use super::finding::Finding;
use super::node::{Configured, Role, Seat};
use super::visit::Seen;
use crate::settings::Settings;

/// Compares what was seen of the nodes. The lag of standbys becomes part of what is known of them.
pub(super) fn compare(settings: &Settings, seats: &[Seat], seen: &mut [Seen]) -> Vec<Finding> {
    let mut findings = reach::judge(seen);
    findings.extend(roles::judge(seen));
    findings.extend(same::judge(seen));
    findings.extend(systems::judge(seen));
    findings.extend(lag::judge(seen));
    findings.extend(members::judge(settings, seen));
    findings.extend(pools::judge(settings, seats, seen));
    findings.extend(unused::judge(seen));
    findings
}

impl Seen {
    fn is(&self, configured: Configured) -> bool {
        matches!(self.node.configured, Configured::Both) || self.node.configured == configured
    }

    fn role(&self) -> Option<Role> {
        self.node.facts.as_ref().map(|facts| facts.role)
    }

    fn system(&self) -> Option<&str> {
        self.node.facts.as_ref()?.system.as_deref()
    }

    /// What tells one running server from another: two on one machine can be started in the same second.
    fn identity(&self) -> Option<(&str, &str)> {
        let facts = self.node.facts.as_ref()?;
        Some((facts.system.as_deref()?, facts.started.as_deref()?))
    }

    fn is_postgres(&self) -> bool {
        self.told.is_some()
    }
}

/// The one node that is configured as the primary and can be written to.
fn primary(seen: &[Seen]) -> Option<&Seen> {
    seen.iter().find(|seen| seen.is(Configured::Primary) && seen.role() == Some(Role::Writable))
}

fn names<'a>(seen: impl IntoIterator<Item = &'a Seen>) -> String {
    seen.into_iter().map(|seen| &*seen.node.node).collect::<Vec<_>>().join(", ")
}
