//! The error of a path that a load cannot include.

use std::fmt;

/// The error of an [`Include`](crate::tables::Include) that names a path which the aggregate does not have, or whose relation
/// is always loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRelation {
    path: String,
    known: &'static [String],
}

impl UnknownRelation {
    /// Maximum number of characters quoted of an unknown path.
    const MAX_QUOTED: usize = 100;

    pub(crate) fn new(path: &str, known: &'static [String]) -> Self {
        // The text may come from anywhere and have any length.
        Self { path: path.chars().take(Self::MAX_QUOTED).collect(), known }
    }

    /// Returns the unknown path, at most the first hundred characters.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the paths that can be included.
    pub fn known(&self) -> &'static [String] {
        self.known
    }
}

impl fmt::Display for UnknownRelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be included; ", self.path)?;
        match self.known {
            [] => f.write_str("no relation can"),
            known => write!(f, "these can: {}", known.join(", ")),
        }
    }
}

impl std::error::Error for UnknownRelation {}
