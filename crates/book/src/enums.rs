//! Enumerations such as status and side, stored as text. Unknown values are preserved.

use tallybook_core::TextEnum;

/// The direction of a position.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum PositionType {
    /// Owned; gains when the price rises.
    #[text = "LONG"]
    Long,
    /// Owed; gains when the price falls.
    #[text = "SHORT"]
    Short,
    /// A value that the book does not know.
    Other(Box<str>),
}

/// The side of a trade.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum Action {
    /// Buys the instrument.
    #[text = "BUY"]
    Buy,
    /// Sells the instrument.
    #[text = "SELL"]
    Sell,
    /// A value that the book does not know.
    Other(Box<str>),
}

/// The order type of a trade.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum OrderType {
    /// Fills at the market price.
    #[text = "MARKET"]
    Market,
    /// Fills at the limit price or better.
    #[text = "LIMIT"]
    Limit,
    /// Becomes a market order once the stop price is reached.
    #[text = "STOP"]
    Stop,
    /// Becomes a limit order once the stop price is reached.
    #[text = "STOP_LIMIT"]
    StopLimit,
    /// A value that the book does not know.
    Other(Box<str>),
}

/// The status of a trade.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum TradeStatus {
    /// Not filled yet.
    #[text = "PENDING"]
    Pending,
    /// Partially filled.
    #[text = "PARTIALLY_FILLED"]
    PartiallyFilled,
    /// Completely filled.
    #[text = "FILLED"]
    Filled,
    /// Cancelled before it was completely filled.
    #[text = "CANCELLED"]
    Cancelled,
    /// Rejected by the market.
    #[text = "REJECTED"]
    Rejected,
    /// Ended by time before it was completely filled.
    #[text = "EXPIRED"]
    Expired,
    /// A value that the book does not know.
    Other(Box<str>),
}

/// The kind of an execution.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum ExecutionType {
    /// Fills the rest of its trade.
    #[text = "FILL"]
    Fill,
    /// Fills a part of its trade.
    #[text = "PARTIAL_FILL"]
    PartialFill,
    /// Takes back another execution.
    #[text = "REVERSAL"]
    Reversal,
    /// A value that the book does not know.
    Other(Box<str>),
}

/// What was unusual about a fill.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum FillMark {
    /// Its order had ended.
    #[text = "AFTER_END"]
    AfterEnd,
    /// More than was ordered, whether or not the order had ended.
    #[text = "OVER_FILL"]
    OverFill,
    /// A value that the book does not know.
    Other(Box<str>),
}

/// The mode of a trading session.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum SessionType {
    /// Trades real money.
    #[text = "LIVE"]
    Live,
    /// Trades simulated money at real prices.
    #[text = "PAPER"]
    Paper,
    /// Replays historical prices.
    #[text = "BACKTEST"]
    Backtest,
    /// A value that the book does not know.
    Other(Box<str>),
}

/// The status of a trading session.
///
/// A value written by another program is kept as `Other`, so that its row stays readable and is written back
/// unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, TextEnum)]
#[text_enum(serde)]
#[non_exhaustive]
pub enum SessionStatus {
    /// Running.
    #[text = "ACTIVE"]
    Active,
    /// Paused, to be resumed.
    #[text = "PAUSED"]
    Paused,
    /// Ended.
    #[text = "STOPPED"]
    Stopped,
    /// A value that the book does not know.
    Other(Box<str>),
}
