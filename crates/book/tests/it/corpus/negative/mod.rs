//! Patterns that resemble a loop and must cause no finding.

mod allowed;
mod batches;
mod below_threshold;
mod eager;
mod pages;
mod repeated_reads;
mod separate_requests;
mod unrelated_parameters;
mod writes;

/// The cases of each file.
pub(crate) const CASES: &[&[&str]] = &[
    repeated_reads::CASES,
    allowed::CASES,
    separate_requests::CASES,
    batches::CASES,
    eager::CASES,
    unrelated_parameters::CASES,
    below_threshold::CASES,
    pages::CASES,
    writes::CASES,
];
