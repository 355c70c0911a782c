//! Rows in PostgreSQL's binary format.

use chrono::DateTime;
use smallvec::SmallVec;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::row::{Column, ValueRef, check_names, is_named_on_postgres};
use tallybook_sql::value::{POSTGRES_EPOCH, RANGE, SqlType};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Column as PgColumn, Row};

use super::numeric::decimal_from_numeric;

/// The values of a row. Most rows need no allocation.
pub(super) type Values<'r> = SmallVec<[ValueRef<'r>; 24]>;

/// Reads the values of a row whose columns [`check_columns`] has accepted.
pub(super) fn values(row: &Row) -> Values<'_> {
    let raw = |index| row.try_get::<_, Raw<'_>>(index).map_or(ValueRef::Null, |raw| raw.0);
    (0..row.len()).map(raw).collect()
}

/// A value in its binary format, read by the type of its column.
struct Raw<'r>(ValueRef<'r>);

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(ty: &Type, bytes: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(value(ty, bytes).unwrap_or_else(ValueRef::Unsupported)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(ValueRef::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

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
        Type::BYTEA => ValueRef::Bytes(bytes),
        _ => ValueRef::Text(bytes),
    })
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], &'static str> {
    bytes.try_into().map_err(|_| "a value of another size than its type has")
}

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

/// Checks the names and types of a result's columns against a struct, so that its values need no check.
pub(super) fn check_columns(sql: &str, found: &[PgColumn], expected: &[Column]) -> Result<()> {
    if found.len() != expected.len() {
        return Err(Error::decode(
            "the result",
            expected.first().map_or(SqlType::Int, |column| column.sql_type),
            format!("{} columns where the struct has {}", found.len(), expected.len()),
        ));
    }
    let is_named =
        |place: usize, name: &str| found[place].table_oid().is_some() || is_named_on_postgres(sql, name);
    check_names(expected, |place| found[place].name(), is_named)?;
    for (found, expected) in found.iter().zip(expected) {
        if !reads(expected.sql_type, found.type_()) {
            let name = format!("column `{}`", expected.name);
            return Err(Error::decode(
                name,
                expected.sql_type,
                format!("type {} (column `{}`)", found.type_(), found.name()),
            ));
        }
    }
    Ok(())
}

fn reads(kind: SqlType, ty: &Type) -> bool {
    match kind {
        SqlType::Bool => *ty == Type::BOOL,
        SqlType::Int => matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8),
        SqlType::Float => matches!(*ty, Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC),
        SqlType::Decimal => matches!(*ty, Type::FLOAT8 | Type::NUMERIC),
        SqlType::Text => {
            matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::UNKNOWN)
        }
        SqlType::Timestamp => matches!(*ty, Type::TIMESTAMP | Type::TIMESTAMPTZ),
        SqlType::Bytes => *ty == Type::BYTEA,
        SqlType::Ints | SqlType::Texts => false,
    }
}
