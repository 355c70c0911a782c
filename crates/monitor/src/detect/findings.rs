//! Deduplicated findings of all scopes.

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::panic::Location;

use lru::LruCache;

use super::finding::{Confidence, QueryFinding};
use super::raw_finding::RawFinding;

/// Maximum number of findings; the one not seen for the longest time is dropped first.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).expect("256 is not zero");

/// The findings of all scopes, each once.
#[derive(Debug)]
pub(crate) struct Findings {
    kept: LruCache<FindingKey, QueryFinding>,
    forgotten: u64,
}

/// Identifies the same finding in different scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FindingKey {
    confidence: Confidence,
    run: Coordinates,
    source: Option<Coordinates>,
}

/// Fingerprint, file and line.
type Coordinates = (u64, &'static str, u32);

impl FindingKey {
    fn of(found: &RawFinding) -> Self {
        let coordinates = |hash: u64, at: &'static Location<'static>| (hash, at.file(), at.line());
        Self {
            confidence: found.confidence,
            run: coordinates(found.statement.fingerprint.hash, found.call.at()),
            source: found
                .source
                .as_ref()
                .map(|read| coordinates(read.statement.fingerprint.hash, read.call.at())),
        }
    }
}

impl Findings {
    /// Adds a finding of one scope and returns its readable form. Runs and lost time add up over scopes.
    pub(crate) fn add(&mut self, found: RawFinding) -> QueryFinding {
        let hash = FindingKey::of(&found);
        let finding = QueryFinding::from(found);
        if let Some(known) = self.kept.get_mut(&hash) {
            merge(known, &finding);
        } else if self.kept.push(hash, finding.clone()).is_some() {
            self.forgotten += 1;
        }
        finding
    }

    /// Iterates over the findings, most time lost first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &QueryFinding> {
        let mut all: Vec<&QueryFinding> = self.kept.iter().map(|(_, finding)| finding).collect();
        all.sort_by_key(|finding| Reverse(finding.lost));
        all.into_iter()
    }

    /// Returns the number of dropped findings.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl Default for Findings {
    fn default() -> Self {
        Self { kept: LruCache::new(KEPT), forgotten: 0 }
    }
}

fn merge(known: &mut QueryFinding, found: &QueryFinding) {
    known.scopes += found.scopes;
    known.runs += found.runs;
    known.lost += found.lost;
    known.distinct = known.distinct.max(found.distinct);
    known.examined = known.examined.max(found.examined);
    if let (Some(known), Some(read)) = (&mut known.source, &found.source) {
        known.rows = known.rows.max(read.rows);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tallybook_sql::call_site::CallSite;

    use super::*;
    use crate::detect::support::{confirmed_loop, select};

    fn found(table: usize, call: CallSite) -> RawFinding {
        RawFinding { statement: select(&format!("items{table}"), "id"), ..confirmed_loop(call) }
    }

    #[test]
    fn the_same_of_several_scopes_is_one_with_their_sums() {
        let mut findings = Findings::default();
        let found = found(1, CallSite::here());
        findings.add(found.clone());
        let second =
            findings.add(RawFinding { distinct: 50, lost: Duration::from_millis(5), ..found.clone() });
        assert_eq!((second.scopes, second.runs), (1, found.runs), "what it returns is of one scope");
        let all: Vec<_> = findings.all().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!((all[0].scopes, all[0].runs, all[0].distinct), (2, 2 * found.runs, 50));
        assert_eq!(all[0].lost, found.lost + Duration::from_millis(5));
    }

    #[test]
    fn another_confidence_statement_line_or_source_is_another_finding() {
        let mut findings = Findings::default();
        let one = found(1, CallSite::here());
        findings.add(one.clone());
        findings.add(RawFinding { confidence: Confidence::Suspected, ..one.clone() });
        findings.add(found(2, one.call));
        findings.add(found(1, CallSite::here()));
        findings.add(RawFinding { source: None, ..one });
        assert_eq!(findings.all().count(), 5);
    }

    #[test]
    fn the_one_not_seen_for_the_longest_time_goes_and_is_counted() {
        let mut findings = Findings::default();
        let call = CallSite::here();
        (0..256).for_each(|table| drop(findings.add(found(table, call))));
        findings.add(found(0, call));
        assert_eq!(findings.forgotten(), 0);
        findings.add(found(256, call));
        assert_eq!((findings.all().count(), findings.forgotten()), (256, 1));
        let has = |table| {
            let code = found(table, call).statement.fingerprint.code();
            findings.all().any(|finding| finding.fingerprint == code)
        };
        assert!(has(0) && !has(1));
    }

    #[test]
    fn the_most_costly_is_the_first() {
        let mut findings = Findings::default();
        let cheap = found(1, CallSite::here());
        findings.add(RawFinding { lost: Duration::from_secs(9), ..found(2, cheap.call) });
        findings.add(cheap);
        assert_eq!(findings.all().next().map(|finding| finding.lost), Some(Duration::from_secs(9)));
    }
}
