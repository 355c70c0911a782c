//! Whether a parameter's column may hold what a result's column held, by their names.
//!
//! Small numbers coincide easily, so equal values alone prove nothing. Foreign keys tell it too; see
//! [`Relations`](crate::monitor::relations::Relations).

/// A column and the table of its statement.
#[derive(Clone, Copy, Debug)]
pub(in crate::monitor) struct Named<'a> {
    pub(in crate::monitor) column: &'a str,
    pub(in crate::monitor) table: Option<&'a str>,
}

/// Whether a key that was read fits what a parameter is compared with: `portfolio_id` the same and the `id`
/// of `portfolios`, `parent_trade_id` the `id` of `trades`, `session_id` the `id` of `trading_sessions`,
/// `parent` and any `…_id` the `id` of their own table.
pub(super) fn fits(parameter: Named<'_>, source: Named<'_>) -> bool {
    let (wanted, read) = (parameter.column.to_ascii_lowercase(), source.column.to_ascii_lowercase());
    let is_same_table = match (parameter.table, source.table) {
        (Some(one), Some(other)) => bare(one) == bare(other),
        _ => false,
    };
    match (wanted.strip_suffix("_id"), read.strip_suffix("_id")) {
        (Some(one), Some(other)) => is_tail(one, other) || is_tail(other, one),
        (Some(entity), None) => {
            read == "id" && (is_same_table || refers(entity, parameter.table, source.table))
        }
        (None, Some(entity)) => {
            wanted == "id" && (is_same_table || refers(entity, source.table, parameter.table))
        }
        (None, None) => read == "id" && is_same_table && (wanted == "id" || wanted == "parent"),
    }
}

/// Whether a column `…_id` of this name, in the table `own`, is the `id` of `table`. Either may be called by
/// its last words only.
fn refers(entity: &str, own: Option<&str>, table: Option<&str>) -> bool {
    let Some(table) = table.map(bare) else { return false };
    // `item_id` is no `order_items` where there are `items`.
    let is_own = own.is_some_and(|own| is_plural(&bare(own), entity));
    tails(entity).any(|name| is_plural(&table, name))
        || !is_own && tails(&table).any(|table| is_plural(table, entity))
}

/// A name, and what is left of it without its first word, its first two, …
fn tails(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('_').map(|(_, tail)| tail))
}

/// Whether the table is named after the thing or after many of them.
fn is_plural(table: &str, name: &str) -> bool {
    let ending = table.strip_prefix(name);
    let is_regular = !name.is_empty() && matches!(ending, Some("" | "s" | "es"));
    is_regular || name.strip_suffix('y').is_some_and(|stem| table.strip_prefix(stem) == Some("ies"))
}

/// Whether `tail` is the last words of `name`: `trade` of `parent_trade`.
fn is_tail(name: &str, tail: &str) -> bool {
    name.strip_suffix(tail).is_some_and(|front| front.is_empty() || front.ends_with('_'))
}

/// Without the schema and quotes.
pub(in crate::monitor) fn bare(table: &str) -> String {
    let name = table.rsplit('.').next().unwrap_or(table);
    name.trim_matches('"').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{Named, fits};

    fn fit(parameter: (&str, &str), source: (&str, &str)) -> bool {
        let named = |(table, column): (&'static str, &'static str)| Named { column, table: Some(table) };
        let own = |(table, column): (&str, &str)| {
            let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
            named((leak(table), leak(column)))
        };
        fits(own(parameter), own(source))
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
            assert!(fit(("others", reference), (table, "id")), "{reference} of {table}");
            assert!(fit((table, "id"), ("others", reference)), "{table} of {reference}");
        }
    }

    #[test]
    fn the_same_reference_fits_whatever_the_tables() {
        assert!(fit(("executions", "trade_id"), ("notes", "trade_id")));
        assert!(fit(("executions", "trade_id"), ("notes", "parent_trade_id")));
    }

    #[test]
    fn anything_that_refers_fits_the_id_of_its_own_table() {
        for column in ["id", "parent", "parent_id", "reply_to_id"] {
            assert!(fit(("notes", column), ("notes", "id")), "{column}");
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
            assert!(!fit(parameter, source), "{parameter:?} {source:?}");
        }
    }
}
