//! One value of a CSV file.
//!
//! NULL is an empty field. CSV can't tell an empty text from it, so in a column that may be NULL an empty
//! text is written as two quote characters, and a text of nothing but quote characters gets two more.

use tallybook_engine::{Column, Encode, Kind, Value};

const EMPTY: &str = "\"\"";

/// The field of a value.
pub(crate) fn to_field(column: &Column, value: &Value) -> String {
    let text = value.to_string();
    match value {
        Value::Text(_) if column.nullable && is_only_quotes(&text) => text + EMPTY,
        _ => text,
    }
}

/// A text that a spreadsheet would take for a formula, or cut into one, with an apostrophe in front. An import does not
/// take it away again.
pub(crate) fn escape_formula(value: &Value, field: String) -> String {
    match value {
        Value::Text(_) if field.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{field}"),
        _ => field,
    }
}

/// The value of a field, or what was expected of it.
pub(super) fn to_value(column: &Column, field: &str) -> Result<Value, String> {
    if field.is_empty() && column.nullable {
        return Ok(Value::Null(column.kind));
    }
    if column.kind == Kind::Text && column.nullable && is_only_quotes(field) && field.len() >= EMPTY.len() {
        return field[EMPTY.len()..].encode();
    }
    if field.is_empty() && column.kind != Kind::Text {
        return Err(format!("expected {}; this column can't be empty", column.kind));
    }
    column.kind.parse(field)
}

fn is_only_quotes(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Column = Column { name: "note", kind: Kind::Text, nullable: true, max: None };

    #[test]
    fn null_and_empty_texts_stay_apart() {
        for value in [Value::Null(Kind::Text), Value::Text(String::new())] {
            assert_eq!(to_value(&NOTE, &to_field(&NOTE, &value)), Ok(value));
        }
    }

    #[test]
    fn texts_of_quotes_stay_as_they_are() {
        for quotes in 0..6 {
            let value = Value::Text("\"".repeat(quotes));
            assert_eq!(to_value(&NOTE, &to_field(&NOTE, &value)), Ok(value));
        }
    }

    #[test]
    fn what_does_not_fit_says_what_was_expected() {
        let price = Column { kind: Kind::Decimal, nullable: false, ..NOTE };
        assert_eq!(to_value(&price, "NaN").unwrap_err(), "expected a decimal");
        assert!(to_value(&price, "").unwrap_err().contains("can't be empty"));
    }
}
