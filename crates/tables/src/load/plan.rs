//! The statements of a load, built once for each kind of load.

use std::sync::Arc;

use tallybook_core::{Dialect, Statement, Value, all};

use super::{Load, Relations, Rows};
use crate::sql::Selection;
use crate::statements::{Cache, Suggestion};
use crate::table::Table;

/// The statements of the loads of one type, each built at its first use. An implementation of [`Load`] keeps them in a
/// static.
#[derive(Debug)]
pub struct Plans {
    plans: Cache<PlanKey, [Statement]>,
    load_many: Suggestion,
    load_of_many: Suggestion,
    load_newest_of_many: Suggestion,
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
            load_many: Suggestion::new(),
            load_of_many: Suggestion::new(),
            load_newest_of_many: Suggestion::new(),
        }
    }

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

    /// Returns the call that replaces a loop of `load`.
    pub(crate) fn load_many<A: Load>(&self) -> &'static str {
        self.load_many.get(|| format!("{}::load_many::<{}>(&ids)", <A::Root as Table>::REPOSITORY, A::NAME))
    }

    /// Returns the call that replaces a loop of `load_of`.
    pub(crate) fn load_of_many<A: Load>(&self) -> &'static str {
        self.load_of_many.get(|| call::<A>("load_of_many", "&parents"))
    }

    /// Returns the call that replaces a loop of `load_newest_of`.
    pub(crate) fn load_newest_of_many<A: Load>(&self) -> &'static str {
        self.load_newest_of_many.get(|| call::<A>("load_newest_of_many", "&parents, limit"))
    }
}

fn call<A: Load>(method: &str, arguments: &str) -> String {
    format!("{}::{method}::<{}, _>({arguments})", <A::Root as Table>::REPOSITORY, A::NAME)
}

impl Default for Plans {
    fn default() -> Self {
        Self::new()
    }
}

/// Hands out the statements of a plan with their parameters, in order.
pub struct Binding<'p> {
    statements: std::slice::Iter<'p, Statement>,
    values: &'p [Value],
    by_time: bool,
}

impl<'p> Binding<'p> {
    pub(crate) fn new(plan: &'p [Statement], values: &'p [Value], by_time: bool) -> Self {
        Self { statements: plan.iter(), values, by_time }
    }

    /// Returns the query for the next statement. If its rows are the newest, their order is checked, unless the statement
    /// orders by canonical time.
    pub(crate) fn next<T: Table>(&mut self, is_newest: bool) -> Rows<T> {
        let statement = self.statements.next().expect("a plan has a statement for each relation").clone();
        let values = self.values.to_vec();
        if is_newest && !self.by_time {
            Rows::Newest(all(statement, values))
        } else {
            Rows::Whole(all(statement, values))
        }
    }
}
