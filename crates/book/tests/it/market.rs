//! A book with a realistic distribution for planners: 200 portfolios of very different sizes, 20,000 trades.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use tallybook::Database;
use tallybook::book::{
    Action, Execution, NewExecution, NewPortfolio, NewPosition, NewTrade, NewTradingSession, Portfolio,
    PortfolioId, Position, SessionType, Trade, TradeId, TradeStatus, TradingSession, TradingSessionId,
};
use tallybook_testkit::Original;

use crate::support::{analyze, load, time, write};
use crate::template_books::filled;

pub(crate) static MARKET: Original = Original::new("market", |url| Box::pin(filled(url, fill)));

const PORTFOLIOS: i64 = 200;
const SESSIONS: i64 = 400;
const POSITIONS: i64 = 8_000;
const TRADES: i64 = 20_000;
const EXECUTIONS: i64 = 30_000;

/// The portfolio with most rows: a sixth of all trades.
pub(crate) const LARGEST: PortfolioId = PortfolioId::new(1);
/// A portfolio of typical size.
pub(crate) const USUAL: PortfolioId = PortfolioId::new(50);

async fn fill(db: Database) {
    write(&db, async |session| {
        load::<Portfolio>(session, (1..=PORTFOLIOS).map(portfolio)).await;
        let mut held = HashSet::new();
        let positions = (0..POSITIONS).map(position);
        let positions = positions.filter(|new| held.insert((new.portfolio_id, new.symbol.clone())));
        load::<Position>(session, positions).await;
        load::<TradingSession>(session, (0..SESSIONS).map(trading_session)).await;
        load::<Trade>(session, (0..TRADES).map(trade)).await;
        load::<Execution>(session, (0..EXECUTIONS).map(execution)).await;
        Ok(())
    })
    .await;
    analyze(&db).await;
}

/// Returns one of `1..=count`, the first ones far more often.
fn skewed(number: i64, count: i64) -> i64 {
    let place = (number * 7_919 % 10_007) as f64 / 10_007.0;
    1 + (place.powi(3) * count as f64) as i64
}

fn portfolio(number: i64) -> NewPortfolio {
    NewPortfolio { created_at: time(number), ..NewPortfolio::new(format!("portfolio {number}")) }
}

fn position(number: i64) -> NewPosition {
    let portfolio = PortfolioId::new(skewed(number, PORTFOLIOS));
    NewPosition::new(portfolio, symbol(number), number.into(), 10.into())
}

fn trading_session(number: i64) -> NewTradingSession {
    NewTradingSession {
        started_at: time(number * 1_000),
        ..NewTradingSession::new(PortfolioId::new(1 + number % PORTFOLIOS), SessionType::Paper)
    }
}

fn trade(number: i64) -> NewTrade {
    let time: DateTime<Utc> = time(number * 20);
    NewTrade {
        session_id: (number % 3 != 0).then(|| TradingSessionId::new(skewed(number, SESSIONS))),
        status: status(number),
        created_at: time,
        updated_at: time,
        ..NewTrade::market(
            PortfolioId::new(skewed(number, PORTFOLIOS)),
            Action::Buy,
            symbol(number),
            number.into(),
        )
    }
}

fn execution(number: i64) -> NewExecution {
    let trade = TradeId::new(1 + number % TRADES);
    NewExecution {
        executed_at: time(number * 15),
        ..NewExecution::new(trade, symbol(number), 1.into(), 10.into())
    }
}

/// Most trades are filled, and a few are rejected.
fn status(number: i64) -> TradeStatus {
    match number % 100 {
        0 => TradeStatus::Rejected,
        1..=4 => TradeStatus::Pending,
        5..=9 => TradeStatus::Cancelled,
        _ => TradeStatus::Filled,
    }
}

pub(crate) fn symbol(number: i64) -> String {
    format!("S{}", number % 300)
}
