//! The texts of cursors.

use tallybook::book::{Cursor, Execution, Portfolio, Table, Trade};

/// Returns the text of the cursor that a text is parsed as.
fn parsed<T: Table>(text: &str) -> Option<String> {
    match text.parse::<Cursor<T>>() {
        Ok(cursor) => Some(cursor.to_string()),
        Err(error) => {
            assert!(error.is_cursor(), "{error}");
            None
        }
    }
}

#[test]
fn a_cursor_survives_the_way_through_a_url() {
    for text in ["trades.1700000000000000.42", "trades.-1.3"] {
        assert_eq!(parsed::<Trade>(text).as_deref(), Some(text));
    }
    assert_eq!(parsed::<Execution>("executions.-1.3").as_deref(), Some("executions.-1.3"));
    assert_eq!(parsed::<Portfolio>("portfolios.7").as_deref(), Some("portfolios.7"));
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "trades",
        "orders.7",
        "trades.7",
        "trades.1.2.3",
        "trades.1.",
        "tradesx.1.2",
        "executions.-1.3",
        // Beyond the year 9999, which not both databases can store.
        "trades.999999999999999999.1",
    ] {
        assert_eq!(parsed::<Trade>(text), None, "{text}");
    }
    for text in ["portfolios.1700000000000000.42", "portfolios.99999999999999999999", "trades.1.2"] {
        assert_eq!(parsed::<Portfolio>(text), None, "{text}");
    }
}
