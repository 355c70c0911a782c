//! A column of a struct: its name, its type, and what it can hold.

use uuid::Uuid;

use super::{Decode, ValueRef};
use crate::error::{Error, Result};
use crate::value::{Encode, SqlType, Value, check_precision, f64_from_decimal, parse_json, would_change};

/// A column of a struct that implements [`Row`](super::Row).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in the result, compared without regard to ASCII case. In a tuple it is the index, from 0, and not compared.
    pub name: &'static str,
    /// Type of the values.
    pub sql_type: SqlType,
    /// True if the field is an `Option`.
    pub nullable: bool,
    /// Maximum number of characters, from `#[row(max = …)]`.
    pub max: Option<usize>,
    /// Precision and scale of a `numeric` column, from `#[row(numeric(20, 8))]`: the digits in all, and those after the
    /// point.
    pub precision: Option<(u32, u32)>,
    /// The table whose rows the values identify, where the type of the field tells. The monitor traces loops by it.
    pub references: Option<&'static str>,
}

impl Column {
    /// Returns whether the column matches by position only.
    pub fn is_positional(&self) -> bool {
        self.name.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Converts a value into the type of the column.
    ///
    /// # Errors
    ///
    /// Describes the value found, or the reason why it can't be stored unchanged. Never contains the value.
    pub fn read(&self, value: ValueRef<'_>) -> Result<Value, String> {
        if value.is_null() {
            return if self.nullable { Ok(Value::Null(self.sql_type)) } else { Err("found NULL".to_owned()) };
        }
        let value = match self.sql_type {
            SqlType::Bool => value.bool().map(|value| value.encode()),
            SqlType::Int => value.int().map(|value| value.encode()),
            SqlType::Float => value.float().map(|value| value.encode()),
            SqlType::Decimal => value.decimal().map(|value| value.encode()),
            SqlType::Text => value.text().map(str::encode),
            SqlType::Numeric => value.numeric().map(|value| Ok(Value::Numeric(value))),
            SqlType::Enum => value.text().map(|text| Ok(Value::Enum(text.to_owned()))),
            SqlType::Timestamp => value.timestamp().map(|value| value.encode()),
            SqlType::Date => value.date().map(|value| value.encode()),
            SqlType::Time => value.time().map(|value| value.encode()),
            SqlType::Uuid => value.uuid().map(|value| value.encode()),
            SqlType::Json => value.json().and_then(parse_json).map(|value| value.encode()),
            SqlType::Bytes => value.bytes().map(<[u8]>::encode),
            SqlType::Ints => Vec::<i64>::decode(value).map(|value| value.encode()),
            SqlType::Floats => Vec::<f64>::decode(value).map(|value| value.encode()),
            SqlType::Bools => Vec::<bool>::decode(value).map(|value| value.encode()),
            SqlType::Texts => Vec::<String>::decode(value).map(|value| value.encode()),
            SqlType::Uuids => Vec::<Uuid>::decode(value).map(|value| value.encode()),
        };
        let value = value.map_err(|found| format!("expected {}, found {found}", self.sql_type))??;
        self.check(value).map_err(|error| error.problem().map_or_else(|| error.to_string(), str::to_owned))
    }

    /// Checks a value against the column before it reaches the database: the length of a text in characters, as
    /// `varchar(n)` counts it; the digits of a decimal.
    ///
    /// Returns the value as the column stores it. A decimal becomes exact in a `numeric` column and a double elsewhere, and
    /// a text becomes one of an enum type in a column that is declared so.
    ///
    /// # Errors
    ///
    /// Names the column, and says why it can't hold the value unchanged.
    pub fn check(&self, value: Value) -> Result<Value> {
        let refuse = |problem| Error::invalid_value(self.name, problem);
        match (self.sql_type, value) {
            (SqlType::Decimal, Value::Decimal(decimal)) => {
                let double = f64_from_decimal(decimal).map(|_| Value::DecimalAsDouble(decimal));
                double.ok_or_else(|| refuse(would_change(decimal)))
            }
            (SqlType::Numeric, Value::Decimal(decimal) | Value::Numeric(decimal)) => {
                self.precision
                    .map_or(Ok(()), |precision| check_precision(decimal, precision))
                    .map_err(refuse)?;
                Ok(Value::Numeric(decimal))
            }
            (sql_type @ (SqlType::Numeric | SqlType::Enum), Value::Null(_)) => Ok(Value::Null(sql_type)),
            (sql_type, Value::Text(text) | Value::Enum(text))
                if sql_type == SqlType::Enum || self.max.is_some() =>
            {
                let length = text.chars().count();
                match self.max {
                    Some(max) if length > max => {
                        Err(refuse(format!("has {length} characters, at most {max} fit")))
                    }
                    _ if sql_type == SqlType::Enum => Ok(Value::Enum(text)),
                    _ => Ok(Value::Text(text)),
                }
            }
            (_, value) => Ok(value),
        }
    }
}
