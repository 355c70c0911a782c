//! What every peer is asked to do.

use chrono::NaiveDateTime;
use clap::ValueEnum;
use serde::Serialize;

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    /// A portfolio with its positions, trades and trading sessions.
    Relations,
    /// The 100 newest trades of a portfolio with their executions.
    Executions,
    /// A portfolio's position in a symbol.
    Position,
    /// The trades of a trading session.
    Session,
    /// 50 portfolios with their positions.
    Portfolios,
    /// The thousandth page of all trades, behind a cursor.
    Page,
    /// As `relations`, through a network of 1 ms each way; PostgreSQL only, one task.
    Distant,
    /// A trade with two executions, in one transaction.
    Write,
    /// A fill: its execution, order, position, cash and totals, in one transaction.
    Record,
    /// Trades in bulk, beside the shells of the databases.
    Load,
}

impl Work {
    pub(super) const ALL: [Self; 10] = [
        Self::Relations,
        Self::Executions,
        Self::Position,
        Self::Session,
        Self::Portfolios,
        Self::Page,
        Self::Distant,
        Self::Write,
        Self::Record,
        Self::Load,
    ];

    /// Whether it is one of the reads with relations on which the goals are highest.
    pub(super) fn is_eager(self) -> bool {
        matches!(self, Self::Relations | Self::Executions)
    }

    pub(super) fn is_read(self) -> bool {
        !matches!(self, Self::Write | Self::Record | Self::Load)
    }

    /// Its place in [`Work::ALL`].
    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or_default()
    }

    /// How people name it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Relations => "portfolio with all relations",
            Self::Executions => "100 newest trades with executions",
            Self::Position => "position by symbol",
            Self::Session => "trades of a session",
            Self::Portfolios => "50 portfolios with positions",
            Self::Page => "page 1,000 of the trades",
            Self::Distant => "portfolio with all relations, 1 ms of network each way",
            Self::Write => "trade with two executions, one transaction",
            Self::Record => "fill recorded, one transaction",
            Self::Load => "bulk load of trades",
        }
    }
}

/// Trades of the newest that are read.
pub(super) const NEWEST: i32 = 100;
/// Portfolios that are read together.
pub(super) const TOGETHER: usize = 50;
/// Rows of a page.
pub(super) const PAGE: i32 = 50;

/// A work with what it is done on.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Question {
    /// Of this portfolio.
    Relations(i32),
    /// Of this portfolio.
    Executions(i32),
    /// Of this portfolio, in this symbol.
    Position(i32, String),
    /// Of this trading session.
    Session(i32),
    /// These portfolios.
    Portfolios(Vec<i32>),
    /// Behind the trade of this time and identifier.
    Page(NaiveDateTime, i32),
    /// For this portfolio.
    Write(i32),
    /// This fill.
    Record(Fill),
}

/// A fill of an order. Each time that it is recorded it has another identifier.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Fill {
    pub(super) portfolio: i32,
    pub(super) trade: i32,
    /// Units; more than zero.
    pub(super) quantity: i32,
    /// Hundredths of the currency.
    pub(super) cents: i32,
}
