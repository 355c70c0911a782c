//! JSON values, for columns of type `json` and `jsonb`.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as JsonValue;
use serde_json::ser::{Formatter, Serializer};

use super::encode::check_text;
use super::{Encode, SqlType, Value, finite};
use crate::row::{Decode, DecodeError, ValueRef};

/// Nested arrays and objects that the parser accepts.
const MAX_DEPTH: usize = 127;

/// A value of one's own type in a `json` or `jsonb` column, or a text of JSON on SQLite.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tallybook::{Encode, Json, Value};
///
/// #[derive(Serialize, Deserialize)]
/// struct Limits {
///     per_trade: u32,
/// }
///
/// let limits = Json(Limits { per_trade: 100 });
/// assert_eq!(limits.encode(), Ok(Value::Json("{\"per_trade\":100}".to_owned())));
/// ```
///
/// Encoding refuses what would not read back equal: NaN and infinities, whole numbers of more than 64 bits, texts with
/// U+0000 (which `jsonb` can't hold), and more than 127 nested arrays and objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Json<T>(pub T);

impl<T: Serialize> Encode for Json<T> {
    const SQL_TYPE: SqlType = SqlType::Json;

    fn encode(&self) -> Result<Value, String> {
        finite::check(&self.0)?;
        serde_json::to_value(&self.0).map_err(|problem| problem.to_string())?.encode()
    }
}

impl<T: DeserializeOwned> Decode for Json<T> {
    const SQL_TYPE: SqlType = SqlType::Json;

    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        // The parser's own message may quote the value.
        serde_json::from_str(value.json()?).map(Self).map_err(|problem| {
            DecodeError::new(format!("a text that is no JSON of this type, {}", place(&problem)))
        })
    }
}

impl Encode for JsonValue {
    const SQL_TYPE: SqlType = SqlType::Json;

    fn encode(&self) -> Result<Value, String> {
        check(self, MAX_DEPTH)?;
        let mut text = Vec::new();
        self.serialize(&mut Serializer::with_formatter(&mut text, PlainNumbers))
            .map_err(|problem| problem.to_string())?;
        String::from_utf8(text).map(Value::Json).map_err(|problem| problem.to_string())
    }
}

impl Decode for JsonValue {
    const SQL_TYPE: SqlType = SqlType::Json;

    fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
        parse(value.json()?)
    }
}

/// Parses a text as JSON; the error describes it without its content.
pub(crate) fn parse(text: &str) -> Result<JsonValue, DecodeError> {
    serde_json::from_str(text)
        .map_err(|problem| DecodeError::new(format!("a text that is no JSON, {}", place(&problem))))
}

fn place(problem: &serde_json::Error) -> String {
    format!("line {} column {}", problem.line(), problem.column())
}

/// Refuses U+0000 and more than `depth` nested arrays and objects.
fn check(value: &JsonValue, depth: usize) -> Result<(), String> {
    let deeper = || {
        let too_deep = || format!("has more than {MAX_DEPTH} nested arrays and objects");
        depth.checked_sub(1).ok_or_else(too_deep)
    };
    match value {
        JsonValue::String(text) => check_text(text, "jsonb"),
        JsonValue::Array(items) => {
            let depth = deeper()?;
            items.iter().try_for_each(|item| check(item, depth))
        }
        JsonValue::Object(members) => {
            let depth = deeper()?;
            members.iter().try_for_each(|(name, member)| {
                check_text(name, "jsonb")?;
                check(member, depth)
            })
        }
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) => Ok(()),
    }
}

/// Writes a double with a point and without an exponent. `jsonb` keeps numbers as `numeric`: it would turn 1e16 into a
/// whole number, and keeps 10000000000000000.0.
struct PlainNumbers;

impl Formatter for PlainNumbers {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let digits = value.to_string();
        writer.write_all(digits.as_bytes())?;
        if digits.contains('.') { Ok(()) } else { writer.write_all(b".0") }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text_of(value: &impl Encode) -> Result<String, String> {
        value.encode().map(|value| value.to_string())
    }

    fn nested(depth: usize) -> JsonValue {
        (0..depth).fold(JsonValue::Null, |inner, _| JsonValue::Array(vec![inner]))
    }

    proptest! {
        #[test]
        fn every_finite_double_survives_the_text(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let value = json!({ "number": value });
            let text = text_of(&value).expect("a finite number");
            prop_assert_eq!(parse(&text), Ok(value));
        }
    }

    #[test]
    fn a_double_stays_a_double() {
        for (value, text) in
            [(1e16, "10000000000000000.0"), (1.0, "1.0"), (-0.5, "-0.5"), (1e-7, "0.0000001")]
        {
            assert_eq!(text_of(&json!(value)), Ok(text.to_owned()));
        }
        assert_eq!(text_of(&json!([u64::MAX, i64::MIN])), Ok(format!("[{},{}]", u64::MAX, i64::MIN)));
    }

    #[test]
    fn the_deepest_value_that_is_accepted_is_read() {
        let deepest = nested(MAX_DEPTH);
        assert_eq!(parse(&text_of(&deepest).unwrap()), Ok(deepest));
        let problem = "has more than 127 nested arrays and objects";
        assert_eq!(text_of(&nested(MAX_DEPTH + 1)), Err(problem.to_owned()));
    }

    #[test]
    fn what_would_change_is_refused() {
        for value in [json!("a\0b"), json!(["\0"]), json!({ "\0": 1 }), json!({ "a": { "b": "\0" } })] {
            assert_eq!(
                text_of(&value),
                Err("holds the character U+0000, which no jsonb column can".to_owned())
            );
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let problem = format!("{number} is not a number to keep");
            assert_eq!(text_of(&Json(Some(vec![number]))), Err(problem.clone()));
            assert_eq!(text_of(&Json(HashMap::from([("a", (1, number))]))), Err(problem));
        }
        assert_eq!(text_of(&Json(f32::NAN)), Err("NaN is not a number to keep".to_owned()));
        assert_eq!(text_of(&Json(u128::MAX)), Err("number out of range".to_owned()));
        assert!(text_of(&Json(HashMap::from([((1, 2), 3)]))).is_err(), "a key is a text");
    }

    #[test]
    fn an_unreadable_text_is_described_without_its_content() {
        assert_eq!(parse("[secret").unwrap_err().to_string(), "a text that is no JSON, line 1 column 2");
        let found = Json::<Vec<u8>>::decode(ValueRef::Text(b"[1, \"secret\"]")).unwrap_err();
        assert_eq!(found.to_string(), "a text that is no JSON of this type, line 1 column 12");
    }
}
