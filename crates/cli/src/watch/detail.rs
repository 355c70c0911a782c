//! One entry whole.

use ratatui::crossterm::event::KeyCode;

use crate::figures::wrap;

/// An entry that is shown whole, and how far it is scrolled.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    /// Which entry it is, in its panel.
    pub(super) key: String,
    text: String,
    top: usize,
}

impl Detail {
    pub(super) fn new(key: String, text: String) -> Self {
        Self { key, text, top: 0 }
    }

    /// New figures of the same entry.
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

    /// The lines that there is room for; scrolls no further than to the last.
    pub(super) fn lines(&mut self, width: usize, height: usize) -> Vec<String> {
        let lines = wrap(&self.text, width);
        self.top = self.top.min(lines.len().saturating_sub(height));
        lines.into_iter().skip(self.top).take(height).collect()
    }
}
