//! The statements of a load, built once for each kind of load.

use std::sync::{Arc, OnceLock};

use tallybook_core::{Dialect, Statement, Value, all};

use super::{Include, Included, Load, Relations, Rows};
use crate::sql::Selection;
use crate::statements::{Cache, Suggestion};
use crate::table::Table;

/// The statements of the loads of one type, each built at its first use. An implementation of [`Load`] keeps them in a
/// static.
#[derive(Debug)]
pub struct Plans {
    plans: Cache<PlanKey, [Statement]>,
    paths: OnceLock<Vec<String>>,
    calls: ManyCalls,
    including_calls: ManyCalls,
}

/// The calls that replace loops of loads.
#[derive(Debug)]
struct ManyCalls {
    load: Suggestion,
    load_of: Suggestion,
    load_newest_of: Suggestion,
}

impl ManyCalls {
    const fn new() -> Self {
        Self { load: Suggestion::new(), load_of: Suggestion::new(), load_newest_of: Suggestion::new() }
    }
}

/// Identifies the rows that a load begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlanKey {
    /// The column compared with the first parameter.
    pub(crate) by: &'static str,
    /// Set if the first parameter is a list.
    pub(crate) is_list: bool,
    /// Set if the second parameter limits the rows, for each value in the list.
    pub(crate) newest: bool,
    /// Set to order by canonical time; see [`time_order`](crate::time_order).
    pub(crate) by_time: bool,
}

impl Plans {
    /// Returns plans of which none is built yet.
    pub const fn new() -> Self {
        Self {
            plans: Cache::new(),
            paths: OnceLock::new(),
            calls: ManyCalls::new(),
            including_calls: ManyCalls::new(),
        }
    }

    /// Returns the statements of a load: one for the rows that it begins with, and those of all relations.
    pub(crate) fn get<A: Load>(&self, key: PlanKey) -> Arc<[Statement]> {
        self.plans.get(&key, || {
            let texts = |dialect| {
                let PlanKey { by, is_list, newest, by_time } = key;
                let root = Selection::root::<A::Root>(dialect, by, is_list, newest, by_time);
                let mut texts = vec![root.rows()];
                A::RELATIONS.statements(&root, &mut texts);
                texts
            };
            let pairs = texts(Dialect::Postgres).into_iter().zip(texts(Dialect::Sqlite));
            pairs.map(|(postgres, sqlite)| Statement::per_dialect_owned(postgres, sqlite)).collect()
        })
    }

    /// Returns the paths of the chosen relations, built by `build` at the first call.
    pub(super) fn paths(&self, build: impl FnOnce() -> Vec<String>) -> &[String] {
        self.paths.get_or_init(build)
    }

    /// Returns the call that replaces a loop of `load`.
    pub(crate) fn load_many<A: Load>(&self, include: Include<A>) -> &'static str {
        self.calls(include).load.get(|| call(include, "load_many", "", "&ids"))
    }

    /// Returns the call that replaces a loop of `load_of`.
    pub(crate) fn load_of_many<A: Load>(&self, include: Include<A>) -> &'static str {
        self.calls(include).load_of.get(|| call(include, "load_of_many", ", _", "&parents"))
    }

    /// Returns the call that replaces a loop of `load_newest_of`.
    pub(crate) fn load_newest_of_many<A: Load>(&self, include: Include<A>) -> &'static str {
        let call = || call(include, "load_newest_of_many", ", _", "&parents, limit");
        self.calls(include).load_newest_of.get(call)
    }

    fn calls<A: Load>(&self, include: Include<A>) -> &ManyCalls {
        if include.is_none() { &self.calls } else { &self.including_calls }
    }
}

/// Returns the text of a call. Where relations are included, their type says which aggregate is loaded; elsewhere it
/// stands before the `other_types`.
fn call<A: Load>(include: Include<A>, method: &str, other_types: &str, arguments: &str) -> String {
    let repository = <A::Root as Table>::REPOSITORY;
    if include.is_none() {
        format!("{repository}::{method}::<{}{other_types}>({arguments})", A::NAME)
    } else {
        format!("{repository}::including(include).{method}({arguments})")
    }
}

impl Default for Plans {
    fn default() -> Self {
        Self::new()
    }
}

/// Hands out the statements of a plan with their parameters, in order. It passes over those that a load does not include.
pub struct Binding<'p> {
    statements: &'p [Statement],
    values: &'p [Value],
    by_time: bool,
    included: Included,
    /// The position of the next chosen relation.
    position: usize,
}

impl<'p> Binding<'p> {
    pub(crate) fn new(
        statements: &'p [Statement],
        values: &'p [Value],
        by_time: bool,
        included: Included,
    ) -> Self {
        Self { statements, values, by_time, included, position: 0 }
    }

    /// Returns whether the load includes the next chosen relation. If not, passes over its statements, and the chosen
    /// relations in it.
    pub(super) fn begins_chosen(&mut self, statements: usize, chosen: usize) -> bool {
        let is_included = self.included.has(self.position);
        self.position += 1;
        if !is_included {
            self.statements = &self.statements[statements..];
            self.position += chosen;
        }
        is_included
    }

    /// Returns the query for the next statement. If its rows are the newest, their order is checked, unless the statement
    /// orders by canonical time.
    pub(crate) fn next<T: Table>(&mut self, is_newest: bool) -> Rows<T> {
        let (statement, others) =
            self.statements.split_first().expect("a plan has a statement for each relation");
        self.statements = others;
        let statement = statement.clone();
        let values = self.values.to_vec();
        if is_newest && !self.by_time {
            Rows::Newest(all(statement, values))
        } else {
            Rows::Whole(all(statement, values))
        }
    }
}
