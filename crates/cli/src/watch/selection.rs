//! The selected entry of a changing table.

/// The selected entry, which stays selected when the order changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    index: usize,
    key: Option<String>,
}

impl Selection {
    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Moves by `steps`, within the entries.
    pub(super) fn step(&mut self, steps: isize, keys: &[String]) {
        self.select(self.index.saturating_add_signed(steps), keys);
    }

    /// Finds the entry in new figures, else stays at its position. The first position stays the first: a user who
    /// selected nothing sees the top.
    pub(super) fn follow(&mut self, keys: &[String]) {
        let found = keys.iter().position(|key| Some(key) == self.key.as_ref());
        let index = if self.index == 0 { 0 } else { found.unwrap_or(self.index) };
        self.select(index, keys);
    }

    fn select(&mut self, index: usize, keys: &[String]) {
        self.index = index.min(keys.len().saturating_sub(1));
        self.key = keys.get(self.index).cloned();
    }
}
