//! The findings expected of a case.

use tallybook::{Confidence, QueryFinding};

/// An expected finding, with its lines given by their marks.
pub(crate) struct Label {
    confidence: Confidence,
    at: &'static str,
    source: Option<&'static str>,
    advice: Option<&'static str>,
    runs: u64,
    distinct: u64,
}

/// A loop at one line over rows read at another.
pub(crate) fn confirmed(at: &'static str, source: &'static str) -> Label {
    Label { confidence: Confidence::Confirmed, at, source: Some(source), advice: None, runs: 0, distinct: 0 }
}

/// A probable loop of that kind.
pub(crate) fn suspected(at: &'static str, source: &'static str) -> Label {
    Label { confidence: Confidence::Suspected, ..confirmed(at, source) }
}

/// Repeated identical reads at one line.
pub(crate) fn redundant(at: &'static str) -> Label {
    Label { confidence: Confidence::Redundant, source: None, distinct: 1, ..confirmed(at, at) }
}

impl Label {
    /// Sets the number of runs, each with a different parameter unless [`distinct`](Self::distinct) is set.
    pub(crate) fn runs(self, runs: u64) -> Self {
        let distinct = if self.confidence == Confidence::Redundant { self.distinct } else { runs };
        Self { runs, distinct, ..self }
    }

    pub(crate) fn distinct(self, distinct: u64) -> Self {
        Self { distinct, ..self }
    }

    /// Sets the expected suggestion.
    pub(crate) fn advice(self, advice: &'static str) -> Self {
        Self { advice: Some(advice), ..self }
    }

    pub(crate) fn seen(&self, lines: &Lines<'_>) -> ComparedFinding {
        ComparedFinding {
            at: lines.marked(self.at),
            confidence: self.confidence,
            source: self.source.map(|source| lines.marked(source)),
            advice: self.advice.map(str::to_owned),
            runs: self.runs,
            distinct: self.distinct,
        }
    }
}

/// The return type of a case: `()` if nothing must be found.
pub(crate) trait Labels {
    fn labels(self) -> Vec<Label>;
}

impl Labels for () {
    fn labels(self) -> Vec<Label> {
        Vec::new()
    }
}

impl Labels for Label {
    fn labels(self) -> Vec<Label> {
        vec![self]
    }
}

impl<const N: usize> Labels for [Label; N] {
    fn labels(self) -> Vec<Label> {
        self.into()
    }
}

/// The compared parts of a finding.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ComparedFinding {
    at: u32,
    confidence: Confidence,
    source: Option<u32>,
    advice: Option<String>,
    runs: u64,
    distinct: u64,
}

impl ComparedFinding {
    pub(crate) fn of(finding: &QueryFinding) -> Self {
        let advice = finding.suggestion.strip_prefix("call ").and_then(|call| call.strip_suffix(" once"));
        Self {
            at: finding.at.line,
            confidence: finding.confidence,
            source: finding.source.as_ref().map(|source| source.at.line),
            advice: advice.map(str::to_owned),
            runs: finding.runs,
            distinct: finding.distinct,
        }
    }

    /// A busy machine may pause between two reads, so that the second counts as a new look. Fewer redundant reads
    /// may be counted then.
    pub(crate) fn forgive_pauses(&mut self, expected: &Self) {
        if self.confidence == Confidence::Redundant && (3..expected.runs).contains(&self.runs) {
            self.runs = expected.runs;
        }
    }
}

/// The lines of a file, and those that belong to a case.
pub(crate) struct Lines<'f> {
    file: Vec<&'f str>,
    case: std::ops::Range<usize>,
}

impl<'f> Lines<'f> {
    pub(crate) fn of(file: &'f str, case: &str) -> Self {
        let file: Vec<&str> = file.lines().collect();
        let head = format!("    async fn {case}(");
        let start = file.iter().position(|line| line.starts_with(&head)).expect("the case is in its file");
        let length = file[start..].iter().position(|line| *line == "    }").expect("it ends");
        Self { file, case: start..start + length }
    }

    /// Returns the number of the line with this mark, in the case or in a function next to it.
    fn marked(&self, mark: &str) -> u32 {
        let end = format!(" // {mark}");
        let within = |range: std::ops::Range<usize>| -> Vec<usize> {
            range.filter(|&line| self.file[line].ends_with(&end)).collect()
        };
        let own = within(self.case.clone());
        let found = if own.is_empty() { within(0..self.file.len()) } else { own };
        assert_eq!(found.len(), 1, "lines marked with {mark}");
        found[0] as u32 + 1
    }
}
