//! The groups of a scope, within bounds.

use super::flight::Sent;
use super::group::Group;
use super::spot::Spot;

/// Groups of a scope; another one takes the place of the longest unused.
pub(super) const GROUPS: usize = 192;

/// The groups of a scope.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// One for each group that is in use.
    spots: Vec<Spot>,
    /// Those behind the ones in use wait with their buffers.
    groups: Vec<Group>,
    /// The one used last: a loop uses it again.
    last: usize,
}

impl Groups {
    /// The index of the group of such flights.
    pub(super) fn find(&mut self, spot: Spot, flight: &[Sent<'_>]) -> usize {
        let is_last = self.spots.get(self.last).is_some_and(|last| *last == spot);
        if !is_last {
            let found = self.spots.iter().position(|known| *known == spot);
            self.last = found.unwrap_or_else(|| self.add(spot, flight));
        }
        self.last
    }

    fn add(&mut self, spot: Spot, flight: &[Sent<'_>]) -> usize {
        let index = self.room();
        match self.spots.get_mut(index) {
            Some(old) => *old = spot,
            None => self.spots.push(spot),
        }
        self.groups[index].start(spot, flight);
        index
    }

    fn room(&mut self) -> usize {
        let used = self.spots.len();
        if used == GROUPS {
            let oldest = (0..used).min_by_key(|index| self.groups[*index].used);
            return oldest.unwrap_or_default();
        }
        if used == self.groups.len() {
            self.groups.push(Group::default());
        }
        used
    }

    /// The group, if it is still the same.
    pub(super) fn get(&mut self, index: usize, spot: Spot) -> Option<&mut Group> {
        let is_same = self.spots.get(index).is_some_and(|kept| *kept == spot);
        if is_same { self.groups.get_mut(index) } else { None }
    }

    pub(super) fn at(&mut self, index: usize) -> &mut Group {
        &mut self.groups[index]
    }

    pub(super) fn used(&self) -> &[Group] {
        &self.groups[..self.spots.len()]
    }

    /// How many have buffers, in use or not.
    pub(super) fn buffers(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn clear(&mut self) {
        let used = self.spots.len();
        self.groups[..used].iter_mut().for_each(Group::clear);
        self.spots.clear();
    }
}
