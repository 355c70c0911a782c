//! A variable, and the forms that its value may have.

use std::time::Duration;

use tallybook_sql::error::{Error, Result};
use tallybook_sql::redact::quoted;

/// A variable with its value.
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) value: Option<String>,
}

impl Variable {
    pub(super) fn new(name: &'static str, value: Option<String>) -> Self {
        Self { name, value }
    }

    /// Parses a whole number from `least` to `most`.
    pub(super) fn count(&self, least: usize, most: usize) -> Result<Option<usize>> {
        self.read(
            |text| text.parse().ok().filter(|count| (least..=most).contains(count)),
            || format!("a whole number from {least} to {most}"),
        )
    }

    /// Parses a number of seconds.
    pub(super) fn seconds(&self, least: f64, most: f64) -> Result<Option<Duration>> {
        self.read(
            |text| text.parse().ok().filter(|s| (least..=most).contains(s)).map(Duration::from_secs_f64),
            || format!("a number of seconds from {least} to {most}"),
        )
    }

    /// Parses a whole number of seconds, or -1 for never, as in SQLAlchemy.
    pub(super) fn age(&self) -> Result<Option<Option<Duration>>> {
        self.read(
            |text| match text {
                "-1" => Some(None),
                _ => text.parse().ok().filter(|&s| s > 0).map(|s| Some(Duration::from_secs(s))),
            },
            || "a whole number of seconds from 1, or -1 for never".to_owned(),
        )
    }

    /// Parses a boolean.
    pub(super) fn flag(&self) -> Result<Option<bool>> {
        self.read(
            |text| match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(true),
                "false" | "0" | "no" | "off" => Some(false),
                _ => None,
            },
            || "true or false".to_owned(),
        )
    }

    /// Parses one of a few keywords.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<Option<T>> {
        self.read(
            |text| words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value),
            || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or "),
        )
    }

    fn read<T>(
        &self,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: impl FnOnce() -> String,
    ) -> Result<Option<T>> {
        let Some(held) = &self.value else { return Ok(None) };
        match parse(held.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::setting(self.name, quoted(held), expected())),
        }
    }
}

/// Splits a comma-separated list.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
