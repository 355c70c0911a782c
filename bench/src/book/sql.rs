//! The statements, for peers that write SQL: those of Tallybook.

/// Selects all columns of a table, in the order of [`rows`](super::rows).
macro_rules! select {
    (portfolios $($rest:expr),*) => { concat!(
        "SELECT id, name, description, initial_capital, current_capital, currency, created_at, updated_at, \
         metadata_json FROM portfolios ", $($rest),*) };
    (positions $($rest:expr),*) => { concat!(
        "SELECT id, portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, \
         position_type, entry_date, created_at, updated_at, metadata_json FROM positions ", $($rest),*) };
    (trades $($rest:expr),*) => { concat!(
        "SELECT id, portfolio_id, session_id, symbol, action, quantity, order_type, limit_price, stop_price, \
         status, filled_quantity, average_fill_price, created_at, updated_at, filled_at, decision_rationale, \
         confidence_score, metadata_json, realized_pnl FROM trades ", $($rest),*) };
    (executions $($rest:expr),*) => { concat!(
        "SELECT id, trade_id, symbol, quantity, price, execution_type, commission, fees, exchange, execution_id, \
         executed_at, metadata_json, realized_pnl, reverses_id, mark FROM executions ", $($rest),*) };
    (trading_sessions $($rest:expr),*) => { concat!(
        "SELECT id, portfolio_id, session_type, status, name, description, max_position_size, \
         max_portfolio_exposure, stop_loss_percentage, take_profit_percentage, starting_capital, \
         current_capital, total_pnl, total_trades, winning_trades, losing_trades, started_at, stopped_at, \
         metadata_json FROM trading_sessions ", $($rest),*) };
}

pub(super) const PORTFOLIO: &str = select!(portfolios "WHERE id = $1");
pub(super) const POSITIONS: &str = select!(positions "WHERE portfolio_id = $1 ORDER BY id DESC");
pub(super) const TRADES: &str = select!(trades "WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC");
pub(super) const SESSIONS: &str =
    select!(trading_sessions "WHERE portfolio_id = $1 ORDER BY started_at DESC, id DESC");
pub(super) const NEWEST_TRADES: &str =
    select!(trades "WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2");
/// Needs no trades to be read before, so it may travel with [`NEWEST_TRADES`].
pub(super) const EXECUTIONS_OF_NEWEST: &str = select!(executions
    "WHERE trade_id IN (SELECT id FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2) \
     ORDER BY executed_at DESC, id DESC");
/// The same for PostgreSQL, as Tallybook asks it.
pub(super) const EXECUTIONS_OF_NEWEST_BY_ARRAY: &str = select!(executions
    "WHERE trade_id = ANY(ARRAY(SELECT id FROM trades WHERE portfolio_id = $1 ORDER BY created_at DESC, id DESC \
     LIMIT $2)) ORDER BY executed_at DESC, id DESC");
pub(super) const BY_SYMBOL: &str =
    select!(positions "WHERE portfolio_id = $1 AND symbol = $2 ORDER BY id DESC");
pub(super) const BY_SESSION: &str = select!(trades "WHERE session_id = $1 ORDER BY created_at DESC, id DESC");
pub(super) const PAGE: &str =
    select!(trades "WHERE (created_at, id) < ($1, $2) ORDER BY created_at DESC, id DESC LIMIT $3");
pub(super) const INSERT_TRADE: &str = "INSERT INTO trades (portfolio_id, session_id, symbol, action, quantity, \
    order_type, limit_price, stop_price, status, filled_quantity, average_fill_price, created_at, updated_at, \
    filled_at, decision_rationale, confidence_score, metadata_json, realized_pnl) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING id";
pub(super) const INSERT_EXECUTION: &str = "INSERT INTO executions (trade_id, symbol, quantity, price, \
    execution_type, commission, fees, exchange, execution_id, executed_at, metadata_json, realized_pnl, \
    reverses_id, mark) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id";

/// The statements that take a list, by what stands behind the column.
macro_rules! of_many {
    ($(#[$doc:meta])* $name:ident: $list:literal) => {
        $(#[$doc])*
        pub(super) mod $name {
            pub(in crate::book) const EXECUTIONS: &str =
                select!(executions "WHERE trade_id ", $list, " ORDER BY executed_at DESC, id DESC");
            pub(in crate::book) const PORTFOLIOS: &str =
                select!(portfolios "WHERE id ", $list, " ORDER BY id");
            pub(in crate::book) const POSITIONS: &str =
                select!(positions "WHERE portfolio_id ", $list, " ORDER BY id DESC");
        }
    };
}

of_many! {
    /// PostgreSQL takes an array.
    array: "= ANY($1)"
}
of_many! {
    /// rusqlite has a virtual table for a list of values.
    rarray: "IN rarray($1)"
}
of_many! {
    /// SQLite takes a list as a JSON text.
    json: "IN (SELECT value FROM json_each($1))"
}

/// The statements that read what a fill changes, by what stands behind a row that is locked. Those "of the order" need no row
/// to be read before, so they may travel with it.
macro_rules! of_fill {
    ($(#[$doc:meta])* $name:ident: $lock:literal, $lock_position:literal) => {
        $(#[$doc])*
        pub(super) mod $name {
            pub(in crate::book) const CAPITAL: &str =
                concat!("SELECT current_capital FROM portfolios WHERE id = $1", $lock);
            pub(in crate::book) const TRADE: &str = concat!(
                "SELECT session_id, symbol, action, quantity, status, filled_quantity, average_fill_price, \
                 realized_pnl, filled_at FROM trades WHERE id = $1", $lock);
            pub(in crate::book) const POSITION: &str = concat!(
                "SELECT id, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, \
                 entry_date FROM positions WHERE portfolio_id = $1 AND symbol = $2", $lock_position);
        }
    };
}

of_fill! {
    /// The rows are locked.
    locking: " FOR NO KEY UPDATE", " FOR UPDATE"
}
of_fill! {
    /// The transaction is the only one that writes.
    alone: "", ""
}

/// The position that an order changes.
pub(super) const POSITION_OF_TRADE: &str = "SELECT id, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, entry_date \
     FROM positions WHERE (portfolio_id, symbol) = (SELECT portfolio_id, symbol FROM trades WHERE id = $1) FOR UPDATE";
pub(super) const TOTALS: &str = "SELECT current_capital, total_pnl, total_trades, winning_trades, losing_trades \
    FROM trading_sessions WHERE id = $1";
/// The totals that an order changes.
pub(super) const TOTALS_OF_TRADE: &str = "SELECT current_capital, total_pnl, total_trades, winning_trades, losing_trades \
    FROM trading_sessions WHERE id = (SELECT session_id FROM trades WHERE id = $1)";
pub(super) const RECORDED: &str = "SELECT id FROM executions WHERE execution_id = $1";
pub(super) const UPDATE_CAPITAL: &str =
    "UPDATE portfolios SET current_capital = $1, updated_at = $2 WHERE id = $3";
pub(super) const UPDATE_TRADE: &str = "UPDATE trades SET status = $1, filled_quantity = $2, average_fill_price = $3, \
    realized_pnl = $4, filled_at = $5, updated_at = $6 WHERE id = $7";
pub(super) const UPDATE_TOTALS: &str = "UPDATE trading_sessions SET current_capital = $1, total_pnl = $2, \
    total_trades = $3, winning_trades = $4, losing_trades = $5 WHERE id = $6";
pub(super) const UPDATE_POSITION: &str = "UPDATE positions SET quantity = $1, average_cost = $2, current_price = $3, \
    unrealized_pnl = $4, realized_pnl = $5, position_type = $6, entry_date = $7, updated_at = $8 WHERE id = $9";
pub(super) const INSERT_POSITION: &str = "INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, \
    current_price, unrealized_pnl, realized_pnl, position_type, entry_date, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)";
