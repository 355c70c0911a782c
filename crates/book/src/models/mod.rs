//! The rows of the five tables, what is given to create one, and what may be changed.

/// Declares a row and what is given to create one: the same columns but for the identifier, which the
/// database gives.
macro_rules! model {
    (
        $(#[$doc:meta])* $name:ident($id:ty);
        $(#[$new_doc:meta])* $new:ident;
        $($(#[$attribute:meta])* $field:ident: $type:ty,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, ::tallybook_engine::Row)]
        pub struct $name {
            /// Its identifier.
            pub id: $id,
            $($(#[$attribute])* pub $field: $type,)*
        }

        $(#[$new_doc])*
        #[derive(Clone, Debug, PartialEq, ::tallybook_engine::Row)]
        pub struct $new {
            $($(#[$attribute])* pub $field: $type,)*
        }
    };
}

mod execution;
mod portfolio;
mod position;
mod trade;
mod trading_session;

pub use execution::{Execution, ExecutionChanges, NewExecution};
pub use portfolio::{NewPortfolio, Portfolio, PortfolioChanges};
pub use position::{NewPosition, Position, PositionChanges};
pub use trade::{NewTrade, Trade, TradeChanges};
pub use trading_session::{NewTradingSession, TradingSession, TradingSessionChanges};
