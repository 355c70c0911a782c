//! Candidates: the indexes that could serve what the statements ask.

use std::collections::HashMap;

use crate::catalog::{Catalog, Index, Table};
use crate::index_key::{IndexKey, covers};
use crate::sql_text::name;
use crate::statement::{Constant, Parsed, TableUse};

/// Columns of an index at most.
const MAX_KEYS: usize = 3;
/// Bytes of a name at most, as PostgreSQL counts them.
const MAX_NAME: usize = 63;

/// An index that could be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) table: String,
    pub(crate) keys: Vec<IndexKey>,
    /// Number of keys at the beginning that are compared with values, so that their order does not matter.
    pub(crate) equalities: usize,
    pub(crate) filter: Option<Constant>,
}

/// A candidate that an existing index makes superfluous.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Covered {
    pub(crate) statement: usize,
    pub(crate) candidate: Candidate,
    pub(crate) by: String,
}

/// All candidates for some statements.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) open: Vec<Candidate>,
    pub(crate) covered: Vec<Covered>,
}

impl Candidate {
    /// Returns the columns and the condition as SQL spells them: `(symbol, created_at DESC) WHERE is_open`.
    pub(crate) fn columns(&self) -> String {
        let keys: Vec<_> = self.keys.iter().map(IndexKey::sql).collect();
        let filter = self.filter.as_ref().map(|filter| format!(" WHERE {}", filter.sql)).unwrap_or_default();
        format!("({}){filter}", keys.join(", "))
    }

    /// Returns the statement that creates the index.
    pub(crate) fn sql(&self, index: &str, how: &str) -> String {
        format!("CREATE INDEX {how}{} ON {} {}", name(index), name(&self.table), self.columns())
    }

    /// Returns a name for the index that no other has.
    pub(crate) fn name(&self, taken: &[String]) -> String {
        let columns = self.keys.iter().map(|key| key.column.as_str());
        let filter = self.filter.iter().flat_map(|filter| ["where", filter.column.as_str()]);
        let parts: Vec<_> = ["ix", self.table.as_str()].into_iter().chain(columns).chain(filter).collect();
        let full: String = parts.join("_").to_lowercase();
        let cut = |length: usize| {
            let mut end = full.len().min(length);
            while !full.is_char_boundary(end) {
                end -= 1;
            }
            &full[..end]
        };
        let is_taken = |name: &str| taken.iter().any(|taken| taken.eq_ignore_ascii_case(name));
        let numbered = (2..).map(|number| format!("{}_{number}", cut(MAX_NAME - 4)));
        std::iter::once(cut(MAX_NAME).to_owned())
            .chain(numbered)
            .find(|name| !is_taken(name))
            .unwrap_or_default()
    }

    /// Returns whether a statement could use the index: it compares, joins or orders by its first column.
    pub(crate) fn may_serve(&self, statement: &Parsed) -> bool {
        let Some(first) = self.keys.first() else { return false };
        statement.uses.iter().filter(|table_use| table_use.table == self.table).any(|table_use| {
            let has_filter = self.filter.as_ref().is_none_or(|filter| table_use.constants.contains(filter));
            let has_first = [&table_use.equalities, &table_use.joins, &table_use.ranges]
                .into_iter()
                .any(|columns| columns.contains(&first.column))
                || table_use.order.iter().any(|key| key.column == first.column);
            has_filter && (has_first || self.filter.is_some())
        })
    }
}

/// Returns the candidates for statements, with their calls.
pub(crate) fn candidates(catalog: &Catalog, statements: &[(&Parsed, u64)]) -> Candidates {
    let popularity = popularity(statements);
    let mut candidates = Candidates::default();
    for (number, (statement, _)) in statements.iter().enumerate() {
        for table_use in &statement.uses {
            let Some(table) = catalog.table(&table_use.table) else { continue };
            for candidate in of_use(table_use, table, &popularity) {
                candidates.add(number, candidate, table);
            }
        }
    }
    candidates
}

impl Candidates {
    fn add(&mut self, statement: usize, candidate: Candidate, table: &Table) {
        let is_same_filter = |index: &Index| match (&index.filter, &candidate.filter) {
            (None, None) => true,
            (Some(one), Some(other)) => normal(one) == normal(&other.sql),
            _ => false,
        };
        let covering = table.indexes.iter().find(|index| {
            is_same_filter(index) && covers(&index.keys, &candidate.keys, candidate.equalities)
        });
        match covering {
            Some(index) => self.covered.push(Covered { statement, candidate, by: index.name.clone() }),
            None if self.open.contains(&candidate) => {}
            None => self.open.push(candidate),
        }
    }
}

/// Returns a condition without spaces, parentheses and case, as far as two spellings of one condition go.
fn normal(condition: &str) -> String {
    let condition = condition.to_ascii_lowercase().replace("::text", "");
    condition.chars().filter(|c| !c.is_whitespace() && !['(', ')', '"'].contains(c)).collect()
}

/// Counts the calls that compare each column with a value, so that statements share their first columns.
fn popularity(statements: &[(&Parsed, u64)]) -> HashMap<(String, String), u64> {
    let mut popularity = HashMap::new();
    for (statement, calls) in statements {
        for table_use in &statement.uses {
            for column in table_use.equalities.iter().chain(&table_use.joins) {
                *popularity.entry((table_use.table.clone(), column.clone())).or_default() += calls;
            }
        }
    }
    popularity
}

fn of_use(
    table_use: &TableUse,
    table: &Table,
    popularity: &HashMap<(String, String), u64>,
) -> Vec<Candidate> {
    let calls =
        |column: &String| popularity.get(&(table.name.clone(), column.clone())).copied().unwrap_or_default();
    let sorted = |columns: Vec<&String>| {
        let mut columns: Vec<String> = columns.into_iter().cloned().collect();
        columns.sort_by(|a, b| calls(b).cmp(&calls(a)).then_with(|| a.cmp(b)));
        columns.dedup();
        columns
    };
    let values = sorted(table_use.equalities.iter().collect());
    let joins = sorted(table_use.joins.iter().collect());
    let both = sorted(table_use.joins.iter().chain(&table_use.equalities).collect());
    let filters = std::iter::once(None).chain(table_use.constants.iter().map(Some));
    let mut found = Vec::new();
    for filter in filters {
        for equalities in [&values, &joins, &both] {
            // The condition of the index takes the place of its column.
            let is_free = |column: &&String| filter.is_none_or(|filter| filter.column != **column);
            let equalities: Vec<_> = equalities.iter().filter(is_free).cloned().collect();
            for (keys, equalities) in key_lists(&equalities, table_use, table, filter) {
                let candidate =
                    Candidate { table: table.name.clone(), keys, equalities, filter: filter.cloned() };
                if !candidate.keys.is_empty() && !found.contains(&candidate) {
                    found.push(candidate);
                }
            }
        }
    }
    found
}

/// Returns lists of keys for columns that are compared with values, with the number of these.
fn key_lists(
    equalities: &[String],
    table_use: &TableUse,
    table: &Table,
    filter: Option<&Constant>,
) -> Vec<(Vec<IndexKey>, usize)> {
    let equal = |count: usize| -> Vec<_> {
        equalities.iter().take(count).map(|column| IndexKey::ascending(column)).collect()
    };
    let mut lists: Vec<_> = (1..=equalities.len().min(MAX_KEYS)).map(|count| (equal(count), count)).collect();
    for column in &table_use.ranges {
        let keys = equal(MAX_KEYS - 1);
        if !equalities.contains(column) && filter.is_none_or(|filter| filter.column != *column) {
            lists.push((with(&keys, &[IndexKey::ascending(column)]), keys.len()));
        }
    }
    let order: Vec<_> =
        table_use.order.iter().filter(|key| !equalities.contains(&key.column)).cloned().collect();
    let is_worth = !equalities.is_empty() || table_use.has_limit || filter.is_some();
    if !order.is_empty() && equalities.len() < MAX_KEYS && is_worth {
        let keys = equal(equalities.len());
        let order = forwards(&order);
        lists.push((with(&keys, &order), keys.len()));
        // The primary key at the end often settles what is equal already.
        let primary = table.indexes.iter().find(|index| index.is_primary);
        let ends_with_key = primary.is_some_and(|index| {
            index.keys.len() == 1 && order.last().is_some_and(|key| key.column == index.keys[0].column)
        });
        if ends_with_key && order.len() > 1 {
            lists.push((with(&keys, &order[..order.len() - 1]), keys.len()));
        }
    }
    if filter.is_some() && lists.is_empty() {
        let primary = table.indexes.iter().find(|index| index.is_primary);
        lists.extend(primary.and_then(|index| index.keys.first()).map(|key| (vec![key.clone()], 0)));
    }
    lists
}

/// Returns the order with ascending keys if all of them descend: an index is read backwards as well as forwards.
fn forwards(order: &[IndexKey]) -> Vec<IndexKey> {
    if order.iter().all(|key| key.is_desc) {
        return order.iter().map(|key| IndexKey::ascending(&key.column)).collect();
    }
    order.to_vec()
}

fn with(keys: &[IndexKey], more: &[IndexKey]) -> Vec<IndexKey> {
    keys.iter().chain(more).take(MAX_KEYS).cloned().collect()
}
