//! A strict parser of Prometheus' text format that panics on anything invalid.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::str::FromStr;

use crate::metrics::metric::{Attributes, Distribution, Point};

/// The metrics of one name.
pub(super) struct Parsed {
    kind: String,
    pub(super) help: String,
    samples: Vec<Sample>,
}

struct Sample {
    /// The part after the family's name.
    suffix: String,
    labels: BTreeMap<String, String>,
    value: String,
}

/// Parses a page into families by name.
pub(super) fn parse(text: &str) -> BTreeMap<String, Parsed> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line has an end");
    let mut families = BTreeMap::new();
    let mut lines = text.split_terminator('\n').peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").map(pair);
        let line = if help.is_some() { lines.next().expect("a type below a help") } else { line };
        let (name, kind) = pair(line.strip_prefix("# TYPE ").expect("a type above samples"));
        assert_name(name, true);
        assert!(help.is_none_or(|(helped, _)| helped == name), "a help and a type of the same");
        let help = help.map_or(String::new(), |(_, text)| unescaped(text, "\\n"));
        let mut family = Parsed { kind: kind.to_owned(), help, samples: Vec::new() };
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            family.samples.push(sample(line.strip_prefix(name).expect("a sample of the type above"), kind));
        }
        assert!(families.insert(name.to_owned(), family).is_none(), "{name} in two places");
    }
    families
}

fn pair(comment: &str) -> (&str, &str) {
    comment.split_once(' ').expect("a name and a text")
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" | "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        other => panic!("{other} is no type"),
    }
}

fn assert_name(name: &str, colon: bool) {
    assert!(name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || colon && c == ':'), "{name}");
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || colon && c == ':'), "{name}");
}

/// Parses the part after the name: `_sum{a="b",c="d"} 1.5`.
fn sample(line: &str, kind: &str) -> Sample {
    let end = line.find(['{', ' ']).expect("a value");
    let (suffix, mut rest) = line.split_at(end);
    assert!(suffixes(kind).contains(&suffix), "{suffix} of a {kind}");
    let mut labels = BTreeMap::new();
    if let Some(first) = rest.strip_prefix('{') {
        rest = first;
        loop {
            let (name, value) = rest.split_once("=\"").expect("a label");
            assert_name(name, false);
            let end = closing_quote(value);
            let label = labels.insert(name.to_owned(), unescaped(&value[..end], "\\n\""));
            assert!(label.is_none(), "{name} twice");
            rest = &value[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').expect("an end of the labels");
    }
    let value = rest.strip_prefix(' ').expect("a space before the value");
    Sample { suffix: suffix.to_owned(), labels, value: value.to_owned() }
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    let quote = |c| {
        let found = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        found
    };
    text.find(quote).expect("a closing quote")
}

fn unescaped(text: &str, allowed: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { escaped(chars.next().expect("an escaped character"), allowed) } else { c });
    }
    plain
}

fn escaped(c: char, allowed: &str) -> char {
    assert!(allowed.contains(c), "\\{c}");
    if c == 'n' { '\n' } else { c }
}

impl Sample {
    fn number<T: FromStr<Err: Debug>>(&self) -> T {
        self.value.parse().expect("a number")
    }

    fn attributes(&self) -> Attributes {
        let attributes = self.labels.iter().filter(|(name, _)| *name != "le");
        attributes.map(|(name, value)| (name.replace('_', ".").into(), value.clone().into())).collect()
    }
}

impl Parsed {
    /// Returns the points of a family of this type, one sample each.
    pub(super) fn numbers<T: FromStr<Err: Debug>>(&self, kind: &str) -> Vec<Point<T>> {
        assert_eq!(self.kind, kind);
        let points = self.samples.iter();
        points.map(|sample| Point { attributes: sample.attributes(), value: sample.number() }).collect()
    }

    /// Returns the points of a histogram: each is a run of buckets, a sum and a count.
    pub(super) fn distributions(&self) -> Vec<Point<Distribution>> {
        assert_eq!(self.kind, "histogram");
        let points = self.samples.split_inclusive(|sample| sample.suffix == "_count");
        points.map(distribution).collect()
    }
}

fn distribution(samples: &[Sample]) -> Point<Distribution> {
    let [buckets @ .., sum, count] = samples else { panic!("a histogram has buckets, a sum and a count") };
    let attributes = count.attributes();
    assert!(samples.iter().all(|sample| sample.attributes() == attributes));
    assert!(buckets.iter().all(|sample| sample.suffix == "_bucket") && sum.suffix == "_sum");
    let ends: Vec<f64> = buckets.iter().map(|bucket| bucket.labels["le"].parse().unwrap()).collect();
    let (last, bounds) = ends.split_last().expect("a bucket");
    assert_eq!(*last, f64::INFINITY);
    assert!(ends.is_sorted_by(|left, right| left < right));
    let totals: Vec<u64> = buckets.iter().map(Sample::number).collect();
    assert_eq!(totals.last(), Some(&count.number()));
    let before = std::iter::once(0).chain(totals.iter().copied());
    let counts = totals.iter().zip(before).map(|(total, before)| total - before).collect();
    Point { attributes, value: Distribution::new(bounds.to_vec(), counts, sum.number()) }
}
