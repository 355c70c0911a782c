//! Matches columns by name: may a parameter hold a value of a result column?
//!
//! Small numbers coincide easily, so equal values alone prove nothing. Types of fields, such as `Id<User>`, and foreign keys
//! are the stronger proofs; see [`ForeignKeys`](crate::foreign_keys::ForeignKeys). Names are for statements without either.

/// A column with the table of its statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnRef<'a> {
    pub(crate) column: &'a str,
    pub(crate) table: Option<&'a str>,
}

/// Returns whether a key that was read fits the column a parameter is compared with: `portfolio_id` fits the
/// same name and the `id` of `portfolios`, `parent_trade_id` the `id` of `trades`, `session_id` the `id` of
/// `trading_sessions`; `parent` and any `…_id` fit the `id` of their own table.
pub(super) fn keys_match(parameter: ColumnRef<'_>, source: ColumnRef<'_>) -> bool {
    let (wanted, read) = (parameter.column.to_ascii_lowercase(), source.column.to_ascii_lowercase());
    let is_same_table = match (parameter.table, source.table) {
        (Some(one), Some(other)) => unqualified(one) == unqualified(other),
        _ => false,
    };
    match (wanted.strip_suffix("_id"), read.strip_suffix("_id")) {
        (Some(one), Some(other)) => is_suffix(one, other) || is_suffix(other, one),
        (Some(entity), None) => {
            read == "id" && (is_same_table || refers(entity, parameter.table, source.table))
        }
        (None, Some(entity)) => {
            wanted == "id" && (is_same_table || refers(entity, source.table, parameter.table))
        }
        (None, None) => read == "id" && is_same_table && (wanted == "id" || wanted == "parent"),
    }
}

/// Returns whether the column `<entity>_id` of table `own` refers to the `id` of `table`. Either may be
/// shortened to its last words.
fn refers(entity: &str, own: Option<&str>, table: Option<&str>) -> bool {
    let Some(table) = table.map(unqualified) else { return false };
    // `item_id` does not mean `order_items` where `items` exists.
    let is_own = own.is_some_and(|own| is_named_after(&unqualified(own), entity));
    suffixes(entity).any(|name| is_named_after(&table, name))
        || !is_own && suffixes(&table).any(|table| is_named_after(table, entity))
}

/// Iterates over a name without its first word, its first two words, and so on.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('_').map(|(_, tail)| tail))
}

/// Returns whether the table is named after the entity, in singular or plural.
fn is_named_after(table: &str, name: &str) -> bool {
    let ending = table.strip_prefix(name);
    let is_regular = !name.is_empty() && matches!(ending, Some("" | "s" | "es"));
    is_regular || name.strip_suffix('y').is_some_and(|stem| table.strip_prefix(stem) == Some("ies"))
}

/// Returns whether `tail` is the last words of `name`: `trade` of `parent_trade`.
fn is_suffix(name: &str, tail: &str) -> bool {
    name.strip_suffix(tail).is_some_and(|front| front.is_empty() || front.ends_with('_'))
}

/// Returns the table name in lower case, without schema and quotes.
pub(crate) fn unqualified(table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table);
    name.trim_matches('"').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{ColumnRef, keys_match};

    fn key_match(parameter: (&str, &str), source: (&str, &str)) -> bool {
        let named = |(table, column): (&'static str, &'static str)| ColumnRef { column, table: Some(table) };
        let own = |(table, column): (&str, &str)| {
            let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
            named((leak(table), leak(column)))
        };
        keys_match(own(parameter), own(source))
    }

    #[test]
    fn a_reference_fits_the_id_of_its_table_both_ways() {
        for (table, reference) in [
            ("portfolios", "portfolio_id"),
            ("strategies", "strategy_id"),
            ("boxes", "box_id"),
            ("trade", "trade_id"),
            ("public.trades", "trade_id"),
            ("\"Trades\"", "TRADE_ID"),
            ("trades", "parent_trade_id"),
            ("order_items", "order_item_id"),
            ("trading_sessions", "session_id"),
        ] {
            assert!(key_match(("others", reference), (table, "id")), "{reference} of {table}");
            assert!(key_match((table, "id"), ("others", reference)), "{table} of {reference}");
        }
    }

    #[test]
    fn the_same_reference_fits_whatever_the_tables() {
        assert!(key_match(("executions", "trade_id"), ("notes", "trade_id")));
        assert!(key_match(("executions", "trade_id"), ("notes", "parent_trade_id")));
    }

    #[test]
    fn anything_that_refers_fits_the_id_of_its_own_table() {
        for column in ["id", "parent", "parent_id", "reply_to_id"] {
            assert!(key_match(("notes", column), ("notes", "id")), "{column}");
        }
    }

    #[test]
    fn other_names_do_not_fit() {
        for (parameter, source) in [
            (("trades", "level"), ("portfolios", "id")),
            (("trades", "id"), ("portfolios", "id")),
            (("trades", "session_id"), ("portfolios", "id")),
            (("trades", "folio_id"), ("portfolios", "id")),
            (("trades", "parent"), ("portfolios", "id")),
            (("items", "item_id"), ("order_items", "id")),
            (("stock", "order_item_id"), ("return_items", "id")),
            (("trades", "session_id"), ("session_notes", "id")),
            (("executions", "trade_id"), ("notes", "portfolio_id")),
            (("executions", "trade_id"), ("notes", "untrade_id")),
            (("notes", "_id"), ("es", "id")),
        ] {
            assert!(!key_match(parameter, source), "{parameter:?} {source:?}");
        }
    }
}
