//! The statements of a list: the rows that match a condition, by offset or by cursor.

use std::sync::OnceLock;

use tallybook_core::{Dialect, Statement};

use super::time::{
    by_time, canonical, canonical_order, first_day, has_hidden_spelling, is_noncanonical, order, where_clause,
};
use super::{count, exists, per_dialect, text};
use crate::table::Table;

/// The statements of a list, each built at its first use. `LIMIT` and `OFFSET`, or the cursor, are bound after the
/// parameters of the condition.
#[derive(Debug, Default)]
pub(crate) struct ListStatements {
    /// The condition on the parameters `$1` to `$<parameters>`; empty for all rows.
    condition: String,
    parameters: usize,
    by_index: OnceLock<Statement>,
    by_index_skipping: OnceLock<Statement>,
    by_time: OnceLock<Statement>,
    has_spellings: OnceLock<Statement>,
    all: OnceLock<Statement>,
    by_id: OnceLock<Statement>,
    count: OnceLock<Statement>,
    exists: OnceLock<Statement>,
    pages: OnceLock<PageTexts>,
}

/// The texts of a page by cursor, without `LIMIT`.
#[derive(Debug)]
struct PageTexts {
    first: String,
    next: String,
    /// On SQLite, for the page after a cursor: whether a noncanonical time is hidden above it.
    has_hidden_spelling: Option<String>,
}

impl ListStatements {
    pub(crate) fn new(condition: &str, parameters: usize) -> Self {
        Self { condition: condition.to_owned(), parameters, ..Self::default() }
    }

    /// Returns all rows.
    pub(crate) fn all<T: Table>(&self) -> &Statement {
        self.all.get_or_init(|| {
            let (filter, _) = where_clause(&self.condition);
            Statement::with_lists(text::<T>(&format!("{filter}ORDER BY {}", order(T::ORDER))))
        })
    }

    /// Returns all rows in the order of their identifiers, which no spelling of a time disturbs.
    pub(crate) fn by_id<T: Table>(&self) -> &Statement {
        self.by_id.get_or_init(|| {
            let (filter, _) = where_clause(&self.condition);
            Statement::with_lists(text::<T>(&format!("{filter}ORDER BY id")))
        })
    }

    /// Returns the number of rows.
    pub(crate) fn count<T: Table>(&self) -> &Statement {
        self.count.get_or_init(|| count::<T>(&self.condition))
    }

    /// Returns whether there are rows.
    pub(crate) fn exists<T: Table>(&self) -> &Statement {
        self.exists.get_or_init(|| exists::<T>(&self.condition))
    }

    /// Reads by the index.
    pub(crate) fn by_index<T: Table>(&self) -> &Statement {
        self.by_index.get_or_init(|| Statement::with_lists(self.by_index_text::<T>()))
    }

    fn by_index_text<T: Table>(&self) -> String {
        let (filter, _) = where_clause(&self.condition);
        text::<T>(&format!("{filter}ORDER BY {} {}", order(T::ORDER), self.window()))
    }

    /// Reads by the index with an offset. If a noncanonical time is in the range, it returns all rows from the first on.
    pub(crate) fn by_index_skipping<T: Table>(&self) -> &Statement {
        self.by_index_skipping.get_or_init(|| {
            let by_index = self.by_index_text::<T>();
            let Some(time) = T::ORDER else { return Statement::with_lists(by_index) };
            let (filter, _) = where_clause(&self.condition);
            let (limit, offset) = (self.limit(), self.offset());
            let order = order(T::ORDER);
            let is_there = format!(
                "EXISTS (SELECT 1 FROM (SELECT {time} FROM {} {filter}ORDER BY {order} LIMIT {limit} + {offset}) WHERE {})",
                T::NAME,
                is_noncanonical(time),
            );
            let skipping = text::<T>(&format!(
                "{filter}ORDER BY {order} LIMIT CASE WHEN {is_there} THEN {limit} + {offset} ELSE {limit} END \
                 OFFSET CASE WHEN {is_there} THEN 0 ELSE {offset} END"
            ));
            per_dialect(by_index, &skipping)
        })
    }

    /// Reads in the order of canonical time.
    pub(crate) fn by_time<T: Table>(&self) -> &Statement {
        self.by_time.get_or_init(|| {
            let most = format!("{} + {}", self.limit(), self.offset());
            let by_time = by_time(T::NAME, T::ORDER, &self.condition, &most, &self.window());
            per_dialect(self.by_index_text::<T>(), &text::<T>(&by_time))
        })
    }

    /// Returns whether any row has one of the texts bound after the condition's parameters.
    pub(crate) fn has_spellings<T: Table>(&self) -> &Statement {
        self.has_spellings.get_or_init(|| {
            let Some(time) = T::ORDER else { return Statement::new("SELECT false") };
            let (_, and) = where_clause(&self.condition);
            let sqlite = format!(
                "SELECT EXISTS (SELECT 1 FROM {} WHERE {and}{time} IN rarray({}))",
                T::NAME,
                self.limit()
            );
            per_dialect("SELECT false".to_owned(), &sqlite)
        })
    }

    fn limit(&self) -> String {
        format!("${}", self.parameters + 1)
    }

    fn offset(&self) -> String {
        format!("${}", self.parameters + 2)
    }

    fn window(&self) -> String {
        format!("LIMIT {} OFFSET {}", self.limit(), self.offset())
    }

    /// Reads the first `most` rows by the index, or those after a cursor. Returns no row if a noncanonical time is hidden
    /// above the cursor.
    pub(crate) fn page_by_index<T: Table>(
        &self,
        dialect: Dialect,
        after_cursor: bool,
        most: u64,
    ) -> Statement {
        let texts = self.pages.get_or_init(|| self.page_texts::<T>());
        let sql = match (after_cursor, &texts.has_hidden_spelling, dialect) {
            (true, Some(has_hidden_spelling), Dialect::Sqlite) => {
                format!("{} LIMIT CASE WHEN {has_hidden_spelling} THEN 0 ELSE {most} END", texts.next)
            }
            (true, ..) => format!("{} LIMIT {most}", texts.next),
            (false, ..) => format!("{} LIMIT {most}", texts.first),
        };
        self.page(sql)
    }

    fn page_texts<T: Table>(&self) -> PageTexts {
        let (filter, and) = where_clause(&self.condition);
        let order = order(T::ORDER);
        let (first, second) = (self.limit(), self.offset());
        let following = match T::ORDER {
            Some(time) => format!("({time}, id) < ({first}, {second})"),
            None => format!("id < {first}"),
        };
        PageTexts {
            first: text::<T>(&format!("{filter}ORDER BY {order}")),
            next: text::<T>(&format!("WHERE {and}{following} ORDER BY {order}")),
            has_hidden_spelling: T::ORDER.map(|time| has_hidden_spelling(T::NAME, time, &and, &first)),
        }
    }

    /// Reads the same rows in the order of canonical time, on SQLite.
    pub(crate) fn page_by_time<T: Table>(&self, after_cursor: bool, most: u64) -> Statement {
        let (most, limit) = (most.to_string(), format!("LIMIT {most}"));
        let Some(time) = T::ORDER.filter(|_| after_cursor) else {
            return self.page(text::<T>(&by_time(T::NAME, T::ORDER, &self.condition, &most, &limit)));
        };
        let (_, and) = where_clause(&self.condition);
        let (first, second) = (self.limit(), self.offset());
        // All rows of earlier days follow the cursor, and none of later days do.
        let earlier = format!("WHERE {and}{time} < substr({first}, 1, 10) ");
        let first_day = first_day(T::NAME, time, &earlier, &most);
        self.page(text::<T>(&format!(
            "WHERE {and}{time} < substr({first}, 1, 10) || 'U' AND {time} >= {first_day} \
             AND ({}, id) < ({first}, {second}) ORDER BY {} {limit}",
            canonical(time),
            canonical_order(time),
        )))
    }

    /// Returns the statement of a page, whose texts differ only if the condition has a list.
    fn page(&self, sql: String) -> Statement {
        if self.condition.contains("= ANY(") { Statement::with_lists(sql) } else { Statement::from(sql) }
    }
}
