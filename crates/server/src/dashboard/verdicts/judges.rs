//! All judgements.

use super::verdict::{Level, Verdict};
use super::{Evidence, asked, servers, work};

/// Returns all judgements, in the order of the page.
pub(in super::super) fn verdicts(evidence: &Evidence<'_>) -> Vec<Verdict> {
    type Judge = fn(&Evidence<'_>) -> (Level, String);
    const JUDGES: [(&str, &str, Judge); 10] = [
        ("pool", "pools", servers::pool),
        ("latency", "latency", work::latency),
        ("errors", "events", work::errors),
        ("slow", "events", work::slow),
        ("n_plus_one", "findings", work::n_plus_one),
        ("replicas", "servers", servers::replicas),
        ("spill", "servers", servers::spill),
        ("schema", "revisions", asked::schema),
        ("indexes", "doctor", asked::indexes),
        ("disk", "doctor", servers::disk),
    ];
    let judged = JUDGES.into_iter().map(|(name, panel, judge)| {
        let (level, text) = judge(evidence);
        Verdict { name, level, text, panel }
    });
    judged.collect()
}
