//! The columns of an index.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sql_text::name;

/// A column of an index, with its direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IndexKey {
    /// Column name.
    pub column: String,
    /// True for `DESC`.
    pub is_desc: bool,
}

impl IndexKey {
    /// Returns a column in ascending order.
    pub(crate) fn ascending(column: &str) -> Self {
        Self { column: column.to_owned(), is_desc: false }
    }

    /// Returns the column as SQL spells it in an index.
    pub(crate) fn sql(&self) -> String {
        let direction = if self.is_desc { " DESC" } else { "" };
        format!("{}{direction}", name(&self.column))
    }
}

impl fmt::Display for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql())
    }
}

/// Returns whether an index with the keys `existing` also does what one with the keys `wanted` would, read forwards or
/// backwards. The order of the first `equalities` columns does not matter.
pub(crate) fn covers(existing: &[IndexKey], wanted: &[IndexKey], equalities: usize) -> bool {
    let Some(existing) = existing.get(..wanted.len()) else { return false };
    let (equal, ordered) = wanted.split_at(equalities.min(wanted.len()));
    let (existing_equal, existing_ordered) = existing.split_at(equal.len());
    let has = |keys: &[IndexKey], column: &str| keys.iter().any(|key| key.column == column);
    let is_same = |is_backward: bool| {
        let pairs = existing_ordered.iter().zip(ordered);
        pairs.clone().all(|(a, b)| a.column == b.column && (a.is_desc != is_backward) == b.is_desc)
    };
    equal.iter().all(|key| has(existing_equal, &key.column)) && (is_same(false) || is_same(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<IndexKey> {
        let key = |text: &str| match text.strip_suffix(" DESC") {
            Some(column) => IndexKey { column: column.to_owned(), is_desc: true },
            None => IndexKey::ascending(text),
        };
        text.split(", ").map(key).collect()
    }

    #[test]
    fn a_prefix_in_any_order_of_its_equalities_and_in_both_directions_is_covered() {
        for (existing, wanted, equalities, expected) in [
            ("a, b", "a", 1, true),
            ("a, b", "b", 1, false),
            ("b, a", "a, b", 2, true),
            ("b, a", "a, b", 1, false),
            ("a, b DESC", "a, b", 1, true),
            ("b, c DESC", "b DESC, c", 0, true),
            ("b, c", "b DESC, c", 0, false),
            ("a", "a, b", 1, false),
        ] {
            assert_eq!(
                covers(&keys(existing), &keys(wanted), equalities),
                expected,
                "{existing} for {wanted}"
            );
        }
    }
}
