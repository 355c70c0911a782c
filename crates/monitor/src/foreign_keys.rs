//! Foreign keys. They prove that a parameter may hold a value read earlier, whatever the column names.

use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::FixedState;
use tallybook_core::foreign_key::ForeignKey;
use tallybook_sql::lock::{read, write};
use tokio::sync::Notify;

use super::detect::{ColumnRef, unqualified};

/// Longest chain of foreign keys that is followed.
const MAX_DEPTH: usize = 8;

/// The foreign keys of a database. They load in the background, on first demand, so nothing waits for them.
#[derive(Debug, Default)]
pub struct ForeignKeys {
    keys: RwLock<HashMap<ColumnKey, ColumnKey, FixedState>>,
    is_requested: AtomicBool,
    requested: Notify,
}

/// Table and column, both in lower case.
type ColumnKey = (Box<str>, Box<str>);

impl ForeignKeys {
    /// Replaces all foreign keys.
    pub fn replace(&self, foreign_keys: &[ForeignKey]) {
        let column =
            |table: &str, column: &str| (unqualified(table).into(), column.to_ascii_lowercase().into());
        let keys = foreign_keys.iter().map(|foreign_key| {
            let ForeignKey { table, column: own, to_table, to_column } = foreign_key;
            (column(table, own), column(to_table, to_column))
        });
        let keys = keys.collect();
        *write(&self.keys) = keys;
    }

    /// Requests a reload after a schema change, if the keys were ever needed.
    pub(super) fn schema_changed(&self) {
        if self.is_requested.load(Ordering::Acquire) {
            self.requested.notify_one();
        }
    }

    /// Drops the request after a failed load, so that the next demand requests again.
    pub fn forget_wish(&self) {
        self.is_requested.store(false, Ordering::Release);
    }

    /// Requests a load, unless one was requested already.
    fn request_load(&self) {
        if !self.is_requested.swap(true, Ordering::AcqRel) {
            self.requested.notify_one();
        }
    }

    /// Waits until a load is requested.
    pub async fn wanted(&self) {
        self.requested.notified().await;
    }

    /// Returns whether two columns hold the same keys: one refers to the other, or both to a third. The first
    /// call requests the load and returns `false`; a database whose statements repeat nothing never loads its
    /// keys.
    pub(super) fn are_joined(&self, one: ColumnRef<'_>, other: ColumnRef<'_>) -> bool {
        let keys = read(&self.keys);
        if keys.is_empty() {
            self.request_load();
            return false;
        }
        let column = |named: ColumnRef<'_>| -> Option<ColumnKey> {
            Some((unqualified(named.table?).into(), named.column.to_ascii_lowercase().into()))
        };
        let origin = |mut column: ColumnKey| {
            for _ in 0..MAX_DEPTH {
                match keys.get(&column) {
                    Some(next) => column = next.clone(),
                    None => break,
                }
            }
            column
        };
        let (Some(one), Some(other)) = (column(one), column(other)) else { return false };
        // A column without foreign keys is like any other value, also when compared with itself.
        let is_key = |column: &ColumnKey| keys.contains_key(column) || keys.values().any(|to| to == column);
        (one != other || is_key(&one)) && origin(one) == origin(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign_keys(foreign_keys: &[[&str; 4]]) -> ForeignKeys {
        let keys = ForeignKeys::default();
        let foreign_key = |&[table, column, to_table, to_column]: &[&str; 4]| ForeignKey {
            table: table.to_owned(),
            column: column.to_owned(),
            to_table: to_table.to_owned(),
            to_column: to_column.to_owned(),
        };
        keys.replace(&foreign_keys.iter().map(foreign_key).collect::<Vec<_>>());
        keys
    }

    fn named<'a>(table: &'a str, column: &'a str) -> ColumnRef<'a> {
        ColumnRef { column, table: Some(table) }
    }

    #[test]
    fn a_key_joins_both_ways_and_so_do_two_keys_to_the_same_column() {
        let keys = foreign_keys(&[
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
            assert!(keys.are_joined(one, other) && keys.are_joined(other, one), "{one:?} {other:?}");
        }
        for (one, other) in [
            (named("orders", "owner_id"), named("users", "name")),
            (named("orders", "id"), named("users", "id")),
            (named("orders", "owner_id"), named("groups", "id")),
            (ColumnRef { column: "owner_id", table: None }, named("users", "id")),
        ] {
            assert!(!keys.are_joined(one, other) && !keys.are_joined(other, one), "{one:?} {other:?}");
        }
    }

    #[test]
    fn keys_in_a_circle_have_an_end() {
        let keys = foreign_keys(&[["a", "id", "b", "id"], ["b", "id", "a", "id"], ["c", "a_id", "a", "id"]]);
        keys.are_joined(named("a", "id"), named("c", "a_id"));
    }
}
