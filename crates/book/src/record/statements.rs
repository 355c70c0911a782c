//! The statements that read and lock what an execution changes, and those that write it.

use std::sync::LazyLock;

use tallybook_core::{Row, Statement};
use tallybook_tables::tables::Table;

use crate::{Execution, NewExecution, NewPosition, Portfolio, Position, Trade, TradingSession};

/// The statements that lock the rows of some orders. Every transaction locks the portfolios first, so two that record for one
/// portfolio run one after the other, and read the rows that the first one has written.
pub(super) struct Locks {
    pub(super) portfolios: Statement,
    pub(super) trades: Statement,
    pub(super) sessions: Statement,
    pub(super) positions: Statement,
}

/// Locks the orders with the identifiers `$1`.
///
/// PostgreSQL estimates the length of a list that a subquery returns, and not that of a parameter: so it keeps one plan for
/// lists of any length. Otherwise it plans all of these statements for every fill, which takes longer than the fill.
pub(super) static OF_TRADES: LazyLock<Locks> =
    LazyLock::new(|| Locks::of("id = ANY((SELECT $1::int4[])::int4[])", "id IN rarray($1)"));

/// Locks the order with the identifier `$1`. A fill alone is what most programs record, and lists take the server half as long
/// again.
pub(super) static OF_TRADE: LazyLock<Locks> = LazyLock::new(|| Locks::of_one("id = $1"));

/// Locks the order that the execution with the venue's identifier `$1` fills.
pub(super) static OF_EXECUTION: LazyLock<Locks> =
    LazyLock::new(|| Locks::of_one("id = (SELECT trade_id FROM executions WHERE execution_id = $1)"));

/// Selects the executions with the venue's identifiers `$1`.
pub(super) static BY_EXECUTION_IDS: LazyLock<Statement> = LazyLock::new(|| {
    Statement::per_dialect_owned(
        select::<Execution>("execution_id = ANY((SELECT $1::varchar[])::varchar[])"),
        select::<Execution>("execution_id IN rarray($1)"),
    )
});

/// Selects the execution with the venue's identifier `$1`.
pub(super) static BY_EXECUTION_ID: LazyLock<Statement> =
    LazyLock::new(|| select::<Execution>("execution_id = $1").into());

/// Selects the execution that takes back the one with the venue's identifier `$1`.
pub(super) static REVERSAL_OF: LazyLock<Statement> = LazyLock::new(|| {
    select::<Execution>("reverses_id = (SELECT id FROM executions WHERE execution_id = $1)").into()
});

pub(super) static INSERT_EXECUTION: LazyLock<Statement> =
    LazyLock::new(|| insert::<NewExecution>(Execution::NAME));

pub(super) static INSERT_POSITION: LazyLock<Statement> =
    LazyLock::new(|| insert::<NewPosition>(Position::NAME));

pub(super) static UPDATE_TRADE: Statement = Statement::new(
    "UPDATE trades SET status = $1, filled_quantity = $2, average_fill_price = $3, realized_pnl = $4, filled_at = $5, \
     updated_at = $6 WHERE id = $7",
);

pub(super) static SET_STATUS: Statement =
    Statement::new("UPDATE trades SET status = $1, updated_at = $2 WHERE id = $3");

pub(super) static UPDATE_POSITION: Statement = Statement::new(
    "UPDATE positions SET quantity = $1, average_cost = $2, current_price = $3, unrealized_pnl = $4, realized_pnl = $5, \
     position_type = $6, entry_date = $7, updated_at = $8 WHERE id = $9",
);

pub(super) static UPDATE_PORTFOLIO: Statement =
    Statement::new("UPDATE portfolios SET current_capital = $1, updated_at = $2 WHERE id = $3");

pub(super) static UPDATE_SESSION: Statement = Statement::new(
    "UPDATE trading_sessions SET current_capital = $1, total_pnl = $2, total_trades = $3, winning_trades = $4, \
     losing_trades = $5 WHERE id = $6",
);

impl Locks {
    /// Returns the statements for the orders that a condition on `trades` selects, in the words of each dialect. They lock rows in
    /// the order of their identifiers, so that two transactions never wait for each other. On SQLite the writing transaction is
    /// the only one.
    fn of(postgres: &str, sqlite: &str) -> Self {
        let locking = |rows: fn(&str) -> String| locking(&rows(postgres), &rows(sqlite));
        Self {
            portfolios: locking(|orders| {
                select::<Portfolio>(&format!("id IN (SELECT portfolio_id FROM trades WHERE {orders})"))
            }),
            trades: locking(select::<Trade>),
            sessions: locking(|orders| {
                select::<TradingSession>(&format!("id IN (SELECT session_id FROM trades WHERE {orders})"))
            }),
            positions: locking(|orders| {
                let of_orders = format!("SELECT portfolio_id, symbol FROM trades WHERE {orders}");
                select::<Position>(&format!("(portfolio_id, symbol) IN ({of_orders})"))
            }),
        }
    }

    /// Returns the statements for the one order that a condition on `trades` selects, in the words of both dialects.
    fn of_one(order: &str) -> Self {
        let of_order = |column: &str| format!("(SELECT {column} FROM trades WHERE {order})");
        let locking = |text: String| locking(&text, &text);
        Self {
            portfolios: locking(select::<Portfolio>(&format!("id = {}", of_order("portfolio_id")))),
            trades: locking(select::<Trade>(order)),
            sessions: locking(select::<TradingSession>(&format!("id = {}", of_order("session_id")))),
            positions: locking(select::<Position>(&format!(
                "portfolio_id = {} AND symbol = {}",
                of_order("portfolio_id"),
                of_order("symbol")
            ))),
        }
    }
}

/// Returns a statement that locks the rows that these texts select.
fn locking(postgres: &str, sqlite: &str) -> Statement {
    Statement::per_dialect_owned(
        format!("{postgres} ORDER BY id FOR NO KEY UPDATE"),
        format!("{sqlite} ORDER BY id"),
    )
}

fn select<T: Table>(condition: &str) -> String {
    format!("SELECT {} FROM {} WHERE {condition}", T::COLUMN_LIST, T::NAME)
}

fn insert<New: Row>(table: &str) -> Statement {
    let marks = (1..=New::COLUMNS.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {table} ({}) VALUES ({marks}) RETURNING id", New::COLUMN_LIST).into()
}
