//! Parameters in the log: nothing of them, hashes, or the values.

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::sync::LazyLock;

use crate::settings::Parameters;
use crate::value::Value;

/// New in every process, so that nobody can look hashes up in a list of likely values.
static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// How parameters are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown(Parameters);

impl Shown {
    pub(super) fn new(parameters: Parameters) -> Self {
        Self(parameters)
    }

    /// All parameters of a statement; none if they are not to be seen.
    pub(super) fn all(self, values: &[Value]) -> Option<String> {
        if self.0 == Parameters::None {
            return None;
        }
        let mut text = String::from("[");
        for (index, value) in values.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            text.push_str(separator);
            self.one(value, &mut text);
        }
        text.push(']');
        Some(text)
    }

    fn one(self, value: &Value, text: &mut String) {
        // Writing to a string can't fail.
        let _ = match (self.0, value) {
            (Parameters::Full, Value::Null(_)) => write!(text, "NULL"),
            (Parameters::Full, Value::Text(value)) => write!(text, "{value:?}"),
            (Parameters::Full, value) => write!(text, "{value}"),
            (_, value) => write!(text, "#{:08x}", SECRET.hash_one(format!("{value:?}")) as u32),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parameters: Parameters) -> Option<String> {
        Shown::new(parameters).all(&[Value::Int(7), Value::Text("secret".to_owned()), Value::Int(7)])
    }

    #[test]
    fn by_default_nothing_is_shown() {
        assert_eq!(shown(Parameters::None), None);
    }

    #[test]
    fn equal_values_have_equal_hashes_that_tell_nothing() {
        let text = shown(Parameters::Hash).unwrap();
        let parts: Vec<_> = text.trim_matches(['[', ']']).split(", ").collect();
        assert_eq!(parts[0], parts[2]);
        assert_ne!(parts[0], parts[1]);
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn whoever_asks_sees_the_values() {
        let text = shown(Parameters::Full).unwrap();
        assert!(text.starts_with("[7, ") && text.contains("secret"), "{text}");
    }
}
