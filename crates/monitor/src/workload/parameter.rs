//! Parameters as JSON, exactly: a type and a text.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tallybook_sql::value::{
    SqlType, Value, format_date, format_time, format_timestamp, format_uuid, parse_date, parse_time,
    parse_timestamp, parse_uuid,
};

/// A parameter: its type, and its text or texts. Neither means NULL.
#[derive(Serialize, Deserialize)]
struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    texts: Option<Vec<String>>,
}

/// Serde adapter of parameter sets.
pub(super) mod sets {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use tallybook_sql::value::Value;

    use super::Parameter;

    pub(in super::super) fn serialize<S: Serializer>(
        sets: &[Vec<Value>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let sets: Vec<Vec<_>> = sets.iter().map(|set| set.iter().map(Parameter::of).collect()).collect();
        sets.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Vec<Value>>, D::Error> {
        let sets = Vec::<Vec<Parameter>>::deserialize(deserializer)?;
        let value = |parameter: Parameter| {
            let kind = parameter.kind.clone();
            // The text is a row value, which an error must not show.
            parameter.value().ok_or_else(|| serde::de::Error::custom(format!("a parameter is no {kind}")))
        };
        sets.into_iter().map(|set| set.into_iter().map(value).collect()).collect()
    }
}

/// All types with the names that stand in the JSON.
const TYPES: [(SqlType, &str); 18] = [
    (SqlType::Bool, "bool"),
    (SqlType::Int, "int"),
    (SqlType::Float, "float"),
    (SqlType::Decimal, "decimal"),
    (SqlType::Numeric, "numeric"),
    (SqlType::Text, "text"),
    (SqlType::Enum, "enum"),
    (SqlType::Timestamp, "timestamp"),
    (SqlType::Date, "date"),
    (SqlType::Time, "time"),
    (SqlType::Uuid, "uuid"),
    (SqlType::Json, "json"),
    (SqlType::Bytes, "bytes"),
    (SqlType::Ints, "ints"),
    (SqlType::Floats, "floats"),
    (SqlType::Bools, "bools"),
    (SqlType::Texts, "texts"),
    (SqlType::Uuids, "uuids"),
];
/// A decimal for a column of doubles, which has the type of other decimals.
const DECIMAL_AS_DOUBLE: &str = "decimal_as_double";

impl Parameter {
    fn of(value: &Value) -> Self {
        let kind = match value {
            Value::DecimalAsDouble(_) => DECIMAL_AS_DOUBLE,
            value => TYPES.iter().find(|(kind, _)| *kind == value.kind()).map_or("", |(_, name)| name),
        };
        Self { kind: kind.to_owned(), text: text(value), texts: texts(value) }
    }

    fn value(self) -> Option<Value> {
        if self.kind == DECIMAL_AS_DOUBLE {
            return self.text?.parse().ok().map(Value::DecimalAsDouble);
        }
        let kind = TYPES.iter().find(|(_, name)| *name == self.kind).map(|(kind, _)| *kind)?;
        match (self.text, self.texts) {
            (None, None) => Some(Value::Null(kind)),
            (Some(text), None) => scalar(kind, text),
            (None, Some(texts)) => list(kind, texts),
            (Some(_), Some(_)) => None,
        }
    }
}

fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        // Not normalised: the scale is a part of the value.
        Value::Decimal(value) | Value::DecimalAsDouble(value) | Value::Numeric(value) => value.to_string(),
        Value::Text(value) | Value::Enum(value) | Value::Json(value) => value.clone(),
        Value::Timestamp(value) => format_timestamp(*value),
        Value::Date(value) => format_date(*value),
        Value::Time(value) => format_time(*value),
        Value::Uuid(value) => format_uuid(*value),
        Value::Bytes(value) => value.iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => return None,
    })
}

fn texts(value: &Value) -> Option<Vec<String>> {
    Some(match value {
        Value::Ints(values) => values.iter().map(ToString::to_string).collect(),
        Value::Floats(values) => values.iter().map(ToString::to_string).collect(),
        Value::Bools(values) => values.iter().map(ToString::to_string).collect(),
        Value::Texts(values) => values.clone(),
        Value::Uuids(values) => values.iter().map(|&value| format_uuid(value)).collect(),
        _ => return None,
    })
}

fn scalar(kind: SqlType, text: String) -> Option<Value> {
    match kind {
        SqlType::Bool => text.parse().ok().map(Value::Bool),
        SqlType::Int => text.parse().ok().map(Value::Int),
        SqlType::Float => finite(&text).map(Value::Float),
        SqlType::Decimal => text.parse::<Decimal>().ok().map(Value::Decimal),
        SqlType::Numeric => text.parse::<Decimal>().ok().map(Value::Numeric),
        SqlType::Text => Some(Value::Text(text)),
        SqlType::Enum => Some(Value::Enum(text)),
        SqlType::Json => Some(Value::Json(text)),
        SqlType::Timestamp => parse_timestamp(&text).map(|moment: DateTime<Utc>| Value::Timestamp(moment)),
        SqlType::Date => parse_date(&text).map(Value::Date),
        SqlType::Time => parse_time(&text).map(Value::Time),
        SqlType::Uuid => parse_uuid(&text).map(Value::Uuid),
        SqlType::Bytes => bytes(&text).map(Value::Bytes),
        _ => None,
    }
}

fn list(kind: SqlType, texts: Vec<String>) -> Option<Value> {
    let each = texts.iter();
    match kind {
        SqlType::Ints => each.map(|text| text.parse().ok()).collect::<Option<_>>().map(Value::Ints),
        SqlType::Floats => each.map(|text| finite(text)).collect::<Option<_>>().map(Value::Floats),
        SqlType::Bools => each.map(|text| text.parse().ok()).collect::<Option<_>>().map(Value::Bools),
        SqlType::Uuids => each.map(|text| parse_uuid(text)).collect::<Option<_>>().map(Value::Uuids),
        SqlType::Texts => Some(Value::Texts(texts)),
        _ => None,
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use tallybook_sql::value::now;

    use super::*;

    #[test]
    fn every_value_comes_back_equal() {
        let decimal: Decimal = "12.50".parse().unwrap();
        let uuid = parse_uuid("67e55044-10b1-426f-9247-bb680e5fe0c8").unwrap();
        let values = [
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Float(0.1 + 0.2),
            Value::Decimal(decimal),
            Value::DecimalAsDouble(decimal),
            Value::Numeric(decimal),
            Value::Text("a \"b\"\u{1b}\n".to_owned()),
            Value::Enum("open".to_owned()),
            Value::Timestamp(now()),
            Value::Date(parse_date("2024-02-29").unwrap()),
            Value::Time(parse_time("23:59:59.000001").unwrap()),
            Value::Uuid(uuid),
            Value::Json("{\"a\": 1}".to_owned()),
            Value::Bytes(vec![0, 255, 16]),
            Value::Ints(vec![1, -2]),
            Value::Floats(vec![1.5]),
            Value::Bools(vec![]),
            Value::Texts(vec![String::new()]),
            Value::Uuids(vec![uuid]),
        ];
        let nulls = TYPES.map(|(kind, _)| Value::Null(kind));
        for value in values.into_iter().chain(nulls) {
            let json = serde_json::to_string(&Parameter::of(&value)).unwrap();
            let read: Parameter = serde_json::from_str(&json).unwrap();
            let read = read.value().unwrap();
            assert_eq!((format!("{read:?}"), &read), (format!("{value:?}"), &value), "{json}");
        }
    }

    #[test]
    fn a_text_of_another_type_is_refused() {
        for json in [
            r#"{"type":"int","text":"x"}"#,
            r#"{"type":"float","text":"NaN"}"#,
            r#"{"type":"bytes","text":"abc"}"#,
            r#"{"type":"ints","text":"1"}"#,
            r#"{"type":"int","texts":["1"]}"#,
            r#"{"type":"secret","text":"1"}"#,
        ] {
            let read: Parameter = serde_json::from_str(json).unwrap();
            assert_eq!(read.value(), None, "{json}");
        }
    }
}
