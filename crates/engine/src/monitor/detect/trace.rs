//! What one scope remembers of the statements that ran in it.

use std::time::{Duration, Instant};

use super::epochs::Epochs;
use super::flight::{Answered, Run, Sent, Ticket};
use super::found::Found;
use super::groups::Groups;
use super::judge;
use super::ran::{self, Ran};
use super::rules::Rules;
use super::shape::{MOST_STATEMENTS, Shape};
use super::sources::Sources;
use super::spot::Spot;

/// Buffers up to these sizes are kept for the next scope.
const USUAL_GROUPS: usize = 16;
const USUAL_KEYS: usize = 2_048;

/// What one scope (a request, a job, a test) remembers of the statements that ran in it, to prove a loop.
///
/// It is bounded: less than a mebibyte, whatever runs. Nothing is allocated once its buffers have grown;
/// [`clear`](Self::clear) keeps them. Nothing is judged before [`findings`](Self::findings).
///
/// A *flight* is what is sent in one round trip. The commands of a transaction (`BEGIN`, `COMMIT`) are none.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    statements: u64,
    round_trips: u64,
    /// Goes up with everything that happens, never down: tells before from after.
    tick: u64,
    groups: Groups,
    sources: Sources,
    epochs: Epochs,
}

impl Trace {
    /// Whether its buffers are larger than most scopes need, so that they are not worth keeping.
    pub(crate) fn is_large(&self) -> bool {
        self.groups.buffers() > USUAL_GROUPS || self.sources.keys.capacity() > USUAL_KEYS
    }

    /// A flight was sent, at `now`, by the session with this number.
    pub(crate) fn sent<'a>(
        &mut self,
        session: u64,
        now: Instant,
        mut flight: impl Iterator<Item = Sent<'a>>,
    ) -> Ticket {
        self.tick += 1;
        self.round_trips += 1;
        let (is_read, run) = match (flight.next(), flight.next()) {
            (Some(first), Some(second)) => self.several(first, second, flight),
            (Some(only), None) => self.single(Spot::of(only.call, &only.statement.fingerprint), &[only]),
            (None, _) => (true, None),
        };
        if !is_read {
            self.epochs.end();
        }
        Ticket { session, epoch: self.epochs.current(), now, is_read, run }
    }

    /// Without an allocation: what does not fit into the buffer is a batch in any case.
    fn several<'a>(
        &mut self,
        first: Sent<'a>,
        second: Sent<'a>,
        mut others: impl Iterator<Item = Sent<'a>>,
    ) -> (bool, Option<Run>) {
        let mut buffer = [first; MOST_STATEMENTS];
        buffer[1] = second;
        let mut count = 2;
        for (place, sent) in buffer[2..].iter_mut().zip(&mut others) {
            *place = sent;
            count += 1;
        }
        let rest = others.next();
        match Shape::of(&buffer[..count]) {
            Shape::Single(spot) if rest.is_none() => self.single(spot, &buffer[..count]),
            _ => (self.batch(buffer[..count].iter().copied().chain(rest).chain(others)), None),
        }
    }

    /// Whether it only reads, and the run.
    fn single(&mut self, spot: Spot, flight: &[Sent<'_>]) -> (bool, Option<Run>) {
        let index = self.groups.find(spot, flight);
        let group = self.groups.at(index);
        group.used = self.tick;
        group.flights += 1;
        self.statements += group.parts.len() as u64;
        let run = group.bind(flight).map(|bound| {
            let binding = group.ran(&bound, self.tick);
            Run { group: index, spot, binding, identity: bound.identity }
        });
        (group.is_read, run)
    }

    /// Counts the statements of a batch; whether all only read.
    fn batch<'a>(&mut self, flight: impl Iterator<Item = Sent<'a>>) -> bool {
        let mut is_read = true;
        for sent in flight {
            let spot = Spot::of(sent.call, &sent.statement.fingerprint).batched();
            let index = self.groups.find(spot, &[sent]);
            let group = self.groups.at(index);
            group.used = self.tick;
            group.flights += 1;
            self.statements += 1;
            is_read &= group.is_read;
        }
        is_read
    }

    /// A flight was answered, after `elapsed`.
    pub(crate) fn answered<'a>(
        &mut self,
        ticket: Ticket,
        elapsed: Duration,
        flight: impl Iterator<Item = Answered<'a>>,
    ) {
        self.ended(&ticket);
        if let Some(run) = ticket.run
            && let Some(group) = self.groups.get(run.group, run.spot)
        {
            group.ended(elapsed);
            if let Some(binding) = group.binding(run.binding, run.identity) {
                binding.answered(&ticket, self.tick, elapsed, &self.epochs);
            }
        }
        for answered in flight {
            if let Some(taken) = answered.taken {
                self.sources.keep(&answered, taken, self.tick);
            }
        }
    }

    /// A flight failed or was abandoned, after `elapsed`: what the session read before does not count as read
    /// any more, because a second attempt reads it again.
    pub(crate) fn failed(&mut self, ticket: Ticket, elapsed: Duration) {
        self.ended(&ticket);
        self.epochs.end_for(ticket.session, self.tick);
        if let Some(run) = ticket.run
            && let Some(group) = self.groups.get(run.group, run.spot)
        {
            group.ended(elapsed);
        }
    }

    fn ended(&mut self, ticket: &Ticket) {
        self.tick += 1;
        // A read that was under way beside the write may have come before it.
        if !ticket.is_read {
            self.epochs.end();
        }
    }

    /// The session's transaction was undone, and with it what it had read.
    pub(crate) fn rolled_back(&mut self, session: u64) {
        self.tick += 1;
        self.epochs.end_for(session, self.tick);
    }

    /// Forgets all but the buffers. Tickets of before are answered without effect.
    pub(crate) fn clear(&mut self) {
        (self.statements, self.round_trips) = (0, 0);
        self.groups.clear();
        self.sources.clear();
        self.epochs.end();
    }

    /// How many statements were sent.
    pub(crate) fn statements(&self) -> u64 {
        self.statements
    }

    /// How many flights were sent.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// What ran, in the order of the first run. Where it adds up to less than
    /// [`statements`](Self::statements), the rest was forgotten.
    pub(crate) fn ran(&self) -> impl Iterator<Item = Ran<'_>> {
        ran::ran(self.groups.used()).into_iter()
    }

    /// What is wrong with what was run so far, the most costly first; at most one finding for each line and
    /// statement.
    pub(crate) fn findings(&self, rules: &Rules) -> Vec<Found> {
        judge::judge(self.groups.used(), &self.sources, *rules)
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> (&[super::group::Group], &Sources) {
        (self.groups.used(), &self.sources)
    }
}
