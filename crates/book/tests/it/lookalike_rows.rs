//! A small book whose rows differ only where they should.
//!
//! All portfolios have the same symbols, statuses and times, so a statement that omits a condition finds too many
//! rows. Many rows share a time, identifiers do not follow the order of insertion, trades belong to no session, to
//! one of their portfolio's or to one of another's, and some parents have no child.

use tallybook::Row;
use tallybook::book::{
    Action, Execution, NewExecution, NewPortfolio, NewPosition, NewTrade, NewTradingSession, Portfolio,
    PortfolioId, Position, SessionStatus, SessionType, Table, Trade, TradeId, TradeStatus, TradingSession,
    TradingSessionId,
};
use tallybook::{Database, Session};
use tallybook_testkit::Original;

use crate::support::{analyze, load, rows, sql, time, write};
use crate::template_books::filled;

pub(crate) static LOOKALIKE_ROWS: Original = Original::new("ties", |url| Box::pin(filled(url, fill)));

/// Portfolios with children; one more has none.
const PORTFOLIOS: i64 = 4;
const POSITIONS: i64 = 9;
const SESSIONS: i64 = 6;
const TRADES: i64 = 24;
const EXECUTIONS: i64 = 3;

pub(crate) const SYMBOLS: [&str; 3] = ["AAPL", "BRK.B", "MSFT"];
pub(crate) const STATUSES: [TradeStatus; 3] =
    [TradeStatus::Filled, TradeStatus::Pending, TradeStatus::Rejected];

/// The index as it stays where rows forbid a unique one.
const PLAIN_INDEX: [&str; 2] = [
    "DROP INDEX ix_positions_portfolio_symbol",
    "CREATE INDEX ix_positions_portfolio_symbol ON positions (portfolio_id, symbol)",
];

async fn fill(db: Database) {
    put::<Portfolio>(&db, (0..=PORTFOLIOS).map(portfolio)).await;
    // Other programs keep separate lots of a symbol.
    for statement in PLAIN_INDEX {
        sql(&db, statement).await;
    }
    put::<Position>(&db, children(PORTFOLIOS, POSITIONS).map(position)).await;
    put::<TradingSession>(&db, children(PORTFOLIOS, SESSIONS).map(trading_session)).await;
    put::<Trade>(&db, children(PORTFOLIOS, TRADES).map(trade)).await;
    put::<Execution>(&db, children(PORTFOLIOS * TRADES, EXECUTIONS).filter_map(execution)).await;
    analyze(&db).await;
}

/// Inserts rows, and then renumbers them in another order.
async fn put<T: Table<Key = i64>>(db: &Database, new: impl Iterator<Item = T::New>) {
    write(db, async |session| {
        load::<T>(session, new).await;
        Ok(())
    })
    .await;
    sql(db, format!("UPDATE {} SET id = 1000 + id * 7919 % 10007", T::NAME)).await;
}

/// Returns the identifier of the row inserted at this position.
fn id<T: From<i64>>(number: i64) -> T {
    T::from(1_000 + (number + 1) * 7_919 % 10_007)
}

/// Returns each parent with each of its children's numbers, the children of all parents interleaved.
fn children(parents: i64, each: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..each).flat_map(move |number| (0..parents).map(move |parent| (parent, number)))
}

fn one_of<T: Clone>(words: &[T], number: i64) -> T {
    words[number as usize % words.len()].clone()
}

fn portfolio(number: i64) -> NewPortfolio {
    NewPortfolio {
        created_at: time(0),
        updated_at: time(0),
        ..NewPortfolio::new(format!("portfolio {number}"))
    }
}

fn position((parent, number): (i64, i64)) -> NewPosition {
    NewPosition {
        entry_date: (number % 2 == 0).then(|| time(0)),
        created_at: time(0),
        updated_at: time(0),
        ..NewPosition::new(id(parent), one_of(&SYMBOLS, number), 1.into(), 10.into())
    }
}

fn trading_session((parent, number): (i64, i64)) -> NewTradingSession {
    NewTradingSession {
        status: one_of(&[SessionStatus::Active, SessionStatus::Stopped], number),
        started_at: time(number % 3),
        stopped_at: (number % 2 == 1).then(|| time(9)),
        ..NewTradingSession::new(id(parent), SessionType::Paper)
    }
}

fn trade((parent, number): (i64, i64)) -> NewTrade {
    // Every third trade has a session of its portfolio, every third one of the next portfolio. No trade has the
    // last.
    let session = |of: i64| id(number % (SESSIONS - 1) * PORTFOLIOS + of % PORTFOLIOS);
    NewTrade {
        session_id: [None, Some(session(parent)), Some(session(parent + 1))][number as usize % 3],
        status: one_of(&STATUSES, number / 2),
        created_at: time(number % 4),
        updated_at: time(9),
        filled_at: (number % 2 == 0).then(|| time(9)),
        ..NewTrade::market(id(parent), Action::Buy, one_of(&SYMBOLS, number), 1.into())
    }
}

/// Every other trade has executions, two of them at the same time.
fn execution((parent, number): (i64, i64)) -> Option<NewExecution> {
    let new = NewExecution::new(id(parent), one_of(&SYMBOLS, number), 1.into(), 10.into());
    ((parent / PORTFOLIOS) % 2 == 0).then(|| NewExecution { executed_at: time(number % 2), ..new })
}

/// All rows of the book, unsorted.
pub(crate) struct AllRows {
    pub(crate) portfolios: Vec<Portfolio>,
    pub(crate) positions: Vec<Position>,
    pub(crate) sessions: Vec<TradingSession>,
    pub(crate) trades: Vec<Trade>,
    pub(crate) executions: Vec<Execution>,
}

impl AllRows {
    pub(crate) async fn read(db: &Database) -> Self {
        Self {
            portfolios: everything(db).await,
            positions: everything(db).await,
            sessions: everything(db).await,
            trades: everything(db).await,
            executions: everything(db).await,
        }
    }

    pub(crate) fn portfolio_ids(&self) -> Vec<PortfolioId> {
        self.portfolios.iter().map(|portfolio| portfolio.id).collect()
    }

    pub(crate) fn session_ids(&self) -> Vec<TradingSessionId> {
        self.sessions.iter().map(|session| session.id).collect()
    }

    pub(crate) fn trade_ids(&self) -> Vec<TradeId> {
        self.trades.iter().map(|trade| trade.id).collect()
    }
}

/// Returns all rows of a table, by a statement of the test's own.
pub(crate) async fn everything<T: Table<Key = i64>>(db: &Database) -> Vec<T> {
    all_of(&mut db.read().await.unwrap()).await
}

/// As [`everything`], as a session sees them.
pub(crate) async fn all_of<T: Table<Key = i64>>(session: &mut impl Session) -> Vec<T> {
    rows(session, format!("SELECT {} FROM {}", <T as Row>::COLUMN_LIST, T::NAME)).await
}
