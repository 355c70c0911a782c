//! Ten judgements, one line each. One that could not be made says so, and how it can be.

mod asked;
mod evidence;
mod judges;
mod servers;
#[cfg(test)]
mod tests;
mod verdict;
mod words;
mod work;

pub(super) use evidence::{Evidence, WatchedSettings};
pub(super) use judges::verdicts;
pub(super) use verdict::Verdict;
