//! Parameters in SQLite's storage classes.

use std::rc::Rc;

use rusqlite::Statement;
use rusqlite::types::{Null, Value as SqliteValue};
use tallybook_sql::error::{Error, Result};
use tallybook_sql::value::{
    SqlType, Value, canonical_numeric, f64_from_decimal, format_date, format_time, format_timestamp,
    format_uuid, has_fifteen_digits, would_change,
};

use super::error::convert;

/// Binds a value. `refuse` makes the error for a value that its column could change.
pub(super) fn bind(
    statement: &mut Statement<'_>,
    index: usize,
    value: &Value,
    refuse: impl FnOnce(String) -> Error,
) -> Result<()> {
    let bound = match value {
        Value::Null(_) => statement.raw_bind_parameter(index, Null),
        Value::Bool(value) => statement.raw_bind_parameter(index, value),
        Value::Int(value) => statement.raw_bind_parameter(index, value),
        Value::Float(value) => statement.raw_bind_parameter(index, value),
        Value::Decimal(_) | Value::DecimalAsDouble(_) => {
            statement.raw_bind_parameter(index, double(value).map_err(refuse)?)
        }
        Value::Numeric(value) => statement.raw_bind_parameter(index, canonical_numeric(*value)),
        Value::Text(value) | Value::Enum(value) | Value::Json(value) => {
            statement.raw_bind_parameter(index, value)
        }
        Value::Timestamp(value) => statement.raw_bind_parameter(index, format_timestamp(*value)),
        Value::Date(value) => statement.raw_bind_parameter(index, format_date(*value)),
        Value::Time(value) => statement.raw_bind_parameter(index, format_time(*value)),
        Value::Uuid(value) => statement.raw_bind_parameter(index, format_uuid(*value)),
        Value::Bytes(value) => statement.raw_bind_parameter(index, value),
        Value::Ints(values) => bind_list(statement, index, values.iter().copied().map(SqliteValue::from)),
        Value::Floats(values) => bind_list(statement, index, values.iter().copied().map(SqliteValue::from)),
        Value::Bools(values) => bind_list(statement, index, values.iter().copied().map(SqliteValue::from)),
        Value::Texts(values) => bind_list(statement, index, values.iter().cloned().map(SqliteValue::from)),
        Value::Uuids(values) => {
            bind_list(statement, index, values.iter().map(|&value| format_uuid(value).into()))
        }
    };
    bound.map_err(convert)
}

fn bind_list(
    statement: &mut Statement<'_>,
    index: usize,
    values: impl Iterator<Item = SqliteValue>,
) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(index, Rc::new(values.collect::<Vec<_>>()))
}

/// Returns the double of a decimal.
///
/// The column is known for [`Value::DecimalAsDouble`] only. In a column of texts SQLite keeps 15 digits of a double, so
/// any other decimal has no more.
fn double(value: &Value) -> Result<f64, String> {
    match value {
        Value::Decimal(decimal) if !has_fifteen_digits(*decimal) => {
            Err(format!("{}; bind it as Numeric for a column of exact decimals", would_change(*decimal)))
        }
        Value::Decimal(decimal) | Value::DecimalAsDouble(decimal) => {
            f64_from_decimal(*decimal).ok_or_else(|| would_change(*decimal))
        }
        _ => Err("is no decimal".to_owned()),
    }
}

/// Returns whether it is a list, which SQLite can't store.
pub(super) fn is_list(kind: SqlType) -> bool {
    matches!(kind, SqlType::Ints | SqlType::Floats | SqlType::Bools | SqlType::Texts | SqlType::Uuids)
}

/// Returns whether the parameter of this number occurs in `rarray(…)` only, even inside quotes or a comment.
pub(super) fn is_only_in_rarray(sql: &str, number: usize) -> bool {
    const RARRAY: &str = "rarray(";
    let name = format!("${number}");
    sql.match_indices(&name)
        .filter(|(at, _)| !sql[at + name.len()..].starts_with(|c: char| c.is_ascii_digit()))
        .all(|(at, _)| {
            let before = sql[..at].trim_end().as_bytes();
            let start = before.len().checked_sub(RARRAY.len());
            start.is_some_and(|start| before[start..].eq_ignore_ascii_case(RARRAY.as_bytes()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_elsewhere_than_in_rarray_is_found() {
        for (sql, is_only) in [
            ("SELECT 1 FROM t WHERE id IN rarray($1)", true),
            ("SELECT 1 FROM t WHERE id IN RARRAY( $1 ) AND n = $10", true),
            ("SELECT 1 FROM t WHERE id IN rarray($2)", true),
            ("INSERT INTO t VALUES ($1)", false),
            ("SELECT $1 FROM t WHERE id IN rarray($1)", false),
            ("$1", false),
        ] {
            assert_eq!(is_only_in_rarray(sql, 1), is_only, "{sql}");
        }
    }
}
