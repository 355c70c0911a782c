//! Identifiers, a type for each table, so that one can't be taken for another.

use std::fmt;

use tallybook_engine::{Cell, Decode, Encode, Kind, Misfit, Value};

/// What all identifiers have in common.
pub trait Id: Copy + Eq + std::hash::Hash + fmt::Display + Encode + Send + Sync + 'static {
    /// The number in the column.
    fn get(self) -> i64;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl Id for $name {
            fn get(self) -> i64 {
                self.0
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Decode for $name {
            const KIND: Kind = Kind::Int;

            fn decode<'r, C: Cell<'r>>(cell: C) -> Result<Self, Misfit> {
                cell.int().map(Self)
            }
        }

        impl Encode for $name {
            const KIND: Kind = Kind::Int;

            fn encode(&self) -> Result<Value, String> {
                Ok(Value::Int(self.0))
            }
        }
    )*};
}

ids! {
    /// Identifies a portfolio.
    PortfolioId;
    /// Identifies a position.
    PositionId;
    /// Identifies a trade.
    TradeId;
    /// Identifies an execution.
    ExecutionId;
    /// Identifies a trading session.
    SessionId;
}
