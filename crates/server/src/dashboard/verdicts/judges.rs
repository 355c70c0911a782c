//! All judgements.

use super::verdict::{Level, Verdict};
use super::{Evidence, asked, servers, work};

/// Returns all judgements, in the order of the page.
pub(in super::super) fn verdicts(evidence: &Evidence<'_>) -> Vec<Verdict> {
    type Judge = fn(&Evidence<'_>) -> (Level, String);
    let slow = if work::runs_long(evidence) { "running" } else { "events" };
    let judges: [(&str, &str, Judge); 10] = [
        ("pool", "pools", servers::pool),
        ("latency", "latency", work::latency),
        ("errors", "events", work::errors),
        ("slow", slow, work::slow),
        ("n_plus_one", "findings", work::n_plus_one),
        ("replicas", "servers", servers::replicas),
        ("spill", "servers", servers::spill),
        ("schema", "revisions", asked::schema),
        ("indexes", "doctor", asked::indexes),
        ("disk", "doctor", servers::disk),
    ];
    let judged = judges.into_iter().map(|(name, panel, judge)| {
        let (level, text) = judge(evidence);
        Verdict { name, level, text, panel }
    });
    judged.collect()
}
