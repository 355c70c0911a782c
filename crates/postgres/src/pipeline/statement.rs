//! The statements that are prepared on a connection.

use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use postgres_types::Type;
use smallvec::SmallVec;
use tallybook_sql::row::Column;
use tallybook_sql::value::Value;

use crate::param::{is_declared_as, type_of};
use crate::types::Columns;

/// The declared types of a statement's parameters.
pub(super) type ParameterTypes = SmallVec<[Type; 8]>;

/// A prepared statement.
pub(super) struct Prepared {
    pub(super) name: Box<str>,
    pub(super) parameters: ParameterTypes,
    pub(super) columns: Columns,
    /// Columns of the struct that its result was last checked against.
    pub(super) fits: Option<&'static [Column]>,
    /// How long it took when it was measured.
    pub(super) expected: Duration,
}

impl Prepared {
    pub(super) fn new(name: Box<str>, parameters: ParameterTypes, columns: Columns) -> Self {
        Self { name, parameters, columns, fits: None, expected: Duration::ZERO }
    }

    /// Returns whether it was prepared for parameters of the types of these values.
    pub(super) fn takes(&self, values: &[Value]) -> bool {
        self.parameters.len() == values.len()
            && self.parameters.iter().zip(values).all(|(ty, value)| is_declared_as(value.kind(), ty))
    }
}

/// Returns the types that the placeholders of these values are declared with.
pub(super) fn types_of(values: &[Value]) -> ParameterTypes {
    values.iter().map(|value| type_of(value.kind())).collect()
}

/// The prepared statements of a connection by their texts, and the names to be closed on the server.
pub(crate) struct StatementCache {
    prepared: LruCache<Box<str>, Prepared>,
    closing: Vec<Box<str>>,
    /// Beginning of every name.
    prefix: Box<str>,
    /// Number of names given so far. None is given twice.
    named: u64,
}

impl StatementCache {
    /// Returns a cache of at most `size` statements, or of one at a time.
    pub(crate) fn new(size: usize) -> Self {
        let size = NonZeroUsize::new(size).unwrap_or(NonZeroUsize::MIN);
        Self { prepared: LruCache::new(size), closing: Vec::new(), prefix: "s".into(), named: 0 }
    }

    /// Begins the names to come with `prefix`.
    pub(crate) fn set_prefix(&mut self, prefix: Box<str>) {
        self.prefix = prefix;
    }

    pub(super) fn get(&mut self, sql: &str) -> Option<&mut Prepared> {
        self.prepared.get_mut(sql)
    }

    /// Returns a name for a new statement.
    pub(super) fn new_name(&mut self) -> Box<str> {
        self.named += 1;
        format!("{}{}", self.prefix, self.named).into()
    }

    /// Keeps a statement, in place of the one that was used least recently.
    pub(super) fn keep(&mut self, sql: Box<str>, statement: Prepared) {
        if let Some((_, dropped)) = self.prepared.push(sql, statement) {
            self.closing.push(dropped.name);
        }
    }

    /// Closes a statement with the next request.
    pub(super) fn close(&mut self, name: Box<str>) {
        self.closing.push(name);
    }

    /// Returns the names to be closed. They stay until [`closed`](Self::closed) is called.
    pub(super) fn closing(&self) -> &[Box<str>] {
        &self.closing
    }

    /// Forgets the names to be closed, since the request is written.
    pub(super) fn closed(&mut self) {
        self.closing.clear();
    }

    /// Forgets all statements. Those that the server still has are closed.
    pub(super) fn forget(&mut self) {
        while let Some((_, statement)) = self.prepared.pop_lru() {
            self.closing.push(statement.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(cache: &mut StatementCache) -> Prepared {
        let name = cache.new_name();
        Prepared::new(name, ParameterTypes::new(), Columns::default())
    }

    #[test]
    fn the_statement_that_was_used_least_recently_is_closed() {
        let mut cache = StatementCache::new(3);
        for number in 0..3 {
            let statement = prepared(&mut cache);
            cache.keep(number.to_string().into(), statement);
        }
        assert!(cache.get("0").is_some() && cache.closing().is_empty());
        let statement = prepared(&mut cache);
        cache.keep("one more".into(), statement);
        assert_eq!(cache.closing(), [Box::from("s2")]);
        assert!(cache.get("1").is_none() && cache.get("0").is_some());
    }

    #[test]
    fn a_text_that_is_prepared_again_closes_the_former() {
        let mut cache = StatementCache::new(3);
        for _ in 0..2 {
            let statement = prepared(&mut cache);
            cache.keep("SELECT 1".into(), statement);
        }
        assert_eq!(cache.closing(), [Box::from("s1")]);
        cache.closed();
        cache.forget();
        assert_eq!(cache.closing(), [Box::from("s2")]);
    }
}
