//! The reason why a value can't be decoded.

use std::borrow::Cow;
use std::fmt;

/// The reason why a value can't be decoded: a description of the value found. It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Cow<'static, str>);

impl DecodeError {
    /// Returns an error; `found` describes the value by its type and size, for example `a text of 5 bytes`.
    pub fn new(found: impl Into<Cow<'static, str>>) -> Self {
        Self(found.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}
