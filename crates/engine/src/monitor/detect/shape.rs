//! What a flight consists of.

use super::flight::Sent;
use super::spot::Spot;

/// A flight of more statements is a batch in any case.
pub(super) const MOST_STATEMENTS: usize = 16;

/// What a flight consists of, whatever its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Different statements: a flight that a loop might repeat.
    Single(Spot),
    /// The same statement several times: what a loop should be.
    Batch,
}

impl Shape {
    /// The flight has at least one statement.
    pub(super) fn of(flight: &[Sent<'_>]) -> Self {
        let hashes = || flight.iter().map(|sent| sent.statement.fingerprint.hash);
        let is_again = |(index, hash)| hashes().take(index).any(|earlier| earlier == hash);
        if hashes().enumerate().any(is_again) {
            return Self::Batch;
        }
        Self::Single(Spot::of_all(flight[0].call, hashes()))
    }
}
