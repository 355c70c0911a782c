//! `0001`: the five tables with the indexes they have had since Alembic made them.

use tallybook_engine::Statement;
use tallybook_engine::migrate::{Revision, Step};

use super::ddl::ddl;

/// `CREATE INDEX ix_<table>_<column>`, the name that Alembic gives.
macro_rules! index {
    ($table:literal, $column:literal) => {
        index!("CREATE INDEX", $table, $column)
    };
    ($create:literal, $table:literal, $column:literal) => {
        Step::sql(
            concat!("index ", $table, " by ", $column),
            Statement::new(concat!(
                $create, " ix_", $table, "_", $column, " ON ", $table, " (", $column, ")"
            )),
        )
    };
}

pub(super) const REVISION: Revision = Revision {
    id: "0001",
    name: "portfolios, positions, trades, executions, trading sessions",
    upgrade: &[
        PORTFOLIOS,
        index!("CREATE UNIQUE INDEX", "portfolios", "name"),
        POSITIONS,
        index!("positions", "portfolio_id"),
        index!("positions", "symbol"),
        TRADES,
        index!("trades", "created_at"),
        index!("trades", "portfolio_id"),
        index!("trades", "status"),
        index!("trades", "symbol"),
        EXECUTIONS,
        index!("executions", "executed_at"),
        index!("executions", "symbol"),
        index!("executions", "trade_id"),
        TRADING_SESSIONS,
        index!("trading_sessions", "portfolio_id"),
        index!("trading_sessions", "session_type"),
        index!("trading_sessions", "started_at"),
        index!("trading_sessions", "status"),
    ],
    downgrade: &[
        Step::sql("drop trading_sessions", Statement::new("DROP TABLE trading_sessions")),
        Step::sql("drop executions", Statement::new("DROP TABLE executions")),
        Step::sql("drop trades", Statement::new("DROP TABLE trades")),
        Step::sql("drop positions", Statement::new("DROP TABLE positions")),
        Step::sql("drop portfolios", Statement::new("DROP TABLE portfolios")),
    ],
};

const PORTFOLIOS: Step = Step::sql(
    "create portfolios",
    ddl!("CREATE TABLE portfolios (id " ID ", \
        name VARCHAR(255) NOT NULL, \
        description VARCHAR(1000), \
        initial_capital FLOAT NOT NULL, \
        current_capital FLOAT NOT NULL, \
        currency VARCHAR(3) NOT NULL, \
        created_at " TIME " NOT NULL, \
        updated_at " TIME " NOT NULL, \
        metadata_json TEXT)"),
);

const POSITIONS: Step = Step::sql(
    "create positions",
    ddl!("CREATE TABLE positions (id " ID ", \
        portfolio_id INTEGER NOT NULL REFERENCES portfolios (id), \
        symbol VARCHAR(20) NOT NULL, \
        quantity FLOAT NOT NULL, \
        average_cost FLOAT NOT NULL, \
        current_price FLOAT NOT NULL, \
        unrealized_pnl FLOAT NOT NULL, \
        realized_pnl FLOAT NOT NULL, \
        position_type VARCHAR(10) NOT NULL, \
        entry_date " TIME ", \
        created_at " TIME " NOT NULL, \
        updated_at " TIME " NOT NULL, \
        metadata_json TEXT)"),
);

const TRADES: Step = Step::sql(
    "create trades",
    ddl!("CREATE TABLE trades (id " ID ", \
        portfolio_id INTEGER NOT NULL REFERENCES portfolios (id), \
        symbol VARCHAR(20) NOT NULL, \
        action VARCHAR(10) NOT NULL, \
        quantity FLOAT NOT NULL, \
        order_type VARCHAR(20) NOT NULL, \
        limit_price FLOAT, \
        stop_price FLOAT, \
        status VARCHAR(20) NOT NULL, \
        filled_quantity FLOAT NOT NULL, \
        average_fill_price FLOAT, \
        created_at " TIME " NOT NULL, \
        updated_at " TIME " NOT NULL, \
        filled_at " TIME ", \
        decision_rationale TEXT, \
        confidence_score FLOAT, \
        metadata_json TEXT)"),
);

const EXECUTIONS: Step = Step::sql(
    "create executions",
    ddl!("CREATE TABLE executions (id " ID ", \
        trade_id INTEGER NOT NULL REFERENCES trades (id), \
        symbol VARCHAR(20) NOT NULL, \
        quantity FLOAT NOT NULL, \
        price FLOAT NOT NULL, \
        execution_type VARCHAR(20) NOT NULL, \
        commission FLOAT NOT NULL, \
        fees FLOAT NOT NULL, \
        exchange VARCHAR(50), \
        execution_id VARCHAR(100) UNIQUE, \
        executed_at " TIME " NOT NULL, \
        metadata_json TEXT)"),
);

const TRADING_SESSIONS: Step = Step::sql(
    "create trading_sessions",
    ddl!("CREATE TABLE trading_sessions (id " ID ", \
        portfolio_id INTEGER NOT NULL REFERENCES portfolios (id), \
        session_type VARCHAR(20) NOT NULL, \
        status VARCHAR(20) NOT NULL, \
        name VARCHAR(255), \
        description VARCHAR(1000), \
        max_position_size FLOAT, \
        max_portfolio_exposure FLOAT, \
        stop_loss_percentage FLOAT, \
        take_profit_percentage FLOAT, \
        starting_capital FLOAT NOT NULL, \
        current_capital FLOAT NOT NULL, \
        total_pnl FLOAT NOT NULL, \
        total_trades INTEGER NOT NULL, \
        winning_trades INTEGER NOT NULL, \
        losing_trades INTEGER NOT NULL, \
        started_at " TIME " NOT NULL, \
        stopped_at " TIME ", \
        metadata_json TEXT)"),
);
