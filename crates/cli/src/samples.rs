//! The rows with which reads are measured.

use anyhow::{Result, bail};
use tallybook::book::{PortfolioId, TradeId, TradingSessionId};
use tallybook::{Database, ReadSession};
use tallybook::{Row, all, one, optional, params};

/// Number of sampled rows of each table.
const SAMPLES: i64 = 500;

/// Rows spread over the book, used in turn: reading one row repeatedly would measure only a warm cache.
pub(crate) struct Samples {
    pub(crate) portfolios: Vec<PortfolioId>,
    pub(crate) positions: Vec<(PortfolioId, String)>,
    pub(crate) sessions: Vec<TradingSessionId>,
    pub(crate) trades: Vec<TradeId>,
    /// The portfolio with the most trades.
    pub(crate) busiest: PortfolioId,
}

pub(crate) async fn take(db: &Database) -> Result<Samples> {
    let mut session = db.read().await?;
    let busiest = session
        .run(optional::<(PortfolioId,)>(
            "SELECT portfolio_id FROM trades GROUP BY portfolio_id ORDER BY count(*) DESC, portfolio_id LIMIT 1",
            params![],
        ))
        .await?;
    let Some((busiest,)) = busiest else { bail!("the book holds no trades to read\nnext: tallybook seed") };
    let samples = Samples {
        portfolios: spread(&mut session, "portfolios", "id").await?.into_iter().map(|(id,)| id).collect(),
        positions: spread(&mut session, "positions", "portfolio_id, symbol").await?,
        sessions: spread(&mut session, "trading_sessions", "id").await?.into_iter().map(|(id,)| id).collect(),
        trades: spread(&mut session, "trades", "id").await?.into_iter().map(|(id,)| id).collect(),
        busiest,
    };
    if samples.portfolios.is_empty() || samples.positions.is_empty() || samples.sessions.is_empty() {
        bail!("the book holds no positions or no trading sessions to read");
    }
    Ok(samples)
}

/// Selects every n-th row of a table: the same ones in each run.
async fn spread<T: Row>(session: &mut ReadSession, table: &str, columns: &str) -> Result<Vec<T>> {
    let (rows,) = session.run(one::<(i64,)>(format!("SELECT count(*) FROM {table}"), params![])).await?;
    let sql = format!("SELECT {columns} FROM {table} WHERE id % $1 = 0 ORDER BY id LIMIT {SAMPLES}");
    Ok(session.run(all::<T>(sql, params![(rows / SAMPLES).max(1)])).await?)
}
