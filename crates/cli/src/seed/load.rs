//! Bulk load of a generated book, in one transaction.

use anyhow::Result;
use indicatif::ProgressBar;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tallybook::book::{Execution, Portfolio, Position, Repository, Table, Trade, TradingSession};
use tallybook::{Database, WriteSession};
use tallybook::{execute, params};

use super::market::Market;
use super::portfolio::make;
use super::rows::{LastIds, Rows};
use super::sizes::sizes;
use crate::args::Size;

/// Numbers of generated rows.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Seeded {
    pub(crate) portfolios: i64,
    pub(crate) positions: i64,
    pub(crate) trades: i64,
    pub(crate) executions: i64,
    pub(crate) trading_sessions: i64,
}

/// Returns whether the book has no portfolio, and so no rows at all.
async fn is_empty(session: &mut WriteSession) -> Result<bool> {
    Ok(Repository::<_, Portfolio>::new(session).count().await? == 0)
}

/// Fills an empty book; returns `None` if it is not empty.
pub(crate) async fn load(db: &Database, size: Size, bar: &ProgressBar) -> Result<Option<Seeded>> {
    let mut session = db.begin().await?;
    if !is_empty(&mut session).await? {
        return Ok(None);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(size.seed);
    let market = Market::new(&mut rng);
    let mut ids = LastIds::default();
    let mut rows = Rows::default();
    for trades in sizes(size.portfolios, size.trades, &mut rng) {
        make(&market, trades, &mut ids, &mut rng, &mut rows)?;
    }
    rows.arrange();
    send(&mut session, rows, bar).await?;
    finish(session).await?;
    Ok(Some(Seeded {
        portfolios: ids.portfolio,
        positions: ids.position,
        trades: ids.trade,
        executions: ids.execution,
        trading_sessions: ids.session,
    }))
}

/// Loads parents before their children.
async fn send(session: &mut WriteSession, rows: Rows, bar: &ProgressBar) -> Result<()> {
    send_table(session, rows.portfolios, |_| {}).await?;
    send_table(session, rows.sessions, |_| {}).await?;
    send_table(session, rows.trades, |_| bar.inc(1)).await?;
    send_table(session, rows.executions, |_| {}).await?;
    send_table(session, rows.positions, |_| {}).await
}

async fn send_table<T: Table<Key = i64>>(
    session: &mut WriteSession,
    rows: Vec<T>,
    loaded: impl Fn(&T),
) -> Result<()> {
    let mut repository = Repository::<_, T>::new(session);
    let mut load = repository.bulk_load(None).await?;
    for row in rows {
        load.write(&row).await?;
        loaded(&row);
    }
    load.finish().await?;
    Ok(repository.sync_sequence().await?)
}

/// Commits and refreshes statistics: without them the planner would ignore the indexes. Other tables are not
/// touched.
async fn finish(mut session: WriteSession) -> Result<()> {
    let tables = [Portfolio::NAME, TradingSession::NAME, Trade::NAME, Execution::NAME, Position::NAME];
    let analyze = tables.map(|table| execute(format!("ANALYZE {table}"), params![]));
    session.run(Vec::from(analyze)).await?;
    session.commit().await?;
    Ok(())
}
