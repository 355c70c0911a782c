//! Text form of values, for files that people and other programs read.

use std::fmt;

use super::{
    Encode, SqlType, Value, decimal_from_f64, decimal_from_text, encode, format_date, format_time,
    format_timestamp, json, parse_date, parse_foreign, parse_time, parse_uuid,
};

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
            // No other reader of CSV accepts an exponent in a decimal.
            SqlType::Decimal | SqlType::Numeric if text.contains(['e', 'E']) => Err(unfit()),
            SqlType::Decimal => decimal_from_text(text).map(Value::Decimal).ok_or_else(unfit),
            SqlType::Numeric => decimal_from_text(text).map(Value::Numeric).ok_or_else(unfit),
            SqlType::Text => text.encode(),
            SqlType::Enum => encode::check_text(text, "text").map(|()| Value::Enum(text.to_owned())),
            SqlType::Timestamp => parse_foreign(text).ok_or_else(unfit)?.encode(),
            SqlType::Date => parse_date(text).map(Value::Date).ok_or_else(unfit),
            SqlType::Time => parse_time(text).map(Value::Time).ok_or_else(unfit),
            SqlType::Uuid => parse_uuid(text).map(Value::Uuid).ok_or_else(unfit),
            SqlType::Json => json::parse(text).map_err(|_| unfit())?.encode(),
            SqlType::Bytes
            | SqlType::Ints
            | SqlType::Floats
            | SqlType::Bools
            | SqlType::Texts
            | SqlType::Uuids => Err(format!("{self} has no text form")),
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
            Value::Decimal(value) | Value::DecimalAsDouble(value) | Value::Numeric(value) => {
                value.normalize().fmt(f)
            }
            Value::Text(value) | Value::Enum(value) | Value::Json(value) => value.fmt(f),
            Value::Timestamp(value) => f.write_str(&format_timestamp(*value)),
            Value::Date(value) => f.write_str(&format_date(*value)),
            Value::Time(value) => f.write_str(&format_time(*value)),
            Value::Uuid(value) => value.as_hyphenated().fmt(f),
            Value::Bytes(value) => write!(f, "{} bytes", value.len()),
            Value::Ints(values) => write!(f, "{values:?}"),
            Value::Floats(values) => write!(f, "{values:?}"),
            Value::Bools(values) => write!(f, "{values:?}"),
            Value::Texts(values) => write!(f, "{values:?}"),
            Value::Uuids(values) => write!(f, "{values:?}"),
        }
    }
}
