//! A row of PostgreSQL, read from its binary form.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Column as PgColumn, Row};

use super::cell::decimal_of_double;
use super::keys::{KeyValue, Notes};
use super::numeric::decimal_from_numeric;
use super::{Cell, Cells, Column, Misfit, check_names, is_named_on_postgres, misfit};
use crate::error::{Error, Result};
use crate::value::{Kind, POSTGRES_EPOCH, RANGE, f64_from_decimal};

/// A row of PostgreSQL.
#[derive(Debug)]
pub struct PgRow<'a> {
    row: Row,
    notes: &'a Notes,
}

impl<'a> PgRow<'a> {
    /// Decoding it takes its notes, so it is to be decoded once.
    pub(crate) fn new(row: Row, notes: &'a Notes) -> Self {
        notes.next_row();
        notes.add_bytes(row.raw_size_bytes() as u64);
        Self { row, notes }
    }
}

impl Cells for PgRow<'_> {
    type Cell<'r>
        = PgCell<'r>
    where
        Self: 'r;

    fn cell(&self, index: usize) -> PgCell<'_> {
        let cell = self.row.try_get::<_, PgCell<'_>>(index).unwrap_or(PgCell::NULL);
        self.notes.note(index, |kind| match kind {
            Kind::Int => cell.int().ok().map(KeyValue::Int),
            _ => cell.bytes.map(KeyValue::Text),
        });
        cell
    }
}

/// The bytes of one value, of a type that [`check_columns`] found to fit.
#[derive(Clone, Copy, Debug)]
pub struct PgCell<'r> {
    bytes: Option<&'r [u8]>,
    is_numeric: bool,
}

impl<'r> FromSql<'r> for PgCell<'r> {
    fn from_sql(ty: &Type, bytes: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self { bytes: Some(bytes), is_numeric: *ty == Type::NUMERIC })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::NULL)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl<'r> PgCell<'r> {
    const NULL: Self = Self { bytes: None, is_numeric: false };

    fn present(self) -> Result<&'r [u8], Misfit> {
        self.bytes.ok_or_else(|| misfit("NULL"))
    }
}

impl<'r> Cell<'r> for PgCell<'r> {
    fn is_null(self) -> bool {
        self.bytes.is_none()
    }

    fn bool(self) -> Result<bool, Misfit> {
        Ok(self.present()? == [1])
    }

    fn int(self) -> Result<i64, Misfit> {
        match *self.present()? {
            [a, b, c, d] => Ok(i64::from(i32::from_be_bytes([a, b, c, d]))),
            [a, b, c, d, e, f, g, h] => Ok(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
            [a, b] => Ok(i64::from(i16::from_be_bytes([a, b]))),
            ref other => Err(misfit(format!("{} bytes", other.len()))),
        }
    }

    fn float(self) -> Result<f64, Misfit> {
        if self.is_numeric {
            let rounded = || misfit("a numeric that a double would round; read it as a Decimal");
            return f64_from_decimal(decimal_from_numeric(self.present()?)?).ok_or_else(rounded);
        }
        match *self.present()? {
            [a, b, c, d, e, f, g, h] => Ok(f64::from_be_bytes([a, b, c, d, e, f, g, h])),
            [a, b, c, d] => Ok(f64::from(f32::from_be_bytes([a, b, c, d]))),
            ref other => Err(misfit(format!("{} bytes", other.len()))),
        }
    }

    fn decimal(self) -> Result<Decimal, Misfit> {
        match self.is_numeric {
            true => decimal_from_numeric(self.present()?),
            false => decimal_of_double(self.float()?),
        }
    }

    fn text(self) -> Result<&'r str, Misfit> {
        std::str::from_utf8(self.present()?).map_err(|_| misfit("bytes that are not UTF-8"))
    }

    fn bytes(self) -> Result<&'r [u8], Misfit> {
        self.present()
    }

    fn timestamp(self) -> Result<DateTime<Utc>, Misfit> {
        match self.int()? {
            i64::MAX => Err(misfit("infinity")),
            i64::MIN => Err(misfit("-infinity")),
            micros => micros
                .checked_add(POSTGRES_EPOCH)
                .filter(|micros| RANGE.contains(micros))
                .and_then(DateTime::from_timestamp_micros)
                .ok_or_else(|| misfit("a moment outside the years 0001 to 9999")),
        }
    }
}

/// Checks that the columns of a result have the names and the types that the struct reads, so that its cells need not.
pub(crate) fn check_columns(sql: &str, found: &[PgColumn], expected: &[Column]) -> Result<()> {
    if found.len() != expected.len() {
        return Err(Error::misfit(
            "the result",
            expected.first().map_or(Kind::Int, |column| column.kind),
            format!("{} columns where the struct has {}", found.len(), expected.len()),
        ));
    }
    let is_named =
        |place: usize, name: &str| found[place].table_oid().is_some() || is_named_on_postgres(sql, name);
    check_names(expected, |place| found[place].name(), is_named)?;
    for (found, expected) in found.iter().zip(expected) {
        if !reads(expected.kind, found.type_()) {
            let name = format!("column `{}`", expected.name);
            return Err(Error::misfit(
                name,
                expected.kind,
                format!("type {} (column `{}`)", found.type_(), found.name()),
            ));
        }
    }
    Ok(())
}

fn reads(kind: Kind, ty: &Type) -> bool {
    match kind {
        Kind::Bool => *ty == Type::BOOL,
        Kind::Int => matches!(*ty, Type::INT2 | Type::INT4 | Type::INT8),
        Kind::Float => matches!(*ty, Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC),
        Kind::Decimal => matches!(*ty, Type::FLOAT8 | Type::NUMERIC),
        Kind::Text => {
            matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::UNKNOWN)
        }
        Kind::Timestamp => matches!(*ty, Type::TIMESTAMP | Type::TIMESTAMPTZ),
        Kind::Bytes => *ty == Type::BYTEA,
        Kind::Ints | Kind::Texts => false,
    }
}
