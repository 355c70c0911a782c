//! Loops that must be found.

mod concurrent;
mod keys;
mod nested;
mod order;
mod redundant;
mod repositories;
mod sessions;
mod statements;
mod suspected;
mod walks;

/// The cases of each file.
pub(crate) const CASES: &[&[&str]] = &[
    concurrent::CASES,
    keys::CASES,
    nested::CASES,
    order::CASES,
    redundant::CASES,
    repositories::CASES,
    sessions::CASES,
    statements::CASES,
    walks::CASES,
    suspected::CASES,
];
