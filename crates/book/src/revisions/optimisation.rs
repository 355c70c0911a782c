//! `0002`: the trading session of a trade, and the four indexes of the reads that matter.

use tallybook_engine::Statement;
use tallybook_engine::migrate::{Revision, Step};

macro_rules! index {
    ($name:literal on $table:literal, $columns:literal) => {
        Step::sql(
            concat!("index ", $name),
            Statement::new(concat!("CREATE INDEX ", $name, " ON ", $table, " (", $columns, ")")),
        )
    };
}

macro_rules! drop_index {
    ($name:literal) => {
        Step::sql(concat!("drop index ", $name), Statement::new(concat!("DROP INDEX ", $name)))
    };
}

pub(super) const REVISION: Revision = Revision {
    id: "0002",
    name: "trades.session_id and four indexes",
    upgrade: &[
        // The key stands with the column because SQLite can take back such a column, but no other key.
        Step::sql(
            "add trades.session_id with its key",
            Statement::new(
                "ALTER TABLE trades ADD COLUMN session_id INTEGER \
                 CONSTRAINT fk_trades_session_id REFERENCES trading_sessions (id)",
            ),
        ),
        index!("ix_trades_session_id" on "trades", "session_id"),
        index!("ix_positions_portfolio_symbol" on "positions", "portfolio_id, symbol"),
        index!("ix_trades_portfolio_status" on "trades", "portfolio_id, status"),
        index!("ix_trades_portfolio_created" on "trades", "portfolio_id, created_at"),
    ],
    downgrade: &[
        drop_index!("ix_trades_portfolio_created"),
        drop_index!("ix_trades_portfolio_status"),
        drop_index!("ix_positions_portfolio_symbol"),
        drop_index!("ix_trades_session_id"),
        Step::sql("drop trades.session_id", Statement::new("ALTER TABLE trades DROP COLUMN session_id")),
    ],
};
