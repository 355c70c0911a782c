//! Parameters in PostgreSQL's binary format.

use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use tallybook_sql::value::{POSTGRES_EPOCH, SqlType, Value};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// Returns the type that a placeholder is declared with.
pub(super) fn type_of(kind: SqlType) -> Type {
    match kind {
        SqlType::Bool => Type::BOOL,
        SqlType::Int => Type::INT8,
        SqlType::Float | SqlType::Decimal => Type::FLOAT8,
        SqlType::Text => Type::TEXT,
        SqlType::Timestamp => Type::TIMESTAMP,
        SqlType::Bytes => Type::BYTEA,
        SqlType::Ints => Type::INT8_ARRAY,
        SqlType::Texts => Type::TEXT_ARRAY,
    }
}

/// A value to bind. Its `Debug` form hides the value, because tokio-postgres logs parameters.
#[derive(Clone, Copy)]
pub(super) struct Param<'a>(pub(super) &'a Value);

impl fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null(_) => return Ok(IsNull::Yes),
            Value::Bool(value) => out.put_u8(u8::from(*value)),
            Value::Int(value) => put_int(*value, ty, out)?,
            Value::Float(value) => out.put_f64(*value),
            Value::Text(value) => out.put_slice(value.as_bytes()),
            Value::Timestamp(value) => out.put_i64(value.timestamp_micros() - POSTGRES_EPOCH),
            Value::Bytes(value) => out.put_slice(value),
            Value::Ints(values) => return values.as_slice().to_sql(ty, out),
            Value::Texts(values) => return values.as_slice().to_sql(ty, out),
        }
        Ok(IsNull::No)
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Writes a whole number. A bulk load needs the width of the column; a parameter is always declared `bigint`.
fn put_int(value: i64, ty: &Type, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    let too_wide = |_| format!("{value} does not fit a column of type {ty}");
    match *ty {
        Type::INT2 => out.put_i16(value.try_into().map_err(too_wide)?),
        Type::INT4 => out.put_i32(value.try_into().map_err(too_wide)?),
        _ => out.put_i64(value),
    }
    Ok(())
}

/// Returns whether COPY can write a value of `kind` to a column of type `ty` without conversion.
pub(super) fn fits_column(kind: SqlType, ty: &Type) -> bool {
    match kind {
        SqlType::Bool => *ty == Type::BOOL,
        SqlType::Int => matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8),
        SqlType::Float | SqlType::Decimal => *ty == Type::FLOAT8,
        SqlType::Text => matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR),
        SqlType::Timestamp => matches!(*ty, Type::TIMESTAMP | Type::TIMESTAMPTZ),
        SqlType::Bytes => *ty == Type::BYTEA,
        SqlType::Ints | SqlType::Texts => false,
    }
}
