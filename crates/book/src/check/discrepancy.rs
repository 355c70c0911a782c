//! The differences that the check finds.

use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::PortfolioId;

/// A figure that differs from what the executions say.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Discrepancy {
    /// Kind of difference.
    pub kind: DiscrepancyKind,
    /// Table of the row.
    pub table: &'static str,
    /// Identifier of the row; `None` if the row is missing.
    pub id: Option<i64>,
    /// The portfolio that the row belongs to, if that is known.
    pub portfolio: Option<PortfolioId>,
    /// Instrument symbol of the row, if it has one.
    pub symbol: Option<String>,
    /// Column that differs.
    pub column: &'static str,
    /// Stored figure; the reason, without the value, if it cannot be read.
    pub found: Figure,
    /// Figure that the executions give.
    pub expected: Figure,
}

/// A stored or expected figure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Figure {
    /// NULL, or none.
    None,
    /// An amount, a price or a quantity.
    Decimal(Decimal),
    /// A count or an identifier.
    Number(i64),
    /// A text.
    Text(String),
    /// A time, in UTC.
    Time(DateTime<Utc>),
}

/// The kinds of differences. Each has a [name](Self::name) for scripts, and an [explanation](Self::explanation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DiscrepancyKind {
    /// The figure is a sum of floats: right except for its last digits.
    FloatRounding,
    /// The row counts more than its executions say.
    MissingFill,
    /// The executions say more than the row counts.
    SurplusFill,
    /// A portfolio has several positions in one symbol.
    DuplicatePosition,
    /// The executions made a position that is not stored.
    MissingPosition,
    /// No execution made this position.
    PositionWithoutExecutions,
    /// The direction of a position contradicts its executions.
    WrongSign,
    /// The status of an order, or the time at which it was filled, contradicts its executions.
    WrongStatus,
    /// The cash differs from the capital at the beginning and the money that executions moved.
    WrongCash,
    /// A total of a trading session differs.
    WrongTotals,
    /// A realized profit differs.
    WrongProfit,
    /// An average price differs.
    WrongAverage,
    /// An average price is rounded to fewer digits.
    RoundedAverage,
    /// A reversal does not take back an execution of its order.
    DanglingReversal,
    /// The symbol of an execution is not that of its order.
    ForeignSymbol,
    /// An order neither buys nor sells.
    UnknownSide,
    /// The order of an execution is missing.
    OrphanExecution,
    /// An execution fills nothing, or less than nothing, and is no reversal.
    InvalidFill,
    /// A figure has more digits than its column holds.
    TooManyDigits,
    /// A value cannot be read.
    Unreadable,
}

impl DiscrepancyKind {
    /// All kinds, in the order of reports.
    pub const ALL: [Self; 20] = [
        Self::FloatRounding,
        Self::MissingFill,
        Self::SurplusFill,
        Self::DuplicatePosition,
        Self::MissingPosition,
        Self::PositionWithoutExecutions,
        Self::WrongSign,
        Self::WrongStatus,
        Self::WrongCash,
        Self::WrongTotals,
        Self::WrongProfit,
        Self::WrongAverage,
        Self::RoundedAverage,
        Self::DanglingReversal,
        Self::ForeignSymbol,
        Self::UnknownSide,
        Self::OrphanExecution,
        Self::InvalidFill,
        Self::TooManyDigits,
        Self::Unreadable,
    ];

    /// Returns the name in reports and in JSON, for example `missing_fill`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FloatRounding => "float_rounding",
            Self::MissingFill => "missing_fill",
            Self::SurplusFill => "surplus_fill",
            Self::DuplicatePosition => "duplicate_position",
            Self::MissingPosition => "missing_position",
            Self::PositionWithoutExecutions => "position_without_executions",
            Self::WrongSign => "wrong_sign",
            Self::WrongStatus => "wrong_status",
            Self::WrongCash => "wrong_cash",
            Self::WrongTotals => "wrong_totals",
            Self::WrongProfit => "wrong_profit",
            Self::WrongAverage => "wrong_average",
            Self::RoundedAverage => "rounded_average",
            Self::DanglingReversal => "dangling_reversal",
            Self::ForeignSymbol => "foreign_symbol",
            Self::UnknownSide => "unknown_side",
            Self::OrphanExecution => "orphan_execution",
            Self::InvalidFill => "invalid_fill",
            Self::TooManyDigits => "too_many_digits",
            Self::Unreadable => "unreadable",
        }
    }

    /// Returns one sentence that says what the kind means.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::FloatRounding => "A program added floats: the figure is right except for its last digits.",
            Self::MissingFill => {
                "The row counts a quantity that no execution explains: an execution is missing, or was counted twice."
            }
            Self::SurplusFill => "An execution is recorded that the row does not count.",
            Self::DuplicatePosition => {
                "The portfolio has several positions in this symbol; one should hold all of it."
            }
            Self::MissingPosition => "The executions made a position that is not stored.",
            Self::PositionWithoutExecutions => {
                "No execution made this position: it was entered by hand, or its executions are elsewhere."
            }
            Self::WrongSign => {
                "The position is long where its executions make it short, or the other way round."
            }
            Self::WrongStatus => {
                "The status of the order, or the time at which it was filled, contradicts its executions."
            }
            Self::WrongCash => {
                "The cash is not the capital at the beginning plus what executions moved: a deposit, a fee or a fill is \
                 not recorded."
            }
            Self::WrongTotals => "A total of the trading session differs from that of its orders.",
            Self::WrongProfit => "The realized profit differs from what the executions give.",
            Self::WrongAverage => "The average price differs from what the executions give.",
            Self::RoundedAverage => {
                "The average price is rounded to fewer digits than the 15 that the book keeps."
            }
            Self::DanglingReversal => {
                "The reversal does not take back an execution of the same order, price and quantity."
            }
            Self::ForeignSymbol => "The execution names another instrument than its order.",
            Self::UnknownSide => {
                "The order neither buys nor sells, so its position, cash and totals could not be compared."
            }
            Self::OrphanExecution => "The order of the execution does not exist, so nothing counts it.",
            Self::InvalidFill => {
                "The execution fills nothing, or less than nothing, and is no reversal; its position, cash and totals could \
                 not be compared."
            }
            Self::TooManyDigits => {
                "The executions give a figure of more than 15 digits, which no column of doubles holds exactly."
            }
            Self::Unreadable => {
                "Another program wrote a value that cannot be read, so what follows from it could not be compared."
            }
        }
    }

    /// Returns whether the executions say what the row should hold, so that a [repair](crate::repair_book) can correct it.
    pub const fn is_repairable(self) -> bool {
        !matches!(
            self,
            Self::DanglingReversal
                | Self::UnknownSide
                | Self::OrphanExecution
                | Self::InvalidFill
                | Self::TooManyDigits
                | Self::Unreadable
        )
    }
}

impl fmt::Display for DiscrepancyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for DiscrepancyKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("NULL"),
            Self::Decimal(value) => value.normalize().fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => f.write_str(value),
            Self::Time(value) => value.format("%Y-%m-%d %H:%M:%S%.6f").fmt(f),
        }
    }
}

/// Numbers of rows stay numbers; decimals and times are texts, so that no reader rounds them.
impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Number(value) => serializer.serialize_i64(*value),
            figure => serializer.collect_str(figure),
        }
    }
}

impl From<Decimal> for Figure {
    fn from(value: Decimal) -> Self {
        Self::Decimal(value)
    }
}

impl From<i64> for Figure {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Figure {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<DateTime<Utc>> for Figure {
    fn from(value: DateTime<Utc>) -> Self {
        Self::Time(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for Figure {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// Returns whether a decimal differs from the expected one as a sum of floats does: by less than a billionth, and with more
/// digits than the book writes.
pub(super) fn is_float_rounding(found: Decimal, expected: Decimal, scale: Option<u32>) -> bool {
    let (found, size) = (found.normalize(), found.abs().max(expected.abs()).max(Decimal::ONE));
    let has_excess_digits =
        significant_digits(found) > MAX_DIGITS || scale.is_some_and(|scale| found.scale() > scale);
    let apart = found.checked_sub(expected).map(|apart| apart.abs());
    let is_near = apart.and_then(|apart| apart.checked_mul(BILLION.into())).is_some_and(|times| times < size);
    has_excess_digits && is_near
}

/// Returns whether a price is the expected one, rounded to at least two decimals.
pub(super) fn is_rounded(found: Decimal, expected: Decimal) -> bool {
    let found = found.normalize();
    found.scale() >= 2 && expected.round_dp(found.scale()) == found
}

/// Decimals that a double holds exactly have at most this many significant digits.
const MAX_DIGITS: u32 = 15;
const BILLION: u64 = 1_000_000_000;

fn significant_digits(value: Decimal) -> u32 {
    value.mantissa().unsigned_abs().checked_ilog10().map_or(0, |digits| digits + 1)
}
