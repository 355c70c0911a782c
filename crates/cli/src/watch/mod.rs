//! The figures in a terminal, refreshed continuously.

mod detail;
mod draw;
mod screen;
mod selection;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use draw::draw;
pub(crate) use screen::Screen;
pub(crate) use view::{Flow, View};
