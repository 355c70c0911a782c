//! Values in PostgreSQL's binary form.

use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::value::{Kind, POSTGRES_EPOCH, Value};

/// The type that a placeholder is declared with.
pub(super) fn type_of(kind: Kind) -> Type {
    match kind {
        Kind::Bool => Type::BOOL,
        Kind::Int => Type::INT8,
        Kind::Float | Kind::Decimal => Type::FLOAT8,
        Kind::Text => Type::TEXT,
        Kind::Timestamp => Type::TIMESTAMP,
        Kind::Bytes => Type::BYTEA,
        Kind::Ints => Type::INT8_ARRAY,
        Kind::Texts => Type::TEXT_ARRAY,
    }
}

/// A value to bind. Its `Debug` hides what it holds, because the driver logs parameters.
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

/// A bulk load writes the column's own width, unlike a parameter, which is always declared `bigint`.
fn put_int(value: i64, ty: &Type, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    let too_wide = |_| format!("{value} does not fit a column of type {ty}");
    match *ty {
        Type::INT2 => out.put_i16(value.try_into().map_err(too_wide)?),
        Type::INT4 => out.put_i32(value.try_into().map_err(too_wide)?),
        _ => out.put_i64(value),
    }
    Ok(())
}

/// Whether a value of `kind` can be written to a column of type `ty` as it is.
pub(super) fn fits_column(kind: Kind, ty: &Type) -> bool {
    match kind {
        Kind::Bool => *ty == Type::BOOL,
        Kind::Int => matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8),
        Kind::Float | Kind::Decimal => *ty == Type::FLOAT8,
        Kind::Text => matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR),
        Kind::Timestamp => matches!(*ty, Type::TIMESTAMP | Type::TIMESTAMPTZ),
        Kind::Bytes => *ty == Type::BYTEA,
        Kind::Ints | Kind::Texts => false,
    }
}
