//! The terminal, restored at the end.

use std::io;

use crossterm::event::EventStream;
use ratatui::{DefaultTerminal, Frame};

/// The terminal in raw mode. A panic restores it too, by a hook.
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(ratatui::try_init()?))
    }

    pub(crate) fn draw(&mut self, with: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(with).map(|_| ())
    }

    /// Returns the stream of key and resize events.
    pub(crate) fn events(&self) -> EventStream {
        EventStream::new()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
