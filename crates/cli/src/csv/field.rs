//! One value of a CSV file.
//!
//! NULL is an empty field. CSV cannot distinguish an empty text from it, so in a nullable column an empty text is
//! written as two quote characters, and a text of only quote characters gets two more.

use tallybook::{Column, SqlType, Value};

const EMPTY: &str = "\"\"";

/// Converts a value to a field.
pub(crate) fn to_field(column: &Column, value: &Value) -> String {
    let text = value.to_string();
    match value {
        Value::Text(_) | Value::Enum(_) if column.nullable && is_only_quotes(&text) => text + EMPTY,
        _ => text,
    }
}

/// Prefixes a text that a spreadsheet would take for a formula, or split into one, with an apostrophe. An import
/// does not remove it.
pub(crate) fn escape_formula(value: &Value, field: String) -> String {
    match value {
        Value::Text(_) | Value::Enum(_) if field.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
            format!("'{field}")
        }
        _ => field,
    }
}

/// Converts a field to a value. The error says what was expected.
pub(super) fn to_value(column: &Column, field: &str) -> Result<Value, String> {
    if field.is_empty() && column.nullable {
        return Ok(Value::Null(column.sql_type));
    }
    let is_text = matches!(column.sql_type, SqlType::Text | SqlType::Enum);
    if is_text && column.nullable && is_only_quotes(field) && field.len() >= EMPTY.len() {
        return column.sql_type.parse(&field[EMPTY.len()..]);
    }
    if field.is_empty() && !is_text {
        return Err(format!("expected {}; this column can't be empty", column.sql_type));
    }
    column.sql_type.parse(field)
}

fn is_only_quotes(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Column = Column {
        name: "note",
        sql_type: SqlType::Text,
        nullable: true,
        max: None,
        precision: None,
        references: None,
    };

    #[test]
    fn null_and_empty_texts_stay_apart() {
        for value in [Value::Null(SqlType::Text), Value::Text(String::new())] {
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
        let price = Column { sql_type: SqlType::Decimal, nullable: false, ..NOTE };
        assert_eq!(to_value(&price, "NaN").unwrap_err(), "expected a decimal");
        assert!(to_value(&price, "").unwrap_err().contains("can't be empty"));
    }
}
