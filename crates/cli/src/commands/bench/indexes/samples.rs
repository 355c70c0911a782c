//! The rows that are read and inserted.

use anyhow::{Result, ensure};
use rust_decimal::Decimal;
use tallybook::book::{Action, NewPosition, NewTrade, PortfolioId, TradingSessionId};
use tallybook::{Database, ReadSession};
use tallybook::{Row, all, one, params};

/// Trades of a portfolio at each size, so that a read returns the same number of rows at each.
pub(super) const TRADES_PER_PORTFOLIO: u32 = 200;
/// Number of rows of each kind to read in turn.
const SAMPLES: i64 = 20;
/// Trades of a session to read: a quarter of its portfolio's, which has three to four sessions.
const TRADES_PER_SESSION: i64 = TRADES_PER_PORTFOLIO as i64 / 4;
/// Number of parents for inserted rows.
const PARENTS: i64 = 1_000;

/// Portfolios and sessions of equal size at each size of the book. The generated book has larger and smaller ones,
/// and its largest grow with it.
pub(super) struct Samples {
    pub(super) portfolios: Vec<PortfolioId>,
    pub(super) sessions: Vec<TradingSessionId>,
    pub(super) positions: Vec<(PortfolioId, String)>,
    /// Portfolio, session and symbol of trades throughout the book, for new rows, so that inserts hit all parts of
    /// the indexes.
    parents: Vec<(PortfolioId, TradingSessionId, String)>,
}

pub(super) async fn take(db: &Database) -> Result<Samples> {
    let mut session = db.read().await?;
    let samples = Samples {
        portfolios: near(&mut session, "portfolio_id", TRADES_PER_PORTFOLIO.into()).await?,
        sessions: near(&mut session, "session_id", TRADES_PER_SESSION).await?,
        positions: positions(&mut session).await?,
        parents: parents(&mut session).await?,
    };
    ensure!(
        !(samples.sessions.is_empty() || samples.positions.is_empty() || samples.parents.is_empty()),
        "the scratch copy is too small to read from; give a larger size"
    );
    Ok(samples)
}

/// Returns the parents whose number of trades is nearest to `trades`.
async fn near<T>(session: &mut ReadSession, parent: &str, trades: i64) -> Result<Vec<T>>
where
    (T,): Row,
{
    let sql = format!(
        "SELECT {parent} FROM trades WHERE {parent} IS NOT NULL GROUP BY {parent} \
         ORDER BY abs(count(*) - $1), {parent} LIMIT $2"
    );
    let rows = session.run(all::<(T,)>(sql, params![trades, SAMPLES])).await?;
    Ok(rows.into_iter().map(|(parent,)| parent).collect())
}

/// Returns a position of each portfolio that is read.
async fn positions(session: &mut ReadSession) -> Result<Vec<(PortfolioId, String)>> {
    let sql = "SELECT portfolio_id, max(symbol) FROM positions WHERE portfolio_id IN \
         (SELECT portfolio_id FROM trades GROUP BY portfolio_id ORDER BY abs(count(*) - $1), portfolio_id LIMIT $2) \
         GROUP BY portfolio_id ORDER BY portfolio_id";
    Ok(session.run(all(sql, params![i64::from(TRADES_PER_PORTFOLIO), SAMPLES])).await?)
}

async fn parents(session: &mut ReadSession) -> Result<Vec<(PortfolioId, TradingSessionId, String)>> {
    let (trades,) = session.run(one::<(i64,)>("SELECT count(*) FROM trades", params![])).await?;
    let sql = "SELECT portfolio_id, session_id, symbol FROM trades \
         WHERE id % $1 = 0 AND session_id IS NOT NULL ORDER BY id LIMIT $2";
    Ok(session.run(all(sql, params![(trades / PARENTS).max(1), PARENTS])).await?)
}

impl Samples {
    /// Returns the trade to insert in this turn.
    pub(super) fn trade(&self, turn: usize) -> NewTrade {
        let (portfolio, session, symbol) = &self.parents[turn % self.parents.len()];
        let trade = NewTrade::market(*portfolio, Action::Buy, symbol, Decimal::TEN);
        NewTrade { session_id: Some(*session), ..trade }
    }

    /// Returns the position to insert in this turn, in a symbol of its own.
    pub(super) fn position(&self, turn: usize) -> NewPosition {
        let (portfolio, _, symbol) = &self.parents[turn % self.parents.len()];
        NewPosition::new(*portfolio, format!("{symbol}.{turn}"), Decimal::TEN, Decimal::ONE_HUNDRED)
    }
}
