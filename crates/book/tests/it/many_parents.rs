//! A book of many parents, for loading them with their children.
//!
//! There are at least [`PARENTS`] portfolios, trading sessions and trades. The first three of each have [`SIZES`]
//! children of every kind; the others have few, and some have none.

use chrono::{DateTime, Utc};
use tallybook::Database;
use tallybook::book::{
    Action, Execution, NewExecution, NewPortfolio, NewPosition, NewTrade, NewTradingSession, Portfolio,
    PortfolioId, Position, SessionType, Trade, TradeId, TradingSession, TradingSessionId,
};
use tallybook_testkit::Original;

use crate::support::{analyze, load, time, write};
use crate::template_books::filled;

pub(crate) const PARENTS: i64 = 5_000;
pub(crate) const SIZES: [i64; 3] = [1, 100, 5_000];

pub(crate) static MANY_PARENTS: Original = Original::new("crowd", |url| Box::pin(filled(url, fill)));

async fn fill(db: Database) {
    write(&db, async |session| {
        load::<Portfolio>(session, (1..=PARENTS).map(portfolio)).await;
        load::<Position>(session, children().map(position)).await;
        load::<TradingSession>(session, children().map(trading_session)).await;
        load::<Trade>(session, children().map(trade)).await;
        load::<Execution>(session, children().map(execution)).await;
        Ok(())
    })
    .await;
    analyze(&db).await;
}

/// A child of every kind.
#[derive(Clone, Copy)]
struct Child {
    number: i64,
    parent: i64,
}

impl Child {
    /// In no order, and shared by some children.
    fn moment(self) -> DateTime<Utc> {
        time(self.number * 7_919 % 9_973)
    }

    /// Returns whether the trade belongs to no session.
    fn is_alone(self) -> bool {
        self.parent > 3 && self.number % 4 == 0
    }
}

/// Squares have few remainders, so that many of the other parents are left without a child.
fn children() -> impl Iterator<Item = Child> {
    let many = SIZES.iter().zip(1..).flat_map(|(&size, parent)| (0..size).map(move |_| parent));
    let few = (1..=PARENTS).map(|number| number * number % PARENTS).filter(|&parent| parent > 3);
    many.chain(few).zip(0..).map(|(parent, number)| Child { number, parent })
}

/// Returns the number of children of a kind that the first `parents` parents have.
pub(crate) fn children_of(parents: usize) -> usize {
    children().filter(|child| child.parent <= parents as i64).count()
}

/// Returns the number of trades of the first `sessions` sessions.
pub(crate) fn trades_of_sessions(sessions: usize) -> usize {
    children().filter(|child| child.parent <= sessions as i64 && !child.is_alone()).count()
}

fn portfolio(number: i64) -> NewPortfolio {
    let time = time(number);
    NewPortfolio {
        created_at: time,
        updated_at: time,
        initial_capital: (number * 100).into(),
        ..NewPortfolio::new(format!("portfolio {number}"))
    }
}

fn position(child: Child) -> NewPosition {
    let time = child.moment();
    NewPosition {
        entry_date: Some(time),
        created_at: time,
        updated_at: time,
        ..NewPosition::new(
            PortfolioId::new(child.parent),
            format!("S{}", child.number),
            child.number.into(),
            10.into(),
        )
    }
}

fn trading_session(child: Child) -> NewTradingSession {
    NewTradingSession {
        total_trades: child.number,
        started_at: child.moment(),
        ..NewTradingSession::new(PortfolioId::new(child.parent), SessionType::Paper)
    }
}

fn trade(child: Child) -> NewTrade {
    let time = child.moment();
    NewTrade {
        session_id: (!child.is_alone()).then_some(TradingSessionId::new(child.parent)),
        created_at: time,
        updated_at: time,
        ..NewTrade::market(PortfolioId::new(child.parent), Action::Buy, symbol(child), child.number.into())
    }
}

fn execution(child: Child) -> NewExecution {
    NewExecution {
        executed_at: child.moment(),
        ..NewExecution::new(TradeId::new(child.parent), symbol(child), child.number.into(), 10.into())
    }
}

fn symbol(child: Child) -> String {
    format!("S{}", child.number % 50)
}
