//! Parameters in PostgreSQL's binary format.

use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use chrono::{Datelike, Timelike};
use postgres_types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};
use rust_decimal::Decimal;
use tallybook_sql::value::{POSTGRES_EPOCH, SqlType, Value, f64_from_decimal, would_change};

use super::numeric::put_numeric;

/// Version of the binary format of `jsonb`.
pub(super) const JSONB_VERSION: u8 = 1;

/// A problem with a value.
type Problem = Box<dyn Error + Sync + Send>;

/// Returns the type that a placeholder is declared with.
pub(super) fn type_of(kind: SqlType) -> Type {
    match kind {
        SqlType::Bool => Type::BOOL,
        SqlType::Int => Type::INT8,
        SqlType::Float => Type::FLOAT8,
        // The server converts it to a double where the column is one.
        SqlType::Decimal | SqlType::Numeric => Type::NUMERIC,
        SqlType::Text => Type::TEXT,
        // The server takes the type from the statement.
        SqlType::Enum => Type::UNKNOWN,
        SqlType::Timestamp => Type::TIMESTAMP,
        SqlType::Date => Type::DATE,
        SqlType::Time => Type::TIME,
        SqlType::Uuid => Type::UUID,
        SqlType::Json => Type::JSONB,
        SqlType::Bytes => Type::BYTEA,
        SqlType::Ints => Type::INT8_ARRAY,
        SqlType::Floats => Type::FLOAT8_ARRAY,
        SqlType::Bools => Type::BOOL_ARRAY,
        SqlType::Texts => Type::TEXT_ARRAY,
        SqlType::Uuids => Type::UUID_ARRAY,
    }
}

/// Returns whether a statement that is prepared for parameters of type `ty` takes one of `kind`.
pub(super) fn is_declared_as(kind: SqlType, ty: &Type) -> bool {
    // The type of a text of an enum type is the server's choice, and it is sent as text.
    kind == SqlType::Enum || *ty == type_of(kind)
}

/// A value to bind. Its `Debug` form hides the value.
#[derive(Clone, Copy)]
pub(super) struct Param<'a>(pub(super) &'a Value);

impl fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Problem> {
        match self.0 {
            Value::Null(_) => return Ok(IsNull::Yes),
            Value::Bool(value) => out.put_u8(u8::from(*value)),
            Value::Int(value) => put_int(*value, ty, out)?,
            Value::Float(value) => out.put_f64(*value),
            Value::Decimal(value) | Value::DecimalAsDouble(value) | Value::Numeric(value) => {
                put_decimal(*value, ty, out)?;
            }
            Value::Text(value) | Value::Enum(value) => out.put_slice(value.as_bytes()),
            Value::Timestamp(value) => out.put_i64(value.timestamp_micros() - POSTGRES_EPOCH),
            Value::Date(value) => out.put_i32(value.num_days_from_ce() - POSTGRES_DAY),
            Value::Time(value) => {
                let seconds = i64::from(value.num_seconds_from_midnight());
                out.put_i64(seconds * 1_000_000 + i64::from(value.nanosecond() / 1_000));
            }
            Value::Uuid(value) => out.put_slice(value.as_bytes()),
            Value::Json(value) => {
                if *ty != Type::JSON {
                    out.put_u8(JSONB_VERSION);
                }
                out.put_slice(value.as_bytes());
            }
            Value::Bytes(value) => out.put_slice(value),
            Value::Ints(values) => return put_ints(values, ty, out),
            Value::Floats(values) => return values.as_slice().to_sql(ty, out),
            Value::Bools(values) => return values.as_slice().to_sql(ty, out),
            Value::Texts(values) => return values.as_slice().to_sql(ty, out),
            Value::Uuids(values) => {
                let values: Vec<_> = values.iter().map(|value| value.as_bytes().as_slice()).collect();
                return values.to_sql(ty, out);
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    fn encode_format(&self, _ty: &Type) -> Format {
        match self.0 {
            Value::Enum(_) => Format::Text,
            _ => Format::Binary,
        }
    }

    to_sql_checked!();
}

/// 2000-01-01, the epoch of PostgreSQL's dates, counted from 0001-01-01 as day 1.
pub(super) const POSTGRES_DAY: i32 = 730_120;

/// Writes a whole number. A bulk load needs the width of the column; a parameter is always declared `bigint`.
fn put_int(value: i64, ty: &Type, out: &mut BytesMut) -> Result<(), Problem> {
    let too_wide = |_| format!("{value} does not fit a column of type {ty}");
    match *ty {
        Type::INT2 => out.put_i16(value.try_into().map_err(too_wide)?),
        Type::INT4 => out.put_i32(value.try_into().map_err(too_wide)?),
        _ => out.put_i64(value),
    }
    Ok(())
}

/// Writes a list of whole numbers in the width of the elements, as [`put_int`].
fn put_ints(values: &[i64], ty: &Type, out: &mut BytesMut) -> Result<IsNull, Problem> {
    let too_wide = |_| format!("a number of the list does not fit a column of type {ty}");
    match *ty {
        Type::INT2_ARRAY => {
            let values = values.iter().map(|&value| i16::try_from(value)).collect::<Result<Vec<_>, _>>();
            values.map_err(too_wide)?.to_sql(ty, out)
        }
        Type::INT4_ARRAY => {
            let values = values.iter().map(|&value| i32::try_from(value)).collect::<Result<Vec<_>, _>>();
            values.map_err(too_wide)?.to_sql(ty, out)
        }
        _ => values.to_sql(ty, out),
    }
}

/// Writes a decimal. A bulk load needs a double for a column that is one; a parameter is always declared `numeric`.
fn put_decimal(decimal: Decimal, ty: &Type, out: &mut BytesMut) -> Result<(), Problem> {
    if *ty == Type::FLOAT8 {
        out.put_f64(f64_from_decimal(decimal).ok_or_else(|| would_change(decimal))?);
    } else {
        put_numeric(decimal, out);
    }
    Ok(())
}

/// Returns whether COPY can write a value of `kind` to a column of type `ty` without conversion.
pub(super) fn fits_column(kind: SqlType, ty: &Type) -> bool {
    match kind {
        SqlType::Bool => *ty == Type::BOOL,
        SqlType::Int => matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8),
        SqlType::Float => *ty == Type::FLOAT8,
        SqlType::Decimal => matches!(*ty, Type::FLOAT8 | Type::NUMERIC),
        SqlType::Numeric => *ty == Type::NUMERIC,
        SqlType::Text => is_text(ty),
        SqlType::Enum => is_text(ty) || is_enum(ty),
        SqlType::Timestamp => matches!(*ty, Type::TIMESTAMP | Type::TIMESTAMPTZ),
        SqlType::Date => *ty == Type::DATE,
        SqlType::Time => *ty == Type::TIME,
        SqlType::Uuid => *ty == Type::UUID,
        SqlType::Json => matches!(*ty, Type::JSON | Type::JSONB),
        SqlType::Bytes => *ty == Type::BYTEA,
        SqlType::Ints => matches!(*ty, Type::INT2_ARRAY | Type::INT4_ARRAY | Type::INT8_ARRAY),
        SqlType::Floats => *ty == Type::FLOAT8_ARRAY,
        SqlType::Bools => *ty == Type::BOOL_ARRAY,
        SqlType::Texts => matches!(*ty, Type::TEXT_ARRAY | Type::VARCHAR_ARRAY),
        SqlType::Uuids => *ty == Type::UUID_ARRAY,
    }
}

fn is_text(ty: &Type) -> bool {
    matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR)
}

/// Returns whether it is an enum type.
pub(super) fn is_enum(ty: &Type) -> bool {
    matches!(ty.kind(), Kind::Enum(_))
}
