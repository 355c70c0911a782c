//! `0002`: the trading session of a trade, and four indexes for the most important reads.

use tallybook_migrate::{Column, Revision, Step, Type};

const SESSION_ID: Column =
    Column::new("session_id", Type::Integer).null().key("fk_trades_session_id", "trading_sessions");

pub(super) const REVISION: Revision = Revision::new(
    "0002",
    "trades.session_id and four indexes",
    &[
        Step::column("trades", SESSION_ID),
        Step::validate("trades", "fk_trades_session_id"),
        Step::index("ix_trades_session_id", "trades", &["session_id"]),
        Step::index("ix_positions_portfolio_symbol", "positions", &["portfolio_id", "symbol"]),
        Step::index("ix_trades_portfolio_status", "trades", &["portfolio_id", "status"]),
        Step::index("ix_trades_portfolio_created", "trades", &["portfolio_id", "created_at"]),
    ],
);
