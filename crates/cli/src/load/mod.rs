//! Load on a book: a mix of operations at a pace, and their latencies.

mod latency;
mod operation;
mod own_portfolio;
mod pace;
mod runner;

pub(crate) use latency::Figures;
pub(crate) use operation::Mix;
pub(crate) use own_portfolio::OwnPortfolio;
pub(crate) use runner::{Load, Outcome, run};
