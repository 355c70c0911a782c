//! Which rows are read, and which are inserted.

use anyhow::{Result, ensure};
use rust_decimal::Decimal;
use tallybook::engine::{Row, all, one, params};
use tallybook::{Action, Database, NewPosition, NewTrade, PortfolioId, ReadSession, SessionId};

use super::TRADES_PER_PORTFOLIO;

/// Rows of each kind to read in turn.
const SAMPLES: i64 = 20;
/// Trades of a session to look for: one in four of its portfolio's, which has three to four sessions.
const TRADES_PER_SESSION: i64 = TRADES_PER_PORTFOLIO as i64 / 4;
/// Parents of the rows that are inserted.
const PARENTS: i64 = 1_000;

/// Portfolios and sessions as large at each size of the book: the made-up book has larger and smaller ones, and
/// its largest grow with it.
pub(super) struct Samples {
    pub(super) portfolios: Vec<PortfolioId>,
    pub(super) sessions: Vec<SessionId>,
    pub(super) positions: Vec<(PortfolioId, String)>,
    /// Trades of all the book, whose portfolio, session and symbol new rows get: they fall all over the indexes.
    parents: Vec<(PortfolioId, SessionId, String)>,
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

/// The parents whose number of trades is nearest to `trades`.
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

/// A position of each of the portfolios that are read.
async fn positions(session: &mut ReadSession) -> Result<Vec<(PortfolioId, String)>> {
    let sql = "SELECT portfolio_id, max(symbol) FROM positions WHERE portfolio_id IN \
         (SELECT portfolio_id FROM trades GROUP BY portfolio_id ORDER BY abs(count(*) - $1), portfolio_id LIMIT $2) \
         GROUP BY portfolio_id ORDER BY portfolio_id";
    Ok(session.run(all(sql, params![i64::from(TRADES_PER_PORTFOLIO), SAMPLES])).await?)
}

async fn parents(session: &mut ReadSession) -> Result<Vec<(PortfolioId, SessionId, String)>> {
    let (trades,) = session.run(one::<(i64,)>("SELECT count(*) FROM trades", params![])).await?;
    let sql = "SELECT portfolio_id, session_id, symbol FROM trades \
         WHERE id % $1 = 0 AND session_id IS NOT NULL ORDER BY id LIMIT $2";
    Ok(session.run(all(sql, params![(trades / PARENTS).max(1), PARENTS])).await?)
}

impl Samples {
    /// The trade to insert whose turn it is.
    pub(super) fn trade(&self, turn: usize) -> NewTrade {
        let (portfolio, session, symbol) = &self.parents[turn % self.parents.len()];
        let trade = NewTrade::market(*portfolio, Action::Buy, symbol, Decimal::TEN);
        NewTrade { session_id: Some(*session), ..trade }
    }

    /// The position to insert whose turn it is.
    pub(super) fn position(&self, turn: usize) -> NewPosition {
        let (portfolio, _, symbol) = &self.parents[turn % self.parents.len()];
        NewPosition::new(*portfolio, symbol, Decimal::TEN, Decimal::ONE_HUNDRED)
    }
}
