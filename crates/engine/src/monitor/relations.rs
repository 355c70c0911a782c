//! The foreign keys of a database, which prove that a parameter may hold what a result held, whatever the names.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use foldhash::fast::FixedState;
use tokio::sync::Notify;

use super::detect::{Named, bare};
use crate::relation::Relation;

/// Keys that refer to keys that refer to keys are followed so far.
const MAX_DEPTH: usize = 8;

/// What is known of them. It is read in the background, so that nobody waits for it.
#[derive(Debug, Default)]
pub(crate) struct Relations {
    known: RwLock<HashMap<Column, Column, FixedState>>,
    is_wanted: AtomicBool,
    wanted: Notify,
}

/// A column by its table, both in lower case.
type Column = (Box<str>, Box<str>);

impl Relations {
    /// Takes those that the database has now in place of those it had.
    pub(crate) fn replace(&self, relations: &[Relation]) {
        let column = |table: &str, column: &str| (bare(table).into(), column.to_ascii_lowercase().into());
        let known = relations.iter().map(|relation| {
            let Relation { table, column: own, to_table, to_column } = relation;
            (column(table, own), column(to_table, to_column))
        });
        let known = known.collect();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// The schema was changed: asks for them to be read again, if anybody ever needed them.
    pub(super) fn may_have_changed(&self) {
        if self.is_wanted.load(Ordering::Acquire) {
            self.wanted.notify_one();
        }
    }

    /// They could not be read.
    pub(crate) fn forget_wish(&self) {
        self.is_wanted.store(false, Ordering::Release);
    }

    /// Asks for them to be read, unless they were asked for before.
    fn want(&self) {
        if !self.is_wanted.swap(true, Ordering::AcqRel) {
            self.wanted.notify_one();
        }
    }

    /// Waits until they are asked for.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Whether two columns hold the same keys: one refers to the other, or both to a third. The first time that anybody
    /// asks, nothing is known yet, and they are asked for: a database whose statements repeat nothing is never read.
    pub(super) fn join(&self, one: Named<'_>, other: Named<'_>) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            self.want();
            return false;
        }
        let column = |named: Named<'_>| -> Option<Column> {
            Some((bare(named.table?).into(), named.column.to_ascii_lowercase().into()))
        };
        let origin = |mut column: Column| {
            for _ in 0..MAX_DEPTH {
                match known.get(&column) {
                    Some(next) => column = next.clone(),
                    None => break,
                }
            }
            column
        };
        let (Some(one), Some(other)) = (column(one), column(other)) else { return false };
        // A column that no key has to do with is like any other value, compared with itself as well.
        let is_key = |column: &Column| known.contains_key(column) || known.values().any(|to| to == column);
        (one != other || is_key(&one)) && origin(one) == origin(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relations(relations: &[[&str; 4]]) -> Relations {
        let known = Relations::default();
        let relation = |&[table, column, to_table, to_column]: &[&str; 4]| Relation {
            table: table.to_owned(),
            column: column.to_owned(),
            to_table: to_table.to_owned(),
            to_column: to_column.to_owned(),
        };
        known.replace(&relations.iter().map(relation).collect::<Vec<_>>());
        known
    }

    fn named<'a>(table: &'a str, column: &'a str) -> Named<'a> {
        Named { column, table: Some(table) }
    }

    #[test]
    fn a_key_joins_both_ways_and_so_do_two_keys_to_the_same_column() {
        let known = relations(&[
            ["orders", "owner_id", "users", "id"],
            ["Reviews", "User_Id", "users", "id"],
            ["profiles", "id", "users", "id"],
            ["pictures", "profile", "profiles", "id"],
        ]);
        for (one, other) in [
            (named("orders", "owner_id"), named("users", "id")),
            (named("public.\"Orders\"", "OWNER_ID"), named("users", "id")),
            (named("orders", "owner_id"), named("reviews", "user_id")),
            (named("pictures", "profile"), named("orders", "owner_id")),
        ] {
            assert!(known.join(one, other) && known.join(other, one), "{one:?} {other:?}");
        }
        for (one, other) in [
            (named("orders", "owner_id"), named("users", "name")),
            (named("orders", "id"), named("users", "id")),
            (named("orders", "owner_id"), named("groups", "id")),
            (Named { column: "owner_id", table: None }, named("users", "id")),
        ] {
            assert!(!known.join(one, other) && !known.join(other, one), "{one:?} {other:?}");
        }
    }

    #[test]
    fn keys_in_a_circle_have_an_end() {
        let known = relations(&[["a", "id", "b", "id"], ["b", "id", "a", "id"], ["c", "a_id", "a", "id"]]);
        known.join(named("a", "id"), named("c", "a_id"));
    }
}
