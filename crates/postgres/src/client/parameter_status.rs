//! Parameter status: settings that the server reports when they change, before the end of the answer.

use std::collections::HashMap;

use super::limits::MAX_SETTINGS;

/// PostgreSQL reports it since version 14.
const READ_ONLY: &str = "default_transaction_read_only";

/// Reported settings that a session can change. A server reports those that it knows.
const SETTINGS: [&str; 10] = [
    READ_ONLY,
    "session_authorization",
    "is_superuser",
    "search_path",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "client_encoding",
    "standard_conforming_strings",
    "application_name",
];

/// The reported settings of one connection.
#[derive(Debug, Default)]
pub(super) struct ParameterStatus {
    values: HashMap<String, String>,
    at_start: [Option<String>; SETTINGS.len()],
    is_read_only: bool,
    have_changed: bool,
}

impl ParameterStatus {
    /// Stores a value that the server reports: two texts that end with a zero.
    pub(super) fn report(&mut self, body: &[u8]) -> Result<(), String> {
        let mut texts = body.split(|&byte| byte == 0);
        let mut text = || String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
        self.values.insert(text(), text());
        if self.values.len() > MAX_SETTINGS {
            return Err(format!("the server reports more than {MAX_SETTINGS} settings"));
        }
        self.is_read_only = self.value(READ_ONLY) == Some("on");
        self.have_changed = SETTINGS
            .iter()
            .zip(&self.at_start)
            .any(|(name, at_start)| self.value(name) != at_start.as_deref());
        Ok(())
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Remembers the current values as the values at the start of each session.
    pub(super) fn remember(&mut self) {
        self.at_start = SETTINGS.map(|name| self.value(name).map(str::to_owned));
        self.have_changed = false;
    }

    /// Returns whether transactions are read-only unless they say otherwise.
    pub(super) fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Returns whether a setting differs from its value at the start.
    pub(super) fn have_changed(&self) -> bool {
        self.have_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_changed_as_long_as_it_differs_from_its_start() {
        let mut status = ParameterStatus::default();
        status.report(b"TimeZone\0UTC\0").unwrap();
        status.report(b"default_transaction_read_only\0on\0").unwrap();
        status.remember();
        assert!(status.is_read_only() && !status.have_changed());
        status.report(b"in_hot_standby\0on\0").unwrap();
        assert!(!status.have_changed(), "a session can't change it");
        status.report(b"TimeZone\0Asia/Tokyo\0").unwrap();
        assert!(status.have_changed());
        status.report(b"TimeZone\0UTC\0").unwrap();
        assert!(!status.have_changed());
    }

    #[test]
    fn the_settings_of_a_server_are_counted_by_name() {
        let mut status = ParameterStatus::default();
        (0..1_000).for_each(|_| status.report(b"TimeZone\0UTC\0").unwrap());
        let mut report = |number: usize| status.report(format!("{number}\0on\0").as_bytes());
        (1..MAX_SETTINGS).for_each(|number| report(number).unwrap());
        assert_eq!(report(MAX_SETTINGS).unwrap_err(), "the server reports more than 256 settings");
    }
}
