//! The detail view of one entry.

use ratatui::crossterm::event::KeyCode;

use crate::figures::wrap;

/// The shown entry, and the scroll position.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    /// The entry's key in its panel.
    pub(super) key: String,
    text: String,
    top: usize,
}

impl Detail {
    pub(super) fn new(key: String, text: String) -> Self {
        Self { key, text, top: 0 }
    }

    /// Replaces the text by the entry's new figures.
    pub(super) fn refresh(&mut self, text: String) {
        self.text = text;
    }

    pub(super) fn press(&mut self, key: KeyCode, page: usize) {
        self.top = match key {
            KeyCode::Down | KeyCode::Char('j') => self.top + 1,
            KeyCode::Up | KeyCode::Char('k') => self.top.saturating_sub(1),
            KeyCode::PageDown => self.top + page,
            KeyCode::PageUp => self.top.saturating_sub(page),
            KeyCode::Home => 0,
            _ => self.top,
        };
    }

    /// Returns the visible lines; scrolls at most to the last one.
    pub(super) fn lines(&mut self, width: usize, height: usize) -> Vec<String> {
        let lines = wrap(&self.text, width);
        self.top = self.top.min(lines.len().saturating_sub(height));
        lines.into_iter().skip(self.top).take(height).collect()
    }
}
