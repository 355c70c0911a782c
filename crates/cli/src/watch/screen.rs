//! The terminal, given back as it was.

use std::io;

use crossterm::event::EventStream;
use ratatui::{DefaultTerminal, Frame};

/// The terminal while it is drawn on. A panic gives it back too: its hook is set with it.
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(ratatui::try_init()?))
    }

    pub(crate) fn draw(&mut self, with: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(with).map(|_| ())
    }

    /// Keys and changes of size.
    pub(crate) fn events(&self) -> EventStream {
        EventStream::new()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
