//! The reads that the indexes serve.

use anyhow::Result;
use tallybook::Session;
use tallybook::book::{LimitOffset, Positions, TradeStatus, Trades};

use super::catalog::Index;
use super::samples::Samples;

/// The first page of a list of trades.
const LIST: LimitOffset = LimitOffset::first(20);

/// One of the reads. Whether the index of trades by portfolio and status pays depends on how rare the status is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    TradesOfSession,
    PositionOfSymbol,
    TradesOfRareStatus,
    TradesOfCommonStatus,
    NewestTrades,
}

pub(super) const READS: [Read; 5] = [
    Read::TradesOfSession,
    Read::PositionOfSymbol,
    Read::TradesOfRareStatus,
    Read::TradesOfCommonStatus,
    Read::NewestTrades,
];

impl Read {
    pub(super) fn name(self) -> &'static str {
        match self {
            Read::TradesOfSession => "trades of a session",
            Read::PositionOfSymbol => "position by symbol",
            Read::TradesOfRareStatus => "pending trades of a portfolio (rare)",
            Read::TradesOfCommonStatus => "filled trades of a portfolio (common)",
            Read::NewestTrades => "newest trades of a portfolio",
        }
    }

    pub(super) fn index(self) -> Index {
        match self {
            Read::TradesOfSession => Index::TradesSession,
            Read::PositionOfSymbol => Index::PositionsPortfolioSymbol,
            Read::TradesOfRareStatus | Read::TradesOfCommonStatus => Index::TradesPortfolioStatus,
            Read::NewestTrades => Index::TradesPortfolioCreated,
        }
    }

    /// Executes the read with the samples of this turn.
    pub(super) async fn run<S: Session>(self, session: &mut S, samples: &Samples, turn: usize) -> Result<()> {
        let portfolio = samples.portfolios[turn % samples.portfolios.len()];
        let mut of_status = async |status| {
            Trades::new(session).get_by_portfolio_and_status(portfolio, &status, LIST).await.map(drop)
        };
        match self {
            Read::TradesOfRareStatus => of_status(TradeStatus::Pending).await?,
            Read::TradesOfCommonStatus => of_status(TradeStatus::Filled).await?,
            Read::TradesOfSession => {
                let trading_session = samples.sessions[turn % samples.sessions.len()];
                Trades::new(session).get_by_session(trading_session).await.map(drop)?;
            }
            Read::PositionOfSymbol => {
                let (portfolio, symbol) = &samples.positions[turn % samples.positions.len()];
                Positions::new(session).get_by_symbol(*portfolio, symbol).await.map(drop)?;
            }
            Read::NewestTrades => {
                Trades::new(session).get_by_portfolio(portfolio, LIST).await.map(drop)?;
            }
        }
        Ok(())
    }
}
