//! What looks like a loop, and must raise no finding.

mod again;
mod allowed;
mod apart;
mod batches;
mod eager;
mod elsewhere;
mod few;
mod pages;
mod writes;

/// The cases of each file.
pub(crate) const CASES: &[&[&str]] = &[
    again::CASES,
    allowed::CASES,
    apart::CASES,
    batches::CASES,
    eager::CASES,
    elsewhere::CASES,
    few::CASES,
    pages::CASES,
    writes::CASES,
];
