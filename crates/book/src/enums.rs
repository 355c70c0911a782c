//! Enumerations such as status and side, stored as text. Unknown values are preserved.

use std::fmt;

use tallybook_core::{Decode, DecodeError, Encode, SqlType, Value, ValueRef};

macro_rules! text_enum {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        ///
        /// A value written by another program is kept as `Other`, so that its row stays readable and is written
        /// back unchanged.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A value that the book does not know.
            Other(Box<str>),
        }

        impl $name {
            /// Returns the stored text.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    other => Self::Other(other.into()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Decode for $name {
            const SQL_TYPE: SqlType = SqlType::Text;

            fn decode(value: ValueRef<'_>) -> Result<Self, DecodeError> {
                value.text().map(Self::from)
            }
        }

        impl Encode for $name {
            const SQL_TYPE: SqlType = SqlType::Text;

            fn encode(&self) -> Result<Value, String> {
                self.as_str().encode()
            }
        }
    )*};
}

text_enum! {
    /// The direction of a position.
    PositionType {
        /// Owned; gains when the price rises.
        Long = "LONG",
        /// Owed; gains when the price falls.
        Short = "SHORT",
    }

    /// The side of a trade.
    Action {
        /// Buys the instrument.
        Buy = "BUY",
        /// Sells the instrument.
        Sell = "SELL",
    }

    /// The order type of a trade.
    OrderType {
        /// Fills at the market price.
        Market = "MARKET",
        /// Fills at the limit price or better.
        Limit = "LIMIT",
        /// Becomes a market order once the stop price is reached.
        Stop = "STOP",
        /// Becomes a limit order once the stop price is reached.
        StopLimit = "STOP_LIMIT",
    }

    /// The status of a trade.
    TradeStatus {
        /// Not filled yet.
        Pending = "PENDING",
        /// Partially filled.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// Completely filled.
        Filled = "FILLED",
        /// Cancelled before it was completely filled.
        Cancelled = "CANCELLED",
        /// Rejected by the market.
        Rejected = "REJECTED",
    }

    /// The kind of an execution.
    ExecutionType {
        /// Fills the rest of its trade.
        Fill = "FILL",
        /// Fills a part of its trade.
        PartialFill = "PARTIAL_FILL",
    }

    /// The mode of a trading session.
    SessionType {
        /// Trades real money.
        Live = "LIVE",
        /// Trades simulated money at real prices.
        Paper = "PAPER",
        /// Replays historical prices.
        Backtest = "BACKTEST",
    }

    /// The status of a trading session.
    SessionStatus {
        /// Running.
        Active = "ACTIVE",
        /// Paused, to be resumed.
        Paused = "PAUSED",
        /// Ended.
        Stopped = "STOPPED",
    }
}
