//! The arithmetic of a book: pure functions from a state and an execution to the next state.
//!
//! [`Holding`] folds the executions of one portfolio and symbol, [`OrderFill`] those of one order, and [`ExecutionStep`] folds one
//! execution into every row that it changes. `record` applies one step to the rows it has locked, and `check` folds all executions
//! again: both call the same functions, so a book that `record` kept equals its refold digit for digit. docs/bookkeeping.md has the formulas and their sources.

mod currency;
mod exact;
mod execution;
mod holding;
mod order;
mod updated_at;

pub use currency::currency_scale;
pub use execution::{ChangedRow, ExecutionRows, ExecutionStep, ExecutionStepError, ExecutionTerms};
pub use holding::{CashMove, Holding, HoldingFill};
pub use order::{OrderFill, OrderStep};
pub use updated_at::touched;

pub(crate) use exact::Exact;
pub(crate) use holding::money;
pub(crate) use order::next_status;

/// A figure that its column cannot hold exactly: it has more than 15 significant digits, or lies outside of the range of
/// `Decimal`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column} cannot hold a figure of more than 15 digits")]
pub struct Unholdable {
    /// The column.
    pub column: &'static str,
}
