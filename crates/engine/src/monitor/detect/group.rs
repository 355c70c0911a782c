//! Flights of the same statements from the same line.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;

use super::super::fingerprint::{Fingerprint, Role};
use super::super::statement::Statement;
use super::binding::{Binding, TRACED};
use super::flight::Sent;
use super::spot::Spot;
use crate::call::Call;
use crate::row::{is_key, parameter};

/// Different parameters that are remembered of a group: the first half of them and the latest half.
pub(super) const BINDINGS: usize = 32;

/// One statement of the flight.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) statement: Arc<Statement>,
    pub(super) call: Call,
    pub(super) spot: Spot,
}

/// A parameter that is traced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) part: usize,
    pub(super) position: usize,
    /// An earlier slot that is compared with the same column: `id IN ($1, $2)`.
    twin: Option<usize>,
}

/// The parameters of one run.
pub(super) struct Bound {
    pub(super) identity: u64,
    values: [u64; TRACED],
}

/// Flights of the same statements from the same line.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Of these flights; it stays when the scope ends, because the next is often the same again.
    spot: Option<Spot>,
    pub(super) parts: Vec<Part>,
    pub(super) slots: Vec<Slot>,
    pub(super) is_read: bool,
    /// Whether values may be written into a text.
    has_literals: bool,
    /// All flights, or in a batch all statements.
    pub(super) flights: u64,
    /// Those that could be part of a loop: they ask for one thing.
    pub(super) runs: u64,
    pub(super) spent: Duration,
    pub(super) longest: Duration,
    /// Beside `bindings`, and close together because each run looks through them.
    identities: Vec<u64>,
    pub(super) bindings: Vec<Binding>,
    /// Different parameters seen; one that was forgotten counts again.
    pub(super) different: u64,
    /// When it was sent last.
    pub(super) used: u64,
}

impl Group {
    /// Makes it an empty one of such flights, and keeps its buffers.
    pub(super) fn start(&mut self, spot: Spot, flight: &[Sent<'_>]) {
        self.clear();
        if self.spot.replace(spot) == Some(spot) {
            return;
        }
        self.parts.clear();
        self.slots.clear();
        self.parts.extend(flight.iter().map(|sent| Part {
            statement: Arc::clone(sent.statement),
            call: sent.call,
            spot: Spot::of(sent.call, &sent.statement.fingerprint),
        }));
        self.is_read = self.parts.iter().all(|part| part.statement.fingerprint.is_read());
        self.has_literals = self.parts.iter().any(|part| has_literals(&part.statement.fingerprint));
        self.find_slots();
    }

    /// Forgets the runs.
    pub(super) fn clear(&mut self) {
        self.identities.clear();
        self.bindings.clear();
        (self.flights, self.runs, self.different) = (0, 0, 0);
        (self.spent, self.longest) = (Duration::ZERO, Duration::ZERO);
    }

    /// Those compared with a key first, those of unknown use last.
    fn find_slots(&mut self) {
        for wanted in 0..=LEAST_TELLING {
            for (part, of) in self.parts.iter().enumerate() {
                let roles = of.statement.fingerprint.params.iter().enumerate();
                let found = roles.filter(|(_, role)| telling(role) == Some(wanted));
                let room = TRACED - self.slots.len();
                self.slots.extend(found.take(room).map(|(position, _)| Slot { part, position, twin: None }));
            }
        }
        self.slots.sort_unstable_by_key(|slot| (slot.part, slot.position));
        for index in 1..self.slots.len() {
            self.slots[index].twin = (0..index).find(|earlier| self.are_twins(*earlier, index));
        }
    }

    fn are_twins(&self, one: usize, other: usize) -> bool {
        let column = self.column(&self.slots[one]);
        self.slots[one].part == self.slots[other].part
            && column.is_some()
            && column == self.column(&self.slots[other])
    }

    /// The column that the parameter is compared with.
    pub(super) fn column(&self, slot: &Slot) -> Option<&str> {
        match &self.fingerprint(slot).params[slot.position] {
            Role::Column(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn fingerprint(&self, slot: &Slot) -> &Fingerprint {
        &self.parts[slot.part].statement.fingerprint
    }

    /// The parameters of a flight; none when it asks for several things at once, by a list.
    pub(super) fn bind(&self, flight: &[Sent<'_>]) -> Option<Bound> {
        let mut hasher = FixedState::default().build_hasher();
        let mut values = [0; TRACED];
        let mut filled = 0;
        for (part, sent) in flight.iter().enumerate() {
            let roles = &sent.statement.fingerprint.params;
            // `IN ($1)` and `IN ($1, $2)` have one fingerprint.
            if sent.values.len() != roles.len() {
                return None;
            }
            for (position, (value, role)) in sent.values.iter().zip(roles).enumerate() {
                // What is written may be long, and tells no run from another that could be spared.
                if matches!(role, Role::Written) {
                    continue;
                }
                let value = parameter(value)?;
                hasher.write_u64(value);
                if self.slots.get(filled).is_some_and(|slot| (slot.part, slot.position) == (part, position)) {
                    values[filled] = value;
                    filled += 1;
                }
            }
            if self.has_literals {
                hasher.write(sent.sql.as_bytes());
            }
        }
        (!self.is_list(&values)).then(|| Bound { identity: hasher.finish(), values })
    }

    fn is_list(&self, values: &[u64; TRACED]) -> bool {
        let twins = self.slots.iter().enumerate();
        twins
            .filter_map(|(index, slot)| Some((index, slot.twin?)))
            .any(|(one, twin)| values[one] != values[twin])
    }

    /// Counts a run; the place of its parameters among those remembered.
    pub(super) fn ran(&mut self, bound: &Bound, tick: u64) -> usize {
        self.runs += 1;
        if let Some(index) = self.identities.iter().position(|identity| *identity == bound.identity) {
            self.bindings[index].sent = tick;
            return index;
        }
        let index = self.room();
        let binding = Binding::new(bound.values, tick);
        if index == self.bindings.len() {
            self.identities.push(bound.identity);
            self.bindings.push(binding);
        } else {
            self.identities[index] = bound.identity;
            self.bindings[index] = binding;
        }
        self.different += 1;
        index
    }

    /// Where the next parameters go: once all is full, round and round through the latter half.
    fn room(&self) -> usize {
        const HALF: usize = BINDINGS / 2;
        match self.bindings.len() {
            BINDINGS => HALF + (self.different as usize) % HALF,
            free => free,
        }
    }

    pub(super) fn binding(&mut self, index: usize, identity: u64) -> Option<&mut Binding> {
        let is_same = self.identities.get(index).is_some_and(|kept| *kept == identity);
        if is_same { self.bindings.get_mut(index) } else { None }
    }

    pub(super) fn ended(&mut self, elapsed: Duration) {
        self.spent += elapsed;
        self.longest = self.longest.max(elapsed);
    }
}

const LEAST_TELLING: u32 = 2;

/// What is traced first; none for what proves nothing.
fn telling(role: &Role) -> Option<u32> {
    match role {
        Role::Column(name) if is_key(name) => Some(0),
        Role::Column(_) => Some(1),
        Role::Other => Some(LEAST_TELLING),
        Role::Window | Role::Bound | Role::Written => None,
    }
}

/// Whether there are more values in the text than parameters.
fn has_literals(fingerprint: &Fingerprint) -> bool {
    fingerprint.text.bytes().filter(|byte| *byte == b'?').count() > fingerprint.params.len()
}
