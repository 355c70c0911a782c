//! Rows as a program without Tallybook would have them: numbers as `f64`, times as `NaiveDateTime`, words as
//! `String`, which is what the columns are. The derives of sqlx and diesel fill them; tokio-postgres and rusqlite
//! by hand.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use sqlx::FromRow;

use super::checksum::{Checksum, Loaded, loaded};
use super::schema::{executions, portfolios, positions, trades, trading_sessions};

/// A struct with the derives, and a constructor that takes the columns in order.
macro_rules! row {
    ($table:ident $name:ident { $($field:ident: $type:ty,)* }) => {
        #[derive(Clone, Debug, FromRow, Queryable, Selectable, Identifiable)]
        #[diesel(table_name = $table)]
        pub(super) struct $name {
            $(pub(super) $field: $type,)*
        }

        impl TryFrom<tokio_postgres::Row> for $name {
            type Error = tokio_postgres::Error;

            fn try_from(row: tokio_postgres::Row) -> Result<Self, Self::Error> {
                let mut columns = 0..;
                Ok(Self { $($field: row.try_get(columns.next().unwrap_or_default())?,)* })
            }
        }

        impl TryFrom<&rusqlite::Row<'_>> for $name {
            type Error = rusqlite::Error;

            fn try_from(row: &rusqlite::Row<'_>) -> Result<Self, Self::Error> {
                let mut columns = 0..;
                Ok(Self { $($field: row.get(columns.next().unwrap_or_default())?,)* })
            }
        }
    };
}

row! { portfolios Portfolio {
    id: i32,
    name: String,
    description: Option<String>,
    initial_capital: f64,
    current_capital: f64,
    currency: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    metadata_json: Option<String>,
} }

row! { positions Position {
    id: i32,
    portfolio_id: i32,
    symbol: String,
    quantity: f64,
    average_cost: f64,
    current_price: f64,
    unrealized_pnl: f64,
    realized_pnl: f64,
    position_type: String,
    entry_date: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    metadata_json: Option<String>,
} }

row! { trades Trade {
    id: i32,
    portfolio_id: i32,
    session_id: Option<i32>,
    symbol: String,
    action: String,
    quantity: f64,
    order_type: String,
    limit_price: Option<f64>,
    stop_price: Option<f64>,
    status: String,
    filled_quantity: f64,
    average_fill_price: Option<f64>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    filled_at: Option<NaiveDateTime>,
    decision_rationale: Option<String>,
    confidence_score: Option<f64>,
    metadata_json: Option<String>,
    realized_pnl: Option<f64>,
} }

row! { executions Execution {
    id: i32,
    trade_id: i32,
    symbol: String,
    quantity: f64,
    price: f64,
    execution_type: String,
    commission: f64,
    fees: f64,
    exchange: Option<String>,
    execution_id: Option<String>,
    executed_at: NaiveDateTime,
    metadata_json: Option<String>,
    realized_pnl: Option<f64>,
    reverses_id: Option<i32>,
    mark: Option<String>,
} }

row! { trading_sessions TradingSession {
    id: i32,
    portfolio_id: i32,
    session_type: String,
    status: String,
    name: Option<String>,
    description: Option<String>,
    max_position_size: Option<f64>,
    max_portfolio_exposure: Option<f64>,
    stop_loss_percentage: Option<f64>,
    take_profit_percentage: Option<f64>,
    starting_capital: f64,
    current_capital: f64,
    total_pnl: f64,
    total_trades: i32,
    winning_trades: i32,
    losing_trades: i32,
    started_at: NaiveDateTime,
    stopped_at: Option<NaiveDateTime>,
    metadata_json: Option<String>,
} }

loaded!(Portfolio, Position, Trade, Execution, TradingSession);

/// What a question brings, in the types of one peer: a portfolio `R` with its relations, a trade `X` with its
/// executions, a position, a trade, a portfolio `H` with its positions.
pub(super) enum Answer<R, X, N, T, H> {
    /// A portfolio with its positions, trades and trading sessions.
    Relations(R),
    /// Trades with their executions.
    Executions(Vec<X>),
    /// Positions.
    Positions(Vec<N>),
    /// Trades.
    Trades(Vec<T>),
    /// Portfolios with their positions.
    Portfolios(Vec<H>),
    /// A trade was written, or a fill recorded; its rows are looked at in the database.
    Written,
}

/// An answer whose rows stand beside each other, in the types of one peer.
pub(super) type Beside<P, N, T, E, S> = Answer<(P, Vec<N>, Vec<T>, Vec<S>), (T, Vec<E>), N, T, (P, Vec<N>)>;

/// An answer in the types of this module.
pub(super) type Plain = Beside<Portfolio, Position, Trade, Execution, TradingSession>;

impl<R, X, N, T, H> Loaded for Answer<R, X, N, T, H>
where
    R: Loaded,
    X: Loaded + Sync,
    N: Loaded + Sync,
    T: Loaded + Sync,
    H: Loaded + Sync,
{
    fn add_to(&self, sum: &mut Checksum) {
        match self {
            Self::Relations(portfolio) => portfolio.add_to(sum),
            Self::Executions(trades) => trades.add_to(sum),
            Self::Positions(positions) => positions.add_to(sum),
            Self::Trades(trades) => trades.add_to(sum),
            Self::Portfolios(portfolios) => portfolios.add_to(sum),
            Self::Written => {}
        }
    }
}

/// Gives each trade its executions, in the order in which they came.
pub(super) fn with_executions(trades: Vec<Trade>, executions: Vec<Execution>) -> Plain {
    let mut of_trade = grouped(executions, |execution| execution.trade_id);
    let with_own = |trade: Trade| (of_trade.remove(&trade.id).unwrap_or_default(), trade);
    Answer::Executions(trades.into_iter().map(with_own).map(|(own, trade)| (trade, own)).collect())
}

/// Gives each portfolio its positions, in the order in which they came.
pub(super) fn with_positions(portfolios: Vec<Portfolio>, positions: Vec<Position>) -> Plain {
    let mut of_portfolio = grouped(positions, |position| position.portfolio_id);
    let with_own = |portfolio: Portfolio| (of_portfolio.remove(&portfolio.id).unwrap_or_default(), portfolio);
    Answer::Portfolios(
        portfolios.into_iter().map(with_own).map(|(own, portfolio)| (portfolio, own)).collect(),
    )
}

fn grouped<T>(rows: Vec<T>, parent: impl Fn(&T) -> i32) -> HashMap<i32, Vec<T>> {
    let mut groups: HashMap<i32, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(parent(&row)).or_default().push(row);
    }
    groups
}
