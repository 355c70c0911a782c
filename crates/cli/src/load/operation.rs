//! The operations of a load.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use tallybook::Counts;
use tallybook::Database;
use tallybook::book::{
    Action, Executions, LimitOffset, NewExecution, NewTrade, PortfolioId, Portfolios, Positions, Result,
    Trades,
};

use crate::samples::Samples;

/// The first page of a list of trades.
const LIST: LimitOffset = LimitOffset::first(20);

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    PositionBySymbol,
    NewestTrades,
    TradesOfSession,
    WholePortfolio,
    NewTrade,
}

pub(crate) const KINDS: [Kind; 5] =
    [Kind::PositionBySymbol, Kind::NewestTrades, Kind::TradesOfSession, Kind::WholePortfolio, Kind::NewTrade];

/// Ten reads in the proportions of a front end: many small, few large.
const READS: [Kind; 10] = [
    Kind::PositionBySymbol,
    Kind::PositionBySymbol,
    Kind::PositionBySymbol,
    Kind::PositionBySymbol,
    Kind::NewestTrades,
    Kind::NewestTrades,
    Kind::NewestTrades,
    Kind::TradesOfSession,
    Kind::TradesOfSession,
    Kind::WholePortfolio,
];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::PositionBySymbol => "position by symbol",
            Kind::NewestTrades => "newest trades",
            Kind::TradesOfSession => "trades of a session",
            Kind::WholePortfolio => "portfolio with all relations",
            Kind::NewTrade => "new trade with two executions",
        }
    }
}

/// The mix of operations, and their rows.
pub(crate) struct Mix {
    pub(crate) samples: Samples,
    /// Percentage of operations that write.
    pub(crate) writes: u8,
    /// The portfolio that they write into.
    pub(crate) own: Option<PortfolioId>,
}

impl Mix {
    pub(super) fn pick(&self, rng: &mut ChaCha8Rng) -> Kind {
        if rng.random_range(0..100) < self.writes { Kind::NewTrade } else { any(&READS, rng) }
    }

    /// Executes an operation and returns its counts.
    pub(super) async fn run(&self, db: &Database, kind: Kind, rng: &mut ChaCha8Rng) -> Result<Counts> {
        if let (Kind::NewTrade, Some(own)) = (kind, self.own) {
            return write(db, own).await;
        }
        let samples = &self.samples;
        let mut session = db.read().await?;
        match kind {
            Kind::PositionBySymbol => {
                let (portfolio, symbol) = &samples.positions[rng.random_range(0..samples.positions.len())];
                Positions::new(&mut session).get_by_symbol(*portfolio, symbol).await.map(drop)?;
            }
            Kind::NewestTrades => {
                let portfolio = any(&samples.portfolios, rng);
                Trades::new(&mut session).get_by_portfolio(portfolio, LIST).await.map(drop)?;
            }
            Kind::TradesOfSession => {
                let trading_session = any(&samples.sessions, rng);
                Trades::new(&mut session).get_by_session(trading_session).await.map(drop)?;
            }
            Kind::WholePortfolio | Kind::NewTrade => {
                let portfolio = any(&samples.portfolios, rng);
                Portfolios::new(&mut session).get_with_all_relations(portfolio).await.map(drop)?;
            }
        }
        Ok(session.counts())
    }
}

fn any<T: Copy>(items: &[T], rng: &mut ChaCha8Rng) -> T {
    items[rng.random_range(0..items.len())]
}

/// Writes a trade that is filled in two parts, in one transaction.
async fn write(db: &Database, own: PortfolioId) -> Result<Counts> {
    let mut session = db.begin().await?;
    let new = NewTrade::market(own, Action::Buy, "LOAD", Decimal::TWO);
    let trade = Trades::new(&mut session).create(&new).await?;
    let part = || NewExecution::new(trade.id, "LOAD", Decimal::ONE, Decimal::ONE_HUNDRED);
    Executions::new(&mut session).create_many(&[part(), part()]).await?;
    let mut counts = session.counts();
    session.commit().await?;
    // The COMMIT.
    counts.round_trips += 1;
    Ok(counts)
}
