//! Text form of values, for files that people and other programs read.

use std::fmt;

use rust_decimal::Decimal;

use super::{Encode, SqlType, Value, decimal_from_f64, format_timestamp, parse_foreign};

impl SqlType {
    /// Parses the text form of a value of this type, as [`Value`]'s `Display` writes it.
    ///
    /// ```
    /// use tallybook::SqlType;
    ///
    /// let value = SqlType::Decimal.parse("12.50").unwrap();
    /// assert_eq!(value.to_string(), "12.5");
    /// assert!(SqlType::Decimal.parse("NaN").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// Describes the problem with the text.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let unfit = || format!("expected {self}");
        match self {
            SqlType::Bool => match text {
                "true" => Ok(Value::Bool(true)),
                "false" => Ok(Value::Bool(false)),
                _ => Err("expected true or false".to_owned()),
            },
            SqlType::Int => text.parse().map(Value::Int).map_err(|_| unfit()),
            SqlType::Float => text.parse::<f64>().map_err(|_| unfit())?.encode(),
            // The parser accepts 1_000, which no other reader of CSV does.
            SqlType::Decimal if text.contains('_') => Err(unfit()),
            SqlType::Decimal => Decimal::from_str_exact(text).map_err(|_| unfit())?.encode(),
            SqlType::Text => text.encode(),
            SqlType::Timestamp => parse_foreign(text).ok_or_else(unfit)?.encode(),
            SqlType::Bytes | SqlType::Ints | SqlType::Texts => Err(format!("{self} has no text form")),
        }
    }
}

/// Writes the text form: NULL is empty, and a double is its shortest decimal.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null(_) => Ok(()),
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Float(value) => match decimal_from_f64(*value) {
                Some(decimal) => decimal.fmt(f),
                None => value.fmt(f),
            },
            Value::Text(value) => value.fmt(f),
            Value::Timestamp(value) => f.write_str(&format_timestamp(*value)),
            Value::Bytes(value) => write!(f, "{} bytes", value.len()),
            Value::Ints(values) => write!(f, "{values:?}"),
            Value::Texts(values) => write!(f, "{values:?}"),
        }
    }
}
