//! A value of a row, borrowed from its driver.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{ArrayRef, DecodeError};
use crate::value::{
    decimal_from_f64, decimal_from_text, f64_from_decimal, is_canonical, parse_date, parse_time,
    parse_timestamp, parse_uuid, unreadable,
};

/// A value of a row, borrowed from its driver. Each method reads it as one type, or describes its actual one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'r> {
    /// NULL.
    Null,
    /// A boolean. SQLite has none and stores 0 or 1.
    Bool(bool),
    /// A whole number of up to 64 bits.
    Int(i64),
    /// A double.
    Float(f64),
    /// A `numeric`, exact.
    Decimal(Decimal),
    /// A text, not yet checked to be UTF-8.
    Text(&'r [u8]),
    /// A timestamp. SQLite has none and stores a text.
    Timestamp(DateTime<Utc>),
    /// A day. SQLite has none and stores a text.
    Date(NaiveDate),
    /// A time of day. SQLite has none and stores a text.
    Time(NaiveTime),
    /// A UUID. SQLite has none and stores a text.
    Uuid(Uuid),
    /// Bytes.
    Bytes(&'r [u8]),
    /// An array. SQLite has none.
    Array(ArrayRef<'r>),
    /// A value that no Rust type here can hold, and its description: an infinite timestamp, a `numeric` that is NaN.
    Unsupported(&'static str),
}

impl<'r> ValueRef<'r> {
    /// Returns whether it is NULL.
    #[inline]
    pub fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// Reads a boolean.
    #[inline]
    pub fn bool(self) -> Result<bool, DecodeError> {
        match self {
            Self::Bool(value) => Ok(value),
            Self::Int(0) => Ok(false),
            Self::Int(1) => Ok(true),
            _ => Err(self.found()),
        }
    }

    /// Reads a whole number.
    #[inline]
    pub fn int(self) -> Result<i64, DecodeError> {
        match self {
            Self::Int(value) => Ok(value),
            _ => Err(self.found()),
        }
    }

    /// Reads a double. Accepts a whole number or a `numeric` if a double holds it exactly.
    #[inline]
    pub fn float(self) -> Result<f64, DecodeError> {
        /// Up to this number, a double holds every whole number.
        const EXACT: i64 = 1 << 53;
        match self {
            Self::Float(value) => Ok(value),
            Self::Int(value) if (-EXACT..=EXACT).contains(&value) => Ok(value as f64),
            Self::Int(_) => Err(DecodeError::new("an integer of more than 53 bits")),
            Self::Decimal(value) => f64_from_decimal(value)
                .ok_or_else(|| DecodeError::new("a numeric that a double would round; read it as a Decimal")),
            _ => Err(self.found()),
        }
    }

    /// Reads a decimal: a `numeric` and its text on SQLite as they are, a double as the shortest decimal that reads back as
    /// the same double.
    #[inline]
    pub fn decimal(self) -> Result<Decimal, DecodeError> {
        match self {
            Self::Decimal(value) => return Ok(value),
            Self::Text(_) => return self.decimal_text(),
            _ => {}
        }
        let double = self.float()?;
        decimal_from_f64(double).ok_or_else(|| {
            if double.is_finite() {
                DecodeError::new(
                    "a double beyond what a decimal holds: 7.9e28, and 28 digits after the point",
                )
            } else {
                DecodeError::new(double.to_string())
            }
        })
    }

    /// Reads an exact decimal: a `numeric`, or on SQLite a text or a whole number. A double is refused, because the column
    /// has lost the digits that the double does not hold.
    #[inline]
    pub fn numeric(self) -> Result<Decimal, DecodeError> {
        match self {
            Self::Decimal(value) => Ok(value),
            Self::Text(_) => self.decimal_text(),
            Self::Int(value) => Ok(value.into()),
            Self::Float(_) => Err(DecodeError::new("a double; a numeric column has the type TEXT on SQLite")),
            _ => Err(self.found()),
        }
    }

    fn decimal_text(self) -> Result<Decimal, DecodeError> {
        decimal_from_text(self.text()?).ok_or_else(|| self.found())
    }

    /// Reads a text.
    #[inline]
    pub fn text(self) -> Result<&'r str, DecodeError> {
        match self {
            Self::Text(text) => {
                std::str::from_utf8(text).map_err(|_| DecodeError::new("a text that is not UTF-8"))
            }
            _ => Err(self.found()),
        }
    }

    /// Reads bytes.
    #[inline]
    pub fn bytes(self) -> Result<&'r [u8], DecodeError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(self.found()),
        }
    }

    /// Reads a timestamp in UTC.
    #[inline]
    pub fn timestamp(self) -> Result<DateTime<Utc>, DecodeError> {
        match self {
            Self::Timestamp(moment) => Ok(moment),
            Self::Text(_) => {
                let text = self.text()?;
                parse_timestamp(text).ok_or_else(|| DecodeError::new(unreadable(text)))
            }
            _ => Err(self.found()),
        }
    }

    /// Reads a day.
    #[inline]
    pub fn date(self) -> Result<NaiveDate, DecodeError> {
        match self {
            Self::Date(date) => Ok(date),
            Self::Text(_) => parse_date(self.text()?).ok_or_else(|| self.found()),
            _ => Err(self.found()),
        }
    }

    /// Reads a time of day.
    #[inline]
    pub fn time(self) -> Result<NaiveTime, DecodeError> {
        match self {
            Self::Time(time) => Ok(time),
            Self::Text(_) => parse_time(self.text()?).ok_or_else(|| self.found()),
            _ => Err(self.found()),
        }
    }

    /// Reads a UUID. Accepts the text of 32 digits in either case, with hyphens or without, and a blob of 16 bytes, as
    /// other programs write them on SQLite.
    #[inline]
    pub fn uuid(self) -> Result<Uuid, DecodeError> {
        match self {
            Self::Uuid(uuid) => Ok(uuid),
            Self::Text(_) => parse_uuid(self.text()?).ok_or_else(|| self.found()),
            Self::Bytes(bytes) => Uuid::from_slice(bytes).map_err(|_| self.found()),
            _ => Err(self.found()),
        }
    }

    /// Reads the text of a JSON value. SQLite makes numbers of some texts in a column whose type it does not know; these
    /// are refused, because 1.0 has become 1.
    #[inline]
    pub fn json(self) -> Result<&'r str, DecodeError> {
        match self {
            Self::Int(_) | Self::Float(_) => {
                Err(DecodeError::new("a number; a JSON column has the type TEXT on SQLite"))
            }
            _ => self.text(),
        }
    }

    /// Reads an array.
    #[inline]
    pub fn array(self) -> Result<ArrayRef<'r>, DecodeError> {
        match self {
            Self::Array(array) => Ok(array),
            _ => Err(self.found()),
        }
    }

    /// Returns whether it is a timestamp in another text form than Tallybook writes. An index of SQLite does not sort
    /// such a text by its time.
    pub fn is_foreign_timestamp(self) -> bool {
        matches!(self, Self::Text(text) if !is_canonical(text))
    }

    /// Describes the value without its content, which must not reach a log.
    #[cold]
    fn found(self) -> DecodeError {
        DecodeError::new(match self {
            Self::Null => "NULL",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a double",
            Self::Decimal(_) => "a numeric",
            Self::Timestamp(_) => "a timestamp",
            Self::Date(_) => "a date",
            Self::Time(_) => "a time",
            Self::Uuid(_) => "a UUID",
            Self::Array(_) => "an array",
            Self::Unsupported(found) => found,
            Self::Text(text) => return DecodeError::new(format!("a text of {} bytes", text.len())),
            Self::Bytes(bytes) => return DecodeError::new(format!("a blob of {} bytes", bytes.len())),
        })
    }
}
