//! The figures of a monitored program: reading them, and showing them in a terminal or as text.

mod format;
mod grid;
mod order;
mod page;
mod panels;
mod rated_report;
mod recording;
#[cfg(test)]
pub(crate) mod sample;
mod socket;
#[cfg(test)]
mod tests;
mod text;
mod timeline;

pub(crate) use format::{uptime, wrap};
pub(crate) use grid::{Fitted, Grid};
pub(crate) use order::Order;
pub(crate) use page::page;
pub(crate) use panels::{Panel, nodes, pools};
pub(crate) use rated_report::{RatedReport, Span};
pub(crate) use recording::{Recorder, Recording};
pub(crate) use socket::choose_socket;
pub(crate) use text::{costs, headline, print};
