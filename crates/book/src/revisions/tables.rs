//! `0001`: the five tables, with the indexes that Alembic created.

use tallybook_migrate::{Column, Revision, Step, Type};

/// An index of one column, named as Alembic names it.
macro_rules! index {
    ($table:literal, $column:literal) => {
        index!(index, $table, $column)
    };
    ($kind:ident, $table:literal, $column:literal) => {
        Step::$kind(concat!("ix_", $table, "_", $column), $table, &[$column])
    };
}

pub(super) const REVISION: Revision = Revision::new(
    "0001",
    "portfolios, positions, trades, executions, trading sessions",
    &[
        Step::table("portfolios", PORTFOLIOS),
        index!(unique_index, "portfolios", "name"),
        Step::table("positions", POSITIONS),
        index!("positions", "portfolio_id"),
        index!("positions", "symbol"),
        Step::table("trades", TRADES),
        index!("trades", "created_at"),
        index!("trades", "portfolio_id"),
        index!("trades", "status"),
        index!("trades", "symbol"),
        Step::table("executions", EXECUTIONS),
        index!("executions", "executed_at"),
        index!("executions", "symbol"),
        index!("executions", "trade_id"),
        Step::table("trading_sessions", TRADING_SESSIONS),
        index!("trading_sessions", "portfolio_id"),
        index!("trading_sessions", "session_type"),
        index!("trading_sessions", "started_at"),
        index!("trading_sessions", "status"),
    ],
);

const PORTFOLIOS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("name", Type::Varchar(255)),
    Column::new("description", Type::Varchar(1000)).null(),
    Column::new("initial_capital", Type::Float),
    Column::new("current_capital", Type::Float),
    Column::new("currency", Type::Varchar(3)),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
    Column::new("metadata_json", Type::Text).null(),
];

const POSITIONS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("portfolio_id", Type::Integer).references("portfolios"),
    Column::new("symbol", Type::Varchar(20)),
    Column::new("quantity", Type::Float),
    Column::new("average_cost", Type::Float),
    Column::new("current_price", Type::Float),
    Column::new("unrealized_pnl", Type::Float),
    Column::new("realized_pnl", Type::Float),
    Column::new("position_type", Type::Varchar(10)),
    Column::new("entry_date", Type::Timestamp).null(),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
    Column::new("metadata_json", Type::Text).null(),
];

const TRADES: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("portfolio_id", Type::Integer).references("portfolios"),
    Column::new("symbol", Type::Varchar(20)),
    Column::new("action", Type::Varchar(10)),
    Column::new("quantity", Type::Float),
    Column::new("order_type", Type::Varchar(20)),
    Column::new("limit_price", Type::Float).null(),
    Column::new("stop_price", Type::Float).null(),
    Column::new("status", Type::Varchar(20)),
    Column::new("filled_quantity", Type::Float),
    Column::new("average_fill_price", Type::Float).null(),
    Column::new("created_at", Type::Timestamp),
    Column::new("updated_at", Type::Timestamp),
    Column::new("filled_at", Type::Timestamp).null(),
    Column::new("decision_rationale", Type::Text).null(),
    Column::new("confidence_score", Type::Float).null(),
    Column::new("metadata_json", Type::Text).null(),
];

const EXECUTIONS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("trade_id", Type::Integer).references("trades"),
    Column::new("symbol", Type::Varchar(20)),
    Column::new("quantity", Type::Float),
    Column::new("price", Type::Float),
    Column::new("execution_type", Type::Varchar(20)),
    Column::new("commission", Type::Float),
    Column::new("fees", Type::Float),
    Column::new("exchange", Type::Varchar(50)).null(),
    Column::new("execution_id", Type::Varchar(100)).null().unique(),
    Column::new("executed_at", Type::Timestamp),
    Column::new("metadata_json", Type::Text).null(),
];

const TRADING_SESSIONS: &[Column] = &[
    Column::new("id", Type::Id),
    Column::new("portfolio_id", Type::Integer).references("portfolios"),
    Column::new("session_type", Type::Varchar(20)),
    Column::new("status", Type::Varchar(20)),
    Column::new("name", Type::Varchar(255)).null(),
    Column::new("description", Type::Varchar(1000)).null(),
    Column::new("max_position_size", Type::Float).null(),
    Column::new("max_portfolio_exposure", Type::Float).null(),
    Column::new("stop_loss_percentage", Type::Float).null(),
    Column::new("take_profit_percentage", Type::Float).null(),
    Column::new("starting_capital", Type::Float),
    Column::new("current_capital", Type::Float),
    Column::new("total_pnl", Type::Float),
    Column::new("total_trades", Type::Integer),
    Column::new("winning_trades", Type::Integer),
    Column::new("losing_trades", Type::Integer),
    Column::new("started_at", Type::Timestamp),
    Column::new("stopped_at", Type::Timestamp).null(),
    Column::new("metadata_json", Type::Text).null(),
];
