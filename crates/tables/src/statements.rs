//! The statements of a table, each built at its first use.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use tallybook_core::Statement;
use tallybook_core::lock::lock;

use crate::load::Plans;
use crate::sql::{self, ListStatements};
use crate::table::Table;

/// Texts that a cache holds at most; beyond that it begins again. Only conditions that are put together at run time are so
/// many.
const MAX_CACHED: usize = 1_000;

/// The statements of a table, each built at its first use. An implementation of [`Table`] keeps them in a static.
#[derive(Debug)]
pub struct Statements {
    pub(crate) by_id: LazyLock<Statement>,
    pub(crate) by_ids: LazyLock<Statement>,
    pub(crate) for_update: LazyLock<Statement>,
    pub(crate) insert: LazyLock<Statement>,
    pub(crate) delete: LazyLock<Statement>,
    pub(crate) sync_sequence: LazyLock<Statement>,
    /// By their condition.
    pub(crate) lists: Cache<String, ListStatements>,
    /// By a column with unique values.
    pub(crate) by_column: Cache<&'static str, Statement>,
    /// By the columns of a unique index.
    pub(crate) upserts: Cache<String, Statement>,
    pub(crate) plans: Plans,
    get_many: Suggestion,
    create_many: Suggestion,
}

impl Statements {
    /// Returns the statements of `T`, none of which is built yet.
    pub const fn new<T: Table>() -> Self {
        Self {
            by_id: LazyLock::new(sql::by_id::<T>),
            by_ids: LazyLock::new(sql::by_ids::<T>),
            for_update: LazyLock::new(sql::for_update::<T>),
            insert: LazyLock::new(sql::insert::<T>),
            delete: LazyLock::new(|| sql::delete::<T>("id = $1")),
            sync_sequence: LazyLock::new(sql::sync_sequence::<T>),
            lists: Cache::new(),
            by_column: Cache::new(),
            upserts: Cache::new(),
            plans: Plans::new(),
            get_many: Suggestion::new(),
            create_many: Suggestion::new(),
        }
    }

    /// Returns the call that replaces a loop of `get`.
    pub(crate) fn get_many<T: Table>(&self) -> &'static str {
        self.get_many.get(|| format!("{}::get_by_ids(&ids)", T::REPOSITORY))
    }

    /// Returns the call that replaces a loop of `create`.
    pub(crate) fn create_many<T: Table>(&self) -> &'static str {
        self.create_many.get(|| format!("{}::create_many(&new)", T::REPOSITORY))
    }
}

/// A call that an N+1 finding suggests, built once for the life of the program.
#[derive(Debug)]
pub(crate) struct Suggestion(OnceLock<&'static str>);

impl Suggestion {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) fn get(&self, build: impl FnOnce() -> String) -> &'static str {
        self.0.get_or_init(|| build().leak())
    }
}

/// Values that are built once for each key.
#[derive(Debug)]
pub(crate) struct Cache<K, V: ?Sized>(Mutex<BTreeMap<K, Arc<V>>>);

impl<K: Ord, V: ?Sized> Cache<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn get<Q>(&self, key: &Q, build: impl FnOnce() -> Arc<V>) -> Arc<V>
    where
        K: Borrow<Q>,
        Q: Ord + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(found) = lock(&self.0).get(key) {
            return found.clone();
        }
        let built = build();
        let mut cached = lock(&self.0);
        if cached.len() >= MAX_CACHED {
            cached.clear();
        }
        cached.entry(key.to_owned()).or_insert(built).clone()
    }
}
