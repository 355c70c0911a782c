//! Rows in PostgreSQL's binary format.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime};
use postgres_types::Type;
use smallvec::SmallVec;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::row::{ArrayRef, Column, ValueRef, check_names, is_named_on_postgres};
use tallybook_sql::value::{POSTGRES_EPOCH, RANGE, SqlType};
use uuid::Uuid;

use super::client::{Malformed, Parts};
use super::numeric::decimal_from_numeric;
use super::param::{JSONB_VERSION, POSTGRES_DAY, fits_column, is_enum};
use super::types::PgColumn;

/// The values of a row. Most rows need no allocation.
pub(super) type Values<'r> = SmallVec<[ValueRef<'r>; 24]>;

/// Reads the values of a row, which lie in the read buffer, and whose columns [`check_columns`] has accepted.
#[inline]
pub(super) fn values<'r>(body: &'r [u8], columns: &[PgColumn]) -> Result<Values<'r>, Malformed> {
    let mut parts = Parts(body);
    parts.row_of(columns.len())?;
    let mut values = Values::new();
    for column in columns {
        values.push(match parts.value()? {
            None => ValueRef::Null,
            Some(bytes) => value(&column.ty, bytes).unwrap_or_else(ValueRef::Unsupported),
        });
    }
    parts.end()?;
    Ok(values)
}

#[inline]
fn value<'r>(ty: &Type, bytes: &'r [u8]) -> Result<ValueRef<'r>, &'static str> {
    Ok(match *ty {
        Type::BOOL => ValueRef::Bool(bytes == [1]),
        Type::INT2 => ValueRef::Int(i16::from_be_bytes(exactly(bytes)?).into()),
        Type::INT4 => ValueRef::Int(i32::from_be_bytes(exactly(bytes)?).into()),
        Type::INT8 => ValueRef::Int(i64::from_be_bytes(exactly(bytes)?)),
        Type::FLOAT4 => ValueRef::Float(f32::from_be_bytes(exactly(bytes)?).into()),
        Type::FLOAT8 => ValueRef::Float(f64::from_be_bytes(exactly(bytes)?)),
        Type::NUMERIC => ValueRef::Decimal(decimal_from_numeric(bytes)?),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => timestamp(i64::from_be_bytes(exactly(bytes)?))?,
        Type::DATE => date(i32::from_be_bytes(exactly(bytes)?))?,
        Type::TIME => time(i64::from_be_bytes(exactly(bytes)?))?,
        Type::UUID => ValueRef::Uuid(Uuid::from_bytes(exactly(bytes)?)),
        Type::JSONB => match bytes.split_first() {
            Some((&JSONB_VERSION, text)) => ValueRef::Text(text),
            _ => return Err("a jsonb of an unknown version"),
        },
        Type::BYTEA => ValueRef::Bytes(bytes),
        Type::INT2_ARRAY
        | Type::INT4_ARRAY
        | Type::INT8_ARRAY
        | Type::FLOAT8_ARRAY
        | Type::BOOL_ARRAY
        | Type::TEXT_ARRAY
        | Type::VARCHAR_ARRAY
        | Type::UUID_ARRAY => ValueRef::Array(ArrayRef::new(bytes)),
        _ => ValueRef::Text(bytes),
    })
}

#[inline]
fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], &'static str> {
    bytes.try_into().map_err(|_| "a value of another size than its type has")
}

#[inline]
fn timestamp(micros: i64) -> Result<ValueRef<'static>, &'static str> {
    match micros {
        i64::MAX => Err("infinity"),
        i64::MIN => Err("-infinity"),
        micros => micros
            .checked_add(POSTGRES_EPOCH)
            .filter(|micros| RANGE.contains(micros))
            .and_then(DateTime::from_timestamp_micros)
            .map(ValueRef::Timestamp)
            .ok_or("a moment outside the years 0001 to 9999"),
    }
}

fn date(days: i32) -> Result<ValueRef<'static>, &'static str> {
    match days {
        i32::MAX => Err("infinity"),
        i32::MIN => Err("-infinity"),
        days => days
            .checked_add(POSTGRES_DAY)
            .and_then(NaiveDate::from_num_days_from_ce_opt)
            .filter(|date| (1..=9999).contains(&date.year()))
            .map(ValueRef::Date)
            .ok_or("a day outside the years 0001 to 9999"),
    }
}

fn time(micros: i64) -> Result<ValueRef<'static>, &'static str> {
    let seconds = u32::try_from(micros / 1_000_000).ok();
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).ok();
    seconds
        .zip(nanos)
        .and_then(|(seconds, nanos)| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos))
        .map(ValueRef::Time)
        .ok_or("24:00:00, which is no time of a day")
}

/// Checks the names and types of a result's columns against a struct, so that its values need no check.
pub(super) fn check_columns(sql: &str, found: &[PgColumn], expected: &[Column]) -> Result<()> {
    if found.len() != expected.len() {
        return Err(Error::decode(
            "the result",
            expected.first().map_or(SqlType::Int, |column| column.sql_type),
            format!("{} columns where the struct has {}", found.len(), expected.len()),
        ));
    }
    let is_named = |place: usize, name: &str| found[place].is_of_table || is_named_on_postgres(sql, name);
    check_names(expected, |place| found[place].name.as_str(), is_named)?;
    for (found, expected) in found.iter().zip(expected) {
        if !reads(expected.sql_type, &found.ty) {
            let name = format!("column `{}`", expected.name);
            return Err(Error::decode(
                name,
                expected.sql_type,
                format!("type {} (column `{}`)", found.ty, found.name),
            ));
        }
    }
    Ok(())
}

/// Returns whether a column of type `ty` can be read as `kind`: whatever is written to it, and types that only reading widens.
fn reads(kind: SqlType, ty: &Type) -> bool {
    fits_column(kind, ty)
        || match kind {
            SqlType::Float => matches!(*ty, Type::FLOAT4 | Type::NUMERIC),
            SqlType::Text | SqlType::Enum => {
                is_enum(ty) || matches!(*ty, Type::NAME | Type::JSON | Type::JSONB | Type::UNKNOWN)
            }
            _ => false,
        }
}
