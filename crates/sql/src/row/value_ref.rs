//! A value of a row, borrowed from its driver.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::value::{decimal_from_f64, f64_from_decimal, is_canonical, parse_timestamp, unreadable};

/// The reason why a value can't be decoded: a description of the value found. It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Cow<'static, str>);

impl DecodeError {
    /// Returns an error; `found` describes the value by its type and size, for example `a text of 5 bytes`.
    pub fn new(found: impl Into<Cow<'static, str>>) -> Self {
        Self(found.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

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
    /// Bytes.
    Bytes(&'r [u8]),
    /// A value that no Rust type here can hold, and its description: an infinite timestamp, a `numeric` that is NaN.
    Unsupported(&'static str),
}

impl<'r> ValueRef<'r> {
    /// Returns whether it is NULL.
    pub fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// Reads a boolean.
    pub fn bool(self) -> Result<bool, DecodeError> {
        match self {
            Self::Bool(value) => Ok(value),
            Self::Int(0) => Ok(false),
            Self::Int(1) => Ok(true),
            _ => Err(self.found()),
        }
    }

    /// Reads a whole number.
    pub fn int(self) -> Result<i64, DecodeError> {
        match self {
            Self::Int(value) => Ok(value),
            _ => Err(self.found()),
        }
    }

    /// Reads a double. Accepts a whole number or a `numeric` if a double holds it exactly.
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

    /// Reads a decimal: a `numeric` as it is, a double as the shortest decimal that reads back as the same double.
    pub fn decimal(self) -> Result<Decimal, DecodeError> {
        if let Self::Decimal(value) = self {
            return Ok(value);
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

    /// Reads a text.
    pub fn text(self) -> Result<&'r str, DecodeError> {
        match self {
            Self::Text(text) => {
                std::str::from_utf8(text).map_err(|_| DecodeError::new("a text that is not UTF-8"))
            }
            _ => Err(self.found()),
        }
    }

    /// Reads bytes.
    pub fn bytes(self) -> Result<&'r [u8], DecodeError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(self.found()),
        }
    }

    /// Reads a timestamp in UTC.
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

    /// Returns whether it is a timestamp in another text form than Tallybook writes. An index of SQLite does not sort
    /// such a text by its time.
    pub fn is_foreign_timestamp(self) -> bool {
        matches!(self, Self::Text(text) if !is_canonical(text))
    }

    /// Describes the value without its content, which must not reach a log.
    fn found(self) -> DecodeError {
        DecodeError::new(match self {
            Self::Null => "NULL",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a double",
            Self::Decimal(_) => "a numeric",
            Self::Timestamp(_) => "a timestamp",
            Self::Unsupported(found) => found,
            Self::Text(text) => return DecodeError::new(format!("a text of {} bytes", text.len())),
            Self::Bytes(bytes) => return DecodeError::new(format!("a blob of {} bytes", bytes.len())),
        })
    }
}
