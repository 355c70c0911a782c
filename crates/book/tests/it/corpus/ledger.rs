//! The book that the cases query, and additional tables as applications have them.

use tallybook::Database;
use tallybook::book::{
    Action, Execution, LimitOffset, NewExecution, NewPortfolio, NewPosition, NewTrade, NewTradingSession,
    Portfolio, PortfolioId, Position, SessionType, Trade, TradeId, TradeStatus, TradingSession,
    TradingSessionId,
};
use tallybook::{execute, params};
use tallybook_testkit::Original;

use crate::support::{load, sql, time, write};
use crate::template_books::filled;

pub(crate) const PORTFOLIOS: i64 = 8;
pub(crate) const TRADES: i64 = 24;
pub(crate) const EXECUTIONS: i64 = 48;
pub(crate) const EVENTS: i64 = 151;

pub(crate) const ALL: LimitOffset = LimitOffset::first(1_000);

pub(crate) static LEDGER: Original = Original::new("ledger", |url| Box::pin(filled(url, fill)));

const TABLES: [&str; 9] = [
    "CREATE TABLE notes (id bigint PRIMARY KEY, parent_id bigint, title text NOT NULL)",
    "CREATE TABLE links (id bigint PRIMARY KEY, next_id bigint)",
    "CREATE TABLE instruments (external_id text PRIMARY KEY, symbol text NOT NULL)",
    "CREATE TABLE quotes (id bigint PRIMARY KEY, external_id text NOT NULL, price bigint NOT NULL)",
    "CREATE TABLE holdings (portfolio_id bigint, symbol text, quantity bigint, UNIQUE (portfolio_id, symbol))",
    "CREATE TABLE lots (id bigint PRIMARY KEY, portfolio_id bigint, symbol text, quantity bigint)",
    "CREATE TABLE preferences (name text PRIMARY KEY, value text NOT NULL)",
    "CREATE TABLE jobs (id bigint PRIMARY KEY, status text NOT NULL, attempts bigint NOT NULL)",
    "CREATE TABLE events (id bigint PRIMARY KEY, trade_id bigint NOT NULL, level bigint NOT NULL)",
];

async fn fill(db: Database) {
    for table in TABLES {
        sql(&db, table).await;
    }
    write(&db, async |session| {
        load::<Portfolio>(session, (1..=PORTFOLIOS).map(portfolio)).await;
        load::<Position>(session, (0..TRADES).map(position)).await;
        load::<TradingSession>(session, (0..PORTFOLIOS * 2).map(trading_session)).await;
        load::<Trade>(session, (0..TRADES).map(trade)).await;
        load::<Execution>(session, (0..EXECUTIONS).map(execution)).await;
        session.run(rows_of_other_tables()).await?;
        Ok(())
    })
    .await;
}

/// A tree of 1 + 3 + 9 notes, a chain of 12 links, and rows for the symbols and trades of the book.
fn rows_of_other_tables() -> Vec<tallybook::Execute> {
    let note = |id: i64| {
        let parent = (id > 1).then_some((id + 1) / 3);
        execute("INSERT INTO notes VALUES ($1, $2, $3)", params![id, parent, format!("note {id}")])
    };
    let link =
        |id: i64| execute("INSERT INTO links VALUES ($1, $2)", params![id, (id < 12).then_some(id + 1)]);
    let instrument = |number: i64| {
        let values = params![external(number), symbol(number)];
        execute("INSERT INTO instruments VALUES ($1, $2)", values)
    };
    let quote =
        |id: i64| execute("INSERT INTO quotes VALUES ($1, $2, $3)", params![id, external(id), id * 10]);
    let holding = |number: i64| {
        let values = params![number / 6 + 1, symbol(number % 6), number];
        execute("INSERT INTO holdings VALUES ($1, $2, $3)", values)
    };
    let lot = |number: i64| {
        let values = params![number + 1, number / 6 + 1, symbol(number % 6), number];
        execute("INSERT INTO lots VALUES ($1, $2, $3, $4)", values)
    };
    let event = |id: i64| {
        execute("INSERT INTO events VALUES ($1, $2, $3)", params![id, id % TRADES + 1, id % 10 + 1])
    };
    let preference = execute("INSERT INTO preferences VALUES ('currency', 'EUR')", params![]);
    let job = |id: i64| execute("INSERT INTO jobs VALUES ($1, 'waiting', 0)", params![id]);
    let first = (1..=13).map(note).chain((1..=12).map(link)).chain((0..12).map(instrument));
    let second = (0..12).map(quote).chain((0..24).map(holding)).chain((0..24).map(lot));
    first.chain(second).chain((1..=EVENTS).map(event)).chain([preference]).chain((1..=3).map(job)).collect()
}

pub(crate) fn symbol(number: i64) -> String {
    format!("S{}", number % 12)
}

/// Returns an instrument number as an exchange assigns it.
pub(crate) fn external(number: i64) -> String {
    format!("DE{:010}", number % 12 * 7_919)
}

fn portfolio(number: i64) -> NewPortfolio {
    NewPortfolio { created_at: time(number), ..NewPortfolio::new(format!("portfolio {number}")) }
}

fn position(number: i64) -> NewPosition {
    NewPosition::new(PortfolioId::new(number % PORTFOLIOS + 1), symbol(number), 1.into(), 10.into())
}

fn trading_session(number: i64) -> NewTradingSession {
    let portfolio = PortfolioId::new(number % PORTFOLIOS + 1);
    NewTradingSession { started_at: time(number), ..NewTradingSession::new(portfolio, SessionType::Paper) }
}

fn trade(number: i64) -> NewTrade {
    let portfolio = PortfolioId::new(number % PORTFOLIOS + 1);
    let statuses = [TradeStatus::Pending, TradeStatus::Filled, TradeStatus::Cancelled];
    NewTrade {
        session_id: Some(TradingSessionId::new(number % (PORTFOLIOS * 2) + 1)),
        created_at: time(number),
        status: statuses[number as usize % 3].clone(),
        ..NewTrade::market(portfolio, Action::Buy, symbol(number), (number + 1).into())
    }
}

fn execution(number: i64) -> NewExecution {
    NewExecution {
        execution_id: Some(format!("fill {number}")),
        executed_at: time(number),
        ..NewExecution::new(TradeId::new(number % TRADES + 1), symbol(number), 1.into(), 10.into())
    }
}
