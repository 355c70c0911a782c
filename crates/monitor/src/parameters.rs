//! Parameters in the log: hidden, hashed or in full.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::sync::LazyLock;

use tallybook_core::settings::LoggedParameters;
use tallybook_sql::value::Value;

/// Random in each process, so that hashes cannot be reversed with a precomputed table.
static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Formats parameters as `DB_LOG_PARAMETERS` says.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParameterFormatter(LoggedParameters);

impl ParameterFormatter {
    pub(super) fn new(parameters: LoggedParameters) -> Self {
        Self(parameters)
    }

    /// Returns all parameters as text; `None` if they are hidden.
    pub(super) fn format(self, values: &[Value]) -> Option<String> {
        if self.0 == LoggedParameters::None {
            return None;
        }
        let mut text = String::from("[");
        for (index, value) in values.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            text.push_str(separator);
            self.write_value(value, &mut text);
        }
        text.push(']');
        Some(text)
    }

    fn write_value(self, value: &Value, text: &mut String) {
        // Writing to a string never fails.
        let _ = match (self.0, value) {
            (LoggedParameters::Full, Value::Null(_)) => write!(text, "NULL"),
            (LoggedParameters::Full, Value::Text(value)) => write!(text, "{value:?}"),
            (LoggedParameters::Full, value) => write!(text, "{value}"),
            (_, value) => write!(text, "#{:08x}", SECRET.hash_one(format!("{value:?}")) as u32),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parameters: LoggedParameters) -> Option<String> {
        ParameterFormatter::new(parameters).format(&[
            Value::Int(7),
            Value::Text("secret".to_owned()),
            Value::Int(7),
        ])
    }

    #[test]
    fn by_default_nothing_is_shown() {
        assert_eq!(shown(LoggedParameters::None), None);
    }

    #[test]
    fn equal_values_have_equal_hashes_that_reveal_nothing() {
        let text = shown(LoggedParameters::Hash).unwrap();
        let members: Vec<_> = text.trim_matches(['[', ']']).split(", ").collect();
        assert_eq!(members[0], members[2]);
        assert_ne!(members[0], members[1]);
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn full_parameters_show_the_values() {
        let text = shown(LoggedParameters::Full).unwrap();
        assert!(text.starts_with("[7, ") && text.contains("secret"), "{text}");
    }
}
