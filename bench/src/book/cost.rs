//! Processor time of an operation, beside that of Tallybook.

use serde::Serialize;

use super::contestant::Turn;
use crate::tally::Tally;

/// The processor time of one peer in one case.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cost {
    /// Of the program that asks. `None` if it was not measured.
    pub(super) client: Option<Share>,
    /// Of the server's backends, zero on SQLite. `None` if it was not measured.
    pub(super) server: Option<Share>,
    /// Of both, if the server was measured.
    pub(super) both: Option<Share>,
}

/// A part of the processor time.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Share {
    /// Microseconds an operation.
    pub(super) time: Tally,
    /// Tallybook's over this peer's, round by round: below 1, Tallybook needs less.
    pub(super) ratio: Tally,
}

impl Cost {
    /// Of a peer's rounds, compared with those of Tallybook.
    pub(super) fn of(tallybook: &[Turn], own: &[Turn]) -> Self {
        let client = |turn: &Turn| turn.client.map(|client| turn.each(client));
        let server = |turn: &Turn| turn.server.map(|server| turn.each(server));
        let both = |turn: &Turn| Some(turn.each(turn.client? + turn.server?));
        Self {
            client: Share::of(tallybook, own, client),
            server: Share::of(tallybook, own, server),
            both: Share::of(tallybook, own, both),
        }
    }
}

impl Share {
    /// `None` if a round of either was not measured.
    fn of(tallybook: &[Turn], own: &[Turn], time: impl Fn(&Turn) -> Option<f64>) -> Option<Self> {
        let rounds = |turns: &[Turn]| turns.iter().map(&time).collect::<Option<Vec<_>>>();
        let (tallybook, own) = (rounds(tallybook)?, rounds(own)?);
        Some(Self { time: Tally::of(own.iter().copied()), ratio: Tally::of_ratio(&tallybook, &own) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn turn(operations: f64, client: u64, server: Option<u64>) -> Turn {
        let server = server.map(Duration::from_micros);
        Turn { operations, time: Duration::from_secs(1), client: Some(Duration::from_micros(client)), server }
    }

    #[test]
    fn a_peer_that_needs_twice_as_much_has_half_the_ratio() {
        let cost = Cost::of(&[turn(10.0, 100, Some(300))], &[turn(20.0, 400, Some(1200))]);
        let figures = |share: Option<Share>| share.map(|share| (share.time.median, share.ratio.median));
        assert_eq!(figures(cost.client), Some((20.0, 0.5)));
        assert_eq!(figures(cost.both), Some((80.0, 0.5)));
    }

    #[test]
    fn a_server_that_was_not_measured_has_no_share_and_no_sum() {
        let cost = Cost::of(&[turn(10.0, 100, None)], &[turn(10.0, 200, None)]);
        assert!(cost.client.is_some() && cost.server.is_none() && cost.both.is_none());
    }
}
