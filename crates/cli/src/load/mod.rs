//! Load on a book: a mix of operations at a pace, and how long they took.

mod latency;
mod operation;
mod own;
mod pace;
mod runner;

pub(crate) use latency::Figures;
pub(crate) use operation::Mix;
pub(crate) use own::OwnPortfolio;
pub(crate) use runner::{Load, Outcome, run};
