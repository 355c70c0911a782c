//! Words such as status and side: the ones the book knows, and any other, carried through unchanged.

use std::fmt;

use tallybook_engine::{Cell, Decode, Encode, Kind, Misfit, Value};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        ///
        /// A word that another program wrote is kept as `Other`, so that its row stays readable and is written
        /// back unchanged.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
            /// A word that the book does not know.
            Other(Box<str>),
        }

        impl $name {
            /// The word in the column.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$word => $text,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($text => Self::$word,)*
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
            const KIND: Kind = Kind::Text;

            fn decode<'r, C: Cell<'r>>(cell: C) -> Result<Self, Misfit> {
                cell.text().map(Self::from)
            }
        }

        impl Encode for $name {
            const KIND: Kind = Kind::Text;

            fn encode(&self) -> Result<Value, String> {
                self.as_str().encode()
            }
        }
    )*};
}

words! {
    /// Which way a position faces.
    PositionType {
        /// Owned.
        Long = "LONG",
        /// Owed.
        Short = "SHORT",
    }

    /// What a trade does.
    Action {
        /// Buys.
        Buy = "BUY",
        /// Sells.
        Sell = "SELL",
    }

    /// How a trade is to be filled.
    OrderType {
        /// At the market's price.
        Market = "MARKET",
        /// At the limit price or better.
        Limit = "LIMIT",
        /// At the market's price once the stop price is reached.
        Stop = "STOP",
        /// At the limit price or better once the stop price is reached.
        StopLimit = "STOP_LIMIT",
    }

    /// Where a trade is in its life.
    TradeStatus {
        /// Not filled yet.
        Pending = "PENDING",
        /// Filled in part.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// Filled.
        Filled = "FILLED",
        /// Taken back.
        Cancelled = "CANCELLED",
        /// Refused by the market.
        Rejected = "REJECTED",
    }

    /// What an execution is.
    ExecutionType {
        /// Filled the rest of its trade.
        Fill = "FILL",
        /// Filled a part of its trade.
        PartialFill = "PARTIAL_FILL",
    }

    /// What a trading session trades with.
    SessionType {
        /// Real money.
        Live = "LIVE",
        /// Play money on the real market.
        Paper = "PAPER",
        /// The past.
        Backtest = "BACKTEST",
    }

    /// Where a trading session is in its life.
    SessionStatus {
        /// Running.
        Active = "ACTIVE",
        /// Halted for a while.
        Paused = "PAUSED",
        /// Ended.
        Stopped = "STOPPED",
    }
}
