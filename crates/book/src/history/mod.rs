//! Reads of what happened to a book: changes of trades, and the holdings and the equity of a portfolio at earlier moments.

mod changes;
mod equity;
mod error;
mod executed;
mod holdings;

pub use changes::UpdatePosition;
pub use equity::Equity;
pub use error::HistoryError;
