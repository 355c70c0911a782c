//! The schema is exactly that of existing databases, including all names.

use tallybook::Database;
use tallybook::{Dialect, Statement};
use tallybook_testkit::both_dialects;

use crate::support::{book, rows};

/// Every column of the book: its type and nullability.
const COLUMNS: &str = "
executions.commission float not null
executions.exchange varchar(50)
executions.executed_at timestamp not null
executions.execution_id varchar(100)
executions.execution_type varchar(20) not null
executions.fees float not null
executions.id integer not null
executions.mark varchar(20)
executions.metadata_json text
executions.price float not null
executions.quantity float not null
executions.realized_pnl float
executions.reverses_id integer
executions.symbol varchar(20) not null
executions.trade_id integer not null
portfolios.created_at timestamp not null
portfolios.currency varchar(3) not null
portfolios.current_capital float not null
portfolios.description varchar(1000)
portfolios.id integer not null
portfolios.initial_capital float not null
portfolios.metadata_json text
portfolios.name varchar(255) not null
portfolios.updated_at timestamp not null
positions.average_cost float not null
positions.created_at timestamp not null
positions.current_price float not null
positions.entry_date timestamp
positions.id integer not null
positions.metadata_json text
positions.portfolio_id integer not null
positions.position_type varchar(10) not null
positions.quantity float not null
positions.realized_pnl float not null
positions.symbol varchar(20) not null
positions.unrealized_pnl float not null
positions.updated_at timestamp not null
trades.action varchar(10) not null
trades.average_fill_price float
trades.confidence_score float
trades.created_at timestamp not null
trades.decision_rationale text
trades.filled_at timestamp
trades.filled_quantity float not null
trades.id integer not null
trades.limit_price float
trades.metadata_json text
trades.order_type varchar(20) not null
trades.portfolio_id integer not null
trades.quantity float not null
trades.realized_pnl float
trades.session_id integer
trades.status varchar(20) not null
trades.stop_price float
trades.symbol varchar(20) not null
trades.updated_at timestamp not null
trading_sessions.current_capital float not null
trading_sessions.description varchar(1000)
trading_sessions.id integer not null
trading_sessions.losing_trades integer not null
trading_sessions.max_portfolio_exposure float
trading_sessions.max_position_size float
trading_sessions.metadata_json text
trading_sessions.name varchar(255)
trading_sessions.portfolio_id integer not null
trading_sessions.session_type varchar(20) not null
trading_sessions.started_at timestamp not null
trading_sessions.starting_capital float not null
trading_sessions.status varchar(20) not null
trading_sessions.stop_loss_percentage float
trading_sessions.stopped_at timestamp
trading_sessions.take_profit_percentage float
trading_sessions.total_pnl float not null
trading_sessions.total_trades integer not null
trading_sessions.winning_trades integer not null
";

/// Every foreign key, with its ON DELETE action.
const KEYS: &str = "
executions.reverses_id -> executions.id no action
executions.trade_id -> trades.id no action
positions.portfolio_id -> portfolios.id no action
trades.portfolio_id -> portfolios.id no action
trades.session_id -> trading_sessions.id no action
trading_sessions.portfolio_id -> portfolios.id no action
";

/// Every named index.
const INDEXES: &str = "
ix_executions_executed_at: executions (executed_at)
ix_executions_reverses_id: executions (reverses_id) unique
ix_executions_symbol: executions (symbol)
ix_executions_trade_id: executions (trade_id)
ix_portfolios_name: portfolios (name) unique
ix_positions_portfolio_id: positions (portfolio_id)
ix_positions_portfolio_symbol: positions (portfolio_id, symbol) unique
ix_positions_symbol: positions (symbol)
ix_trades_created_at: trades (created_at)
ix_trades_portfolio_created: trades (portfolio_id, created_at)
ix_trades_portfolio_id: trades (portfolio_id)
ix_trades_portfolio_status: trades (portfolio_id, status)
ix_trades_session_id: trades (session_id)
ix_trades_status: trades (status)
ix_trades_symbol: trades (symbol)
ix_trading_sessions_portfolio_id: trading_sessions (portfolio_id)
ix_trading_sessions_session_type: trading_sessions (session_type)
ix_trading_sessions_started_at: trading_sessions (started_at)
ix_trading_sessions_status: trading_sessions (status)
";

/// The unique constraints.
const UNIQUE: &str = "
executions primary key (id)
executions unique (execution_id)
portfolios primary key (id)
positions primary key (id)
trades primary key (id)
trading_sessions primary key (id)
";

const COLUMNS_FOUND: Statement = Statement::per_dialect(
    "SELECT format('%s.%s %s%s', c.relname, a.attname, \
       CASE split_part(format_type(a.atttypid, a.atttypmod), '(', 1) \
         WHEN 'character varying' THEN 'varchar(' || a.atttypmod - 4 || ')' \
         WHEN 'double precision' THEN 'float' \
         WHEN 'timestamp without time zone' THEN 'timestamp' \
         ELSE format_type(a.atttypid, a.atttypmod) END, \
       CASE WHEN a.attnotnull THEN ' not null' END) \
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' \
       AND c.relname NOT LIKE 'tallybook%' AND a.attnum > 0 AND NOT a.attisdropped",
    "SELECT m.name || '.' || c.name || ' ' || replace(lower(c.type), 'datetime', 'timestamp') || \
       CASE c.\"notnull\" WHEN 1 THEN ' not null' ELSE '' END \
     FROM sqlite_master m, pragma_table_info(m.name) c \
     WHERE m.type = 'table' AND m.name NOT LIKE 'tallybook%'",
);

const KEYS_FOUND: Statement = Statement::per_dialect(
    "SELECT format('%s.%s -> %s.%s %s', conrelid::regclass, a.attname, confrelid::regclass, b.attname, \
       CASE confdeltype WHEN 'a' THEN 'no action' ELSE confdeltype::text END) \
     FROM pg_constraint \
     JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = ANY(conkey) \
     JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = ANY(confkey) \
     WHERE contype = 'f'",
    "SELECT m.name || '.' || k.\"from\" || ' -> ' || k.\"table\" || '.' || k.\"to\" || ' ' || lower(k.on_delete) \
     FROM sqlite_master m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table'",
);

const INDEXES_FOUND: Statement = Statement::per_dialect(
    "SELECT format('%s: %s (%s)%s', c.relname, t.relname, \
       string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int2[], a.attnum)), \
       CASE WHEN i.indisunique THEN ' unique' END) \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
     JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY(i.indkey) \
     WHERE c.relnamespace = current_schema()::regnamespace \
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = c.oid AND contype IN ('p', 'u')) \
     GROUP BY c.relname, t.relname, i.indisunique",
    "SELECT name || ': ' || tbl || ' (' || group_concat(col, ', ') || ')' || CASE uniq WHEN 1 THEN ' unique' ELSE '' END \
     FROM (SELECT i.name AS name, m.name AS tbl, c.name AS col, i.\"unique\" AS uniq \
           FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c \
           WHERE m.type = 'table' AND i.origin = 'c' ORDER BY i.name, c.seqno) \
     GROUP BY name, tbl, uniq",
);

const UNIQUE_FOUND: Statement = Statement::per_dialect(
    "SELECT format('%s %s', conrelid::regclass, lower(pg_get_constraintdef(oid))) \
     FROM pg_constraint WHERE contype IN ('p', 'u') AND connamespace = current_schema()::regnamespace \
       AND conrelid::regclass::text NOT LIKE 'tallybook%'",
    "SELECT m.name || ' unique (' || c.name || ')' \
     FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) c \
     WHERE m.type = 'table' AND i.origin = 'u' \
     UNION ALL \
     SELECT m.name || ' primary key (' || c.name || ')' \
     FROM sqlite_master m, pragma_table_info(m.name) c \
     WHERE m.type = 'table' AND c.pk AND m.name NOT LIKE 'tallybook%'",
);

async fn assert_found(db: &Database, statement: Statement, expected: &str) {
    let mut session = db.read().await.unwrap();
    let mut found: Vec<_> =
        rows::<(String,)>(&mut session, statement).await.into_iter().map(|(line,)| line).collect();
    found.sort();
    assert_eq!(found.join("\n"), expected.trim());
}

both_dialects! {
    async fn the_columns_are_those_that_existing_databases_have(url: &str) {
        assert_found(&book(url).await, COLUMNS_FOUND, COLUMNS).await;
    }

    async fn the_foreign_keys_are_those_that_existing_databases_have(url: &str) {
        assert_found(&book(url).await, KEYS_FOUND, KEYS).await;
    }

    async fn the_indexes_are_those_that_existing_databases_have(url: &str) {
        assert_found(&book(url).await, INDEXES_FOUND, INDEXES).await;
    }

    async fn the_unique_columns_are_those_that_existing_databases_have(url: &str) {
        assert_found(&book(url).await, UNIQUE_FOUND, UNIQUE).await;
    }

    async fn the_key_of_the_optimisation_has_its_name(url: &str) {
        let db = book(url).await;
        let named = Statement::per_dialect(
            "SELECT conname::text FROM pg_constraint \
             WHERE conrelid = 'trades'::regclass AND confrelid = 'trading_sessions'::regclass",
            "SELECT substr(sql, instr(sql, 'fk_'), 20) FROM sqlite_master WHERE name = 'trades'",
        );
        let found = rows::<(String,)>(&mut db.read().await.unwrap(), named).await;
        assert_eq!(found, [("fk_trades_session_id".to_owned(),)]);
    }

    async fn identifiers_are_given_by_the_database(url: &str) {
        let db = book(url).await;
        let given = match db.dialect() {
            Dialect::Postgres => "SELECT pg_get_serial_sequence('trades', 'id')",
            // The only form that makes it an alias of the row id.
            Dialect::Sqlite => "SELECT substr(sql, instr(sql, '(id') + 1, 31) FROM sqlite_master WHERE name = 'trades'",
        };
        let expected = match db.dialect() {
            Dialect::Postgres => "public.trades_id_seq",
            Dialect::Sqlite => "id INTEGER NOT NULL PRIMARY KEY",
        };
        let found = rows::<(String,)>(&mut db.read().await.unwrap(), given).await;
        assert_eq!(found, [(expected.to_owned(),)]);
    }
}
