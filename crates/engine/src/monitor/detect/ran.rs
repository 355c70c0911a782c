//! What ran in a scope.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::statement::Statement;
use super::group::Group;
use super::spot::Spot;
use crate::call::Call;

/// A statement at a line of code, and how often it ran.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran<'a> {
    pub(crate) statement: &'a Arc<Statement>,
    pub(crate) call: Call,
    pub(crate) runs: u64,
}

/// In the order of the first run.
pub(super) fn ran(groups: &[Group]) -> Vec<Ran<'_>> {
    let mut places: HashMap<Spot, usize> = HashMap::new();
    let mut all: Vec<Ran<'_>> = Vec::new();
    for group in groups {
        for part in &group.parts {
            let place = *places.entry(part.spot).or_insert(all.len());
            match all.get_mut(place) {
                Some(known) => known.runs += group.flights,
                None => all.push(Ran { statement: &part.statement, call: part.call, runs: group.flights }),
            }
        }
    }
    all
}
