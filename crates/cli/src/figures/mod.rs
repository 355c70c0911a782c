//! The figures of a program that uses the engine: where they come from and how they are shown, whether in a
//! terminal or as text.

mod bound;
mod difference;
mod format;
mod grid;
mod order;
mod panels;
mod recording;
#[cfg(test)]
pub(crate) mod sample;
mod shown;
mod socket;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use difference::difference;
pub(crate) use format::{uptime, wrap};
pub(crate) use grid::{Fitted, Grid};
pub(crate) use order::Order;
pub(crate) use panels::{Panel, nodes, pools};
pub(crate) use recording::{Recorder, Recording};
pub(crate) use shown::{Shown, Span};
pub(crate) use socket::Socket;
pub(crate) use text::{costs, headline, print};
