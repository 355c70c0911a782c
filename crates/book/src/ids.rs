//! Identifiers, with a type for each table, so that they cannot be mixed up.

use std::fmt;

use tallybook_core::{Decode, DecodeError, Encode, SqlType, Value, ValueRef};

/// The common interface of all identifiers.
pub trait Id: Copy + Eq + std::hash::Hash + fmt::Display + Encode + Send + Sync + 'static {
    /// Returns the integer in the column.
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
            const SQL_TYPE: SqlType = SqlType::Int;

            fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
                value.int().map(Self)
            }
        }

        impl Encode for $name {
            const SQL_TYPE: SqlType = SqlType::Int;

            fn encode(&self) -> Result<Value, String> {
                Ok(Value::Int(self.0))
            }
        }
    )*};
}

ids! {
    /// The identifier of a portfolio.
    PortfolioId;
    /// The identifier of a position.
    PositionId;
    /// The identifier of a trade.
    TradeId;
    /// The identifier of an execution.
    ExecutionId;
    /// The identifier of a trading session.
    TradingSessionId;
}
