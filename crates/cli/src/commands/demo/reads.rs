//! The six eager loads and the four indexed queries.

use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;
use tallybook::Explainer;
use tallybook::book::{LimitOffset, Portfolios, Positions, TradeStatus, Trades};
use tallybook::{Database, Session};

use super::measure::{Measured, Meter};
use crate::samples::Samples;

/// Number of measurements, for the progress bar: ten reads and the two variants of one.
pub(super) const COUNT: u64 = READS.len() as u64 + 2;

/// Number of trades that are read with their executions.
pub(super) const PAGE: u32 = 100;

/// The first page of a list of trades.
const LIST: LimitOffset = LimitOffset::first(20);

/// A read, its figures and the indexes in the database's own plan.
#[derive(Debug, Serialize)]
pub(super) struct Reading {
    pub(super) name: &'static str,
    #[serde(flatten)]
    pub(super) measured: Measured,
    pub(super) index: String,
}

/// One of the reads.
#[derive(Clone, Copy)]
enum Read {
    PortfolioWithPositions,
    PortfolioWithTrades,
    PortfolioWithAllRelations,
    TradeWithExecutions,
    TradesOfPortfolioWithExecutions,
    TradesOfSessionWithExecutions,
    TradesOfSession,
    PositionOfSymbol,
    TradesOfPortfolioWithStatus,
    NewestTradesOfPortfolio,
}

const READS: [Read; 10] = [
    Read::PortfolioWithPositions,
    Read::PortfolioWithTrades,
    Read::PortfolioWithAllRelations,
    Read::TradeWithExecutions,
    Read::TradesOfPortfolioWithExecutions,
    Read::TradesOfSessionWithExecutions,
    Read::TradesOfSession,
    Read::PositionOfSymbol,
    Read::TradesOfPortfolioWithStatus,
    Read::NewestTradesOfPortfolio,
];

impl Read {
    fn name(self) -> &'static str {
        match self {
            Read::PortfolioWithPositions => "portfolios.get_with_positions",
            Read::PortfolioWithTrades => "portfolios.get_with_trades",
            Read::PortfolioWithAllRelations => "portfolios.get_with_all_relations",
            Read::TradeWithExecutions => "trades.get_with_executions",
            Read::TradesOfPortfolioWithExecutions => "trades.get_by_portfolio_with_executions",
            Read::TradesOfSessionWithExecutions => "trades.get_by_session_with_executions",
            Read::TradesOfSession => "trades.get_by_session",
            Read::PositionOfSymbol => "positions.get_by_symbol",
            Read::TradesOfPortfolioWithStatus => "trades.get_by_portfolio_and_status",
            Read::NewestTradesOfPortfolio => "trades.get_by_portfolio",
        }
    }

    /// Executes the read with the samples of this turn.
    async fn run<S: Session>(self, session: &mut S, samples: &Samples, turn: usize) -> Result<()> {
        let portfolio = at(&samples.portfolios, turn);
        let read = match self {
            Read::PortfolioWithPositions => {
                Portfolios::new(session).get_with_positions(portfolio).await.map(drop)
            }
            Read::PortfolioWithTrades => Portfolios::new(session).get_with_trades(portfolio).await.map(drop),
            Read::PortfolioWithAllRelations => {
                Portfolios::new(session).get_with_all_relations(portfolio).await.map(drop)
            }
            Read::TradeWithExecutions => {
                Trades::new(session).get_with_executions(at(&samples.trades, turn)).await.map(drop)
            }
            Read::TradesOfPortfolioWithExecutions => {
                Trades::new(session).get_by_portfolio_with_executions(portfolio, PAGE).await.map(drop)
            }
            Read::TradesOfSessionWithExecutions => Trades::new(session)
                .get_by_session_with_executions(at(&samples.sessions, turn))
                .await
                .map(drop),
            Read::TradesOfSession => {
                Trades::new(session).get_by_session(at(&samples.sessions, turn)).await.map(drop)
            }
            Read::PositionOfSymbol => {
                let (portfolio, symbol) = &samples.positions[turn % samples.positions.len()];
                Positions::new(session).get_by_symbol(*portfolio, symbol).await.map(drop)
            }
            Read::TradesOfPortfolioWithStatus => {
                let status = TradeStatus::Pending;
                Trades::new(session).get_by_portfolio_and_status(portfolio, &status, LIST).await.map(drop)
            }
            Read::NewestTradesOfPortfolio => {
                Trades::new(session).get_by_portfolio(portfolio, LIST).await.map(drop)
            }
        };
        Ok(read?)
    }
}

fn at<T: Copy>(samples: &[T], turn: usize) -> T {
    samples[turn % samples.len()]
}

/// Runs every read `runs` times after a warm-up, and explains it.
pub(super) async fn measure(
    db: &Database,
    samples: &Samples,
    runs: u32,
    bar: &ProgressBar,
) -> Result<Vec<Reading>> {
    let mut readings = Vec::with_capacity(READS.len());
    for read in READS {
        let mut session = db.read().await?;
        let index = indexes(read, &mut session, samples).await?;
        let mut meter = Meter::new()?;
        for turn in 0..runs as usize {
            let before = session.counts();
            let start = Instant::now();
            read.run(&mut session, samples, turn).await?;
            meter.add(start.elapsed(), before, session.counts())?;
        }
        readings.push(Reading { name: read.name(), measured: meter.finish(), index });
        bar.inc(1);
    }
    Ok(readings)
}

/// Returns the indexes in the database's plans for all statements of a read. Also warms them up.
async fn indexes<S: Session>(read: Read, session: &mut S, samples: &Samples) -> Result<String> {
    let mut explainer = Explainer::new(session);
    read.run(&mut explainer, samples, 0).await?;
    let mut names = explainer.plan().indexes.clone();
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names.join(", "))
}
