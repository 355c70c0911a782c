//! A statement at a line of code.

use std::hash::{BuildHasher, Hasher};
use std::panic::Location;

use foldhash::fast::{FixedState, FoldHasher};

use super::super::fingerprint::Fingerprint;
use crate::call::Call;

/// A statement at a line of code, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spot(u64);

impl Spot {
    pub(super) fn of(call: Call, fingerprint: &Fingerprint) -> Self {
        Self::of_all(call, [fingerprint.hash].into_iter())
    }

    /// Several statements that go together, at the line of the first.
    pub(super) fn of_all(call: Call, fingerprints: impl Iterator<Item = u64>) -> Self {
        let mut hasher = at(call.at());
        fingerprints.for_each(|hash| hasher.write_u64(hash));
        Self(hasher.finish())
    }

    /// The same statement where it travels with others of its kind, which is no loop.
    pub(super) fn batched(self) -> Self {
        Self(!self.0)
    }
}

/// Not by address: the same line has several where a generic function is compiled several times.
fn at(line: &Location<'_>) -> FoldHasher<'static> {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(line.file().as_bytes());
    hasher.write_u32(line.line());
    hasher
}
