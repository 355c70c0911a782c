//! Tables, as revisions define them.

use super::column::Column;
use crate::settings::Engine;

/// A table with its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
}

impl Table {
    pub(super) fn sql(&self, engine: Engine) -> String {
        let columns: Vec<_> = self.columns.iter().map(|column| column.sql(engine)).collect();
        format!("CREATE TABLE {} ({})", self.name, columns.join(", "))
    }
}
