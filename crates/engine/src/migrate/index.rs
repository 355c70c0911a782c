//! Indexes, as revisions define them.

/// An index of columns, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) is_unique: bool,
}

impl Index {
    /// Its definition, for messages and for the database.
    pub(super) fn sql(&self) -> String {
        self.create("")
    }

    /// The statement that builds it while others write.
    pub(super) fn sql_concurrently(&self) -> String {
        self.create("CONCURRENTLY ")
    }

    fn create(&self, how: &str) -> String {
        let unique = if self.is_unique { "UNIQUE " } else { "" };
        let columns = self.columns.join(", ");
        format!("CREATE {unique}INDEX {how}{} ON {} ({columns})", self.name, self.table)
    }
}
