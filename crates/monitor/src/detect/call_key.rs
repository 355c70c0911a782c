//! Identifies a statement at a line of code.

use std::hash::{BuildHasher, Hasher};
use std::panic::Location;

use foldhash::fast::{FixedState, FoldHasher};
use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::Fingerprint;

/// Hash of a statement and the line of code that ran it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallKey(u64);

impl CallKey {
    pub(super) fn of(call: CallSite, fingerprint: &Fingerprint) -> Self {
        Self::of_all(call, [fingerprint.hash].into_iter())
    }

    /// Hashes the statements of a pipeline at the line of the first.
    pub(super) fn of_all(call: CallSite, fingerprints: impl Iterator<Item = u64>) -> Self {
        let mut hasher = at(call.at());
        fingerprints.for_each(|hash| hasher.write_u64(hash));
        Self(hasher.finish())
    }

    /// The key of the same statement inside a batch, which is not a loop.
    pub(super) fn batched(self) -> Self {
        Self(!self.0)
    }
}

/// Hashes file and line, not the address: generic functions give one line several addresses.
fn at(line: &Location<'_>) -> FoldHasher<'static> {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(line.file().as_bytes());
    hasher.write_u32(line.line());
    hasher
}
