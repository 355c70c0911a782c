//! Realistic access patterns, each with the findings it must cause: every N+1 loop, and nothing else.
//!
//! A case marks its lines with comments: `// trades` after a call marks the line that its label calls `trades`.

mod cases;
mod concurrently;
mod label;
mod ledger;
mod negative;
mod positive;

#[test]
fn there_are_dozens_of_cases_of_each_kind() {
    let count = |files: &[&[&str]]| files.iter().map(|cases| cases.len()).sum::<usize>();
    let (positive, negative) = (count(positive::CASES), count(negative::CASES));
    assert!(positive >= 35 && negative >= 35, "{positive} and {negative}");
}
