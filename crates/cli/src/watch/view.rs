//! The state of the view.

use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tallybook::Report;

use super::detail::Detail;
use super::selection::Selection;
use crate::figures::{Order, Panel, RatedReport, Span};

/// Says how to go on after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Quit,
}

/// The last figures, and the panel and entry that are shown.
pub(crate) struct View {
    pub(super) rated: RatedReport,
    pub(super) unreachable: Option<Unreachable>,
    pub(super) panel: Panel,
    pub(super) order: Order,
    pub(super) detail: Option<Detail>,
    /// Number of entries that fit on the screen, for the paging keys.
    pub(super) page: usize,
    selections: [Selection; Panel::ALL.len()],
}

/// A program that no longer answers.
pub(super) struct Unreachable {
    pub(super) since: Instant,
    pub(super) why: String,
}

impl View {
    pub(crate) fn new(report: Report, order: Order) -> Self {
        let mut view = Self {
            rated: RatedReport::whole(report, Span::Run),
            unreachable: None,
            panel: Panel::Statements,
            order,
            detail: None,
            page: 1,
            selections: Default::default(),
        };
        view.follow();
        view
    }

    /// Shows a new report, with the rates since the previous one.
    pub(crate) fn receive(&mut self, report: Report) {
        self.rated = RatedReport::since(&self.rated.report, report);
        self.unreachable = None;
        self.follow();
    }

    /// Records that there is no report, and why; the last figures stay.
    pub(crate) fn mark_unreachable(&mut self, why: String) {
        let since = self.unreachable.as_ref().map_or_else(Instant::now, |lost| lost.since);
        self.unreachable = Some(Unreachable { since, why });
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> Flow {
        if key.kind == KeyEventKind::Release {
            return Flow::Continue;
        }
        let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if is_interrupt || (key.code == KeyCode::Char('q') && self.detail.is_none()) {
            return Flow::Quit;
        }
        if self.detail.is_some() {
            self.press_in_detail(key.code);
        } else {
            self.press_in_table(key.code);
        }
        Flow::Continue
    }

    fn press_in_detail(&mut self, key: KeyCode) {
        if matches!(key, KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') | KeyCode::Backspace) {
            self.detail = None;
        } else if let Some(detail) = &mut self.detail {
            detail.press(key, self.page);
        }
    }

    fn press_in_table(&mut self, key: KeyCode) {
        let page = self.page.cast_signed();
        match key {
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Panel::ALL.len() - 1),
            KeyCode::Char('s') => {
                self.order = self.order.next();
                self.step(isize::MIN);
            }
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::PageDown => self.step(page),
            KeyCode::PageUp => self.step(-page),
            KeyCode::Home => self.step(isize::MIN),
            KeyCode::End => self.step(isize::MAX),
            KeyCode::Enter => self.open(),
            _ => {}
        }
    }

    pub(super) fn selection(&self) -> &Selection {
        &self.selections[self.panel as usize]
    }

    fn turn(&mut self, by: usize) {
        self.panel = Panel::ALL[(self.panel as usize + by) % Panel::ALL.len()];
    }

    fn step(&mut self, steps: isize) {
        let keys = self.panel.keys(&self.rated, self.order);
        self.selections[self.panel as usize].step(steps, &keys);
    }

    /// Opens the detail view of the selected entry.
    fn open(&mut self) {
        let selection = self.selection();
        let text = self.panel.detail(&self.rated, self.order, selection.index());
        self.detail = selection.key().zip(text).map(|(key, text)| Detail::new(key.to_owned(), text));
    }

    /// Finds the selected entry in new figures. A detail view whose entry is gone stays as it was.
    fn follow(&mut self) {
        for (panel, selection) in Panel::ALL.iter().zip(&mut self.selections) {
            selection.follow(&panel.keys(&self.rated, self.order));
        }
        if let Some(detail) = &mut self.detail {
            let keys = self.panel.keys(&self.rated, self.order);
            let index = keys.iter().position(|key| *key == detail.key);
            let text = index.and_then(|index| self.panel.detail(&self.rated, self.order, index));
            if let Some(text) = text {
                detail.refresh(text);
            }
        }
    }
}
