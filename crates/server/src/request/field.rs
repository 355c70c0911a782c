//! The fields of a JSON object, as requests have them: names and types, checked before anything is done.

use chrono::{DateTime, Datelike, Utc};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tallybook::tables::{Table, TableField};
use tallybook::{Column, SqlType};

use super::problem::{Kind, Mistake, Problem};

/// A field that an object may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) docs: &'static str,
    pub(crate) sql_type: SqlType,
    pub(crate) nullable: bool,
    /// Maximum number of characters.
    pub(crate) max: Option<usize>,
    /// The words that are known; others may be carried through.
    pub(crate) words: &'static [&'static str],
    pub(crate) is_required: bool,
    /// Set for a text that must have something to see.
    pub(crate) is_blank_refused: bool,
    /// Set for a decimal that must be above zero.
    pub(crate) is_above_zero: bool,
}

impl Field {
    /// Returns a field that clients may leave out.
    pub(crate) const fn given(name: &'static str, sql_type: SqlType, docs: &'static str) -> Self {
        Self {
            name,
            docs,
            sql_type,
            nullable: false,
            max: None,
            words: &[],
            is_required: false,
            is_blank_refused: false,
            is_above_zero: false,
        }
    }

    pub(crate) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    pub(crate) const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    pub(crate) const fn max(self, characters: usize) -> Self {
        Self { max: Some(characters), ..self }
    }

    pub(crate) const fn words(self, words: &'static [&'static str]) -> Self {
        Self { words, ..self }
    }

    pub(crate) const fn not_blank(self) -> Self {
        Self { is_blank_refused: true, ..self }
    }

    pub(crate) const fn above_zero(self) -> Self {
        Self { is_above_zero: true, ..self }
    }

    /// Returns the field of a request that writes a row: a text that must be there must have something to see.
    pub(crate) fn written(self) -> Self {
        Self { is_blank_refused: self.sql_type == SqlType::Text && !self.nullable, ..self }
    }

    /// Returns the fields of a row of `T`, in the order of its columns.
    pub(crate) fn of<T: Table>() -> impl Iterator<Item = Self> {
        T::COLUMNS
            .iter()
            .map(|column| Self::new(column, T::FIELDS.iter().find(|field| field.name == column.name)))
    }

    fn new(column: &Column, described: Option<&TableField>) -> Self {
        Self {
            nullable: column.nullable,
            max: column.max,
            words: described.map_or(&[], |field| field.words),
            is_required: described.is_none_or(|field| !field.is_optional),
            ..Self::given(column.name, column.sql_type, described.map_or("", |field| field.docs))
        }
    }

    /// Returns the problem with a value, if it is not one of this field.
    fn problem(&self, value: &Value) -> Option<String> {
        match (self.sql_type, value) {
            (_, Value::Null) if self.nullable => None,
            (_, Value::Null) => Some("must not be null".to_owned()),
            (SqlType::Bool, Value::Bool(_)) => None,
            (SqlType::Bool, _) => Some("must be true or false".to_owned()),
            // The book's columns of integers have 32 bits on PostgreSQL.
            (SqlType::Int, Value::Number(number)) if is_int(number) => None,
            (SqlType::Int, _) => Some("must be an integer of 32 bits".to_owned()),
            (SqlType::Decimal | SqlType::Numeric, Value::String(text)) if is_decimal(text) => {
                let is_above_zero =
                    !text.starts_with('-') && text.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
                (self.is_above_zero && !is_above_zero).then(|| "must be more than zero".to_owned())
            }
            (SqlType::Decimal | SqlType::Numeric, _) => Some(
                "must be a decimal in a string, such as \"187.25\"; a JSON number may lose digits".to_owned(),
            ),
            (SqlType::Timestamp, Value::String(text)) => time_problem(text),
            (SqlType::Timestamp, _) => Some(NOT_A_TIME.to_owned()),
            (_, Value::String(text)) => self.text_problem(text),
            _ => Some("must be a string".to_owned()),
        }
    }

    fn text_problem(&self, text: &str) -> Option<String> {
        if text.contains('\0') {
            return Some("must not contain U+0000".to_owned());
        }
        if self.is_blank_refused && text.trim().is_empty() {
            return Some("must not be empty".to_owned());
        }
        let max = self.max?;
        let found = text.chars().count();
        (found > max).then(|| format!("has {found} characters, and at most {max} are stored"))
    }
}

const NOT_A_TIME: &str = "must be a time as RFC 3339 writes it, such as \"2026-11-30T09:30:00Z\"";

/// Returns the integer that is written with a fraction of zero.
fn whole(value: &Value) -> Option<i32> {
    let number = value.as_f64().filter(|number| value.is_f64() && number.fract() == 0.0)?;
    (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number).then_some(number as i32)
}

fn is_int(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|number| i32::try_from(number).is_ok())
}

/// Returns whether a text is a decimal, written without exponent, of as many digits as are read exactly.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    is_number(whole) && is_number(fraction) && Decimal::from_str_exact(text).is_ok()
}

fn time_problem(text: &str) -> Option<String> {
    match parse_time(text) {
        Some(time) if time.timestamp_subsec_nanos() % 1_000 == 0 => None,
        Some(_) => Some("has nanoseconds, and microseconds are stored".to_owned()),
        None => Some(NOT_A_TIME.to_owned()),
    }
}

/// Parses a time of the years that are stored.
pub(crate) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    // RFC 3339 has one separator and no leap days beyond the calendar; chrono also takes a space.
    let is_strict = text.as_bytes().get(10).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'T'));
    let time = DateTime::parse_from_rfc3339(text).ok().filter(|_| is_strict)?.to_utc();
    (1..=9999).contains(&time.year()).then_some(time)
}

/// Checks an object against its fields. `pointer` is its place in the body. Integers that are written with a fraction of zero are
/// rewritten: JSON has one kind of number.
fn check(object: &mut Map<String, Value>, fields: &[Field], pointer: &str, into: &mut Vec<Mistake>) {
    for (name, value) in object.iter_mut() {
        let place = || format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        match fields.iter().find(|field| field.name == name) {
            None => into.push(Mistake::at(place(), "is not a field of this request")),
            Some(field) => {
                if field.sql_type == SqlType::Int
                    && let Some(whole) = whole(value)
                {
                    *value = whole.into();
                }
                if let Some(problem) = field.problem(value) {
                    into.push(Mistake::at(place(), problem));
                }
            }
        }
    }
    for field in fields.iter().filter(|field| field.is_required && !object.contains_key(field.name)) {
        into.push(Mistake::at(format!("{pointer}/{}", field.name), "is missing"));
    }
}

/// Checks an object, and returns it.
pub(crate) fn checked(
    mut object: Map<String, Value>,
    fields: &[Field],
) -> Result<Map<String, Value>, Problem> {
    let mut mistakes = Vec::new();
    check(&mut object, fields, "", &mut mistakes);
    none(mistakes)?;
    Ok(object)
}

/// Checks the objects of an array, and returns them. Every mistake of every object is named.
pub(crate) fn checked_rows(
    mut objects: Vec<Map<String, Value>>,
    fields: &[Field],
) -> Result<Vec<Map<String, Value>>, Problem> {
    let mut mistakes = Vec::new();
    for (row, object) in objects.iter_mut().enumerate() {
        check(object, fields, &format!("/{row}"), &mut mistakes);
    }
    none(mistakes)?;
    Ok(objects)
}

fn none(mistakes: Vec<Mistake>) -> Result<(), Problem> {
    if mistakes.is_empty() { Ok(()) } else { Err(Problem::with_mistakes(Kind::INVALID, mistakes)) }
}

/// Returns the value of a checked object.
pub(crate) fn decode<V: DeserializeOwned>(object: Map<String, Value>) -> Result<V, Problem> {
    decode_at(object, "")
}

/// Returns the values of the checked objects of an array.
pub(crate) fn decode_rows<V: DeserializeOwned>(objects: Vec<Map<String, Value>>) -> Result<Vec<V>, Problem> {
    objects.into_iter().enumerate().map(|(row, object)| decode_at(object, &format!("/{row}"))).collect()
}

fn decode_at<V: DeserializeOwned>(object: Map<String, Value>, pointer: &str) -> Result<V, Problem> {
    serde_json::from_value(Value::Object(object)).map_err(|error| {
        // The checks come first, so only what a type itself demands is left.
        Problem::with_mistakes(Kind::INVALID, vec![Mistake::at(pointer, error.to_string())])
    })
}
