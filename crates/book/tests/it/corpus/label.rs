//! What must be found of a case.

use tallybook::engine::{Finding, Grade};

/// A finding that a case must have; its lines by their marks.
pub(crate) struct Label {
    grade: Grade,
    at: &'static str,
    source: Option<&'static str>,
    loader: Option<&'static str>,
    runs: u64,
    distinct: u64,
}

/// A loop at one line over what was read at another.
pub(crate) fn confirmed(at: &'static str, source: &'static str) -> Label {
    Label { grade: Grade::Confirmed, at, source: Some(source), loader: None, runs: 0, distinct: 0 }
}

/// What looks like such a loop.
pub(crate) fn suspected(at: &'static str, source: &'static str) -> Label {
    Label { grade: Grade::Suspected, ..confirmed(at, source) }
}

/// Reads of the same thing at one line.
pub(crate) fn redundant(at: &'static str) -> Label {
    Label { grade: Grade::Redundant, source: None, distinct: 1, ..confirmed(at, at) }
}

impl Label {
    /// How often it ran, each time with another parameter unless [`distinct`](Self::distinct) says otherwise.
    pub(crate) fn runs(self, runs: u64) -> Self {
        let distinct = if self.grade == Grade::Redundant { self.distinct } else { runs };
        Self { runs, distinct, ..self }
    }

    pub(crate) fn distinct(self, distinct: u64) -> Self {
        Self { distinct, ..self }
    }

    /// What it must advise to call.
    pub(crate) fn loader(self, loader: &'static str) -> Self {
        Self { loader: Some(loader), ..self }
    }

    pub(crate) fn seen(&self, lines: &Lines<'_>) -> Seen {
        Seen {
            at: lines.marked(self.at),
            grade: self.grade,
            source: self.source.map(|source| lines.marked(source)),
            loader: self.loader.map(str::to_owned),
            runs: self.runs,
            distinct: self.distinct,
        }
    }
}

/// What a case returns: nothing where nothing must be found.
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

/// What of a finding is compared.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    at: u32,
    grade: Grade,
    source: Option<u32>,
    loader: Option<String>,
    runs: u64,
    distinct: u64,
}

impl Seen {
    pub(crate) fn of(finding: &Finding) -> Self {
        let loader = finding.instead.strip_prefix("call ").and_then(|call| call.strip_suffix(" once"));
        Self {
            at: finding.at.line,
            grade: finding.grade,
            source: finding.source.as_ref().map(|source| source.at.line),
            loader: loader.map(str::to_owned),
            runs: finding.runs,
            distinct: finding.distinct,
        }
    }

    /// A busy machine may pause between two reads, and the second then counts as a new look: of redundant
    /// reads fewer may be counted.
    pub(crate) fn forgive_pauses(&mut self, expected: &Self) {
        if self.grade == Grade::Redundant && (3..expected.runs).contains(&self.runs) {
            self.runs = expected.runs;
        }
    }
}

/// The lines of a file, and which of them are a case's.
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

    /// The number of the line with this mark: in the case, or in a function beside it.
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
