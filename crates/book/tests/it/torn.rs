//! A writer keeps rows consistent; a reader that loads them together sees them consistent.

use std::collections::HashSet;

use rust_decimal::Decimal;
use tallybook::book::{
    Action, Executions, NewExecution, NewPortfolio, NewPosition, NewTrade, NewTradingSession,
    PortfolioChanges, PortfolioId, Portfolios, PositionChanges, PositionId, Positions, Result, SessionType,
    TradeChanges, TradeId, TradeWithExecutions, Trades, TradingSessionId, TradingSessions,
};
use tallybook::{Database, ReadSession, WriteSession, execute, params};
use tokio::task::JoinHandle;

use crate::support::write;
use crate::template_books::{EMPTY, on_copies};

const PORTFOLIO: PortfolioId = PortfolioId::new(1);
const POSITION: PositionId = PositionId::new(1);
const SESSION: TradingSessionId = TradingSessionId::new(1);
const TRADE: TradeId = TradeId::new(1);

/// Updates a portfolio whose capital equals the quantity of its position, and a trade whose filled quantity equals
/// the sum of its executions.
async fn in_step(session: &mut WriteSession) -> Result<()> {
    let new = NewPortfolio { current_capital: 0.into(), ..NewPortfolio::new("in step") };
    Portfolios::new(session).create(&new).await?;
    Positions::new(session).create(&NewPosition::new(PORTFOLIO, "A", 0.into(), 1.into())).await?;
    TradingSessions::new(session).create(&NewTradingSession::new(PORTFOLIO, SessionType::Live)).await?;
    let new = NewTrade::market(PORTFOLIO, Action::Buy, "A", 1_000_000.into());
    Trades::new(session).create(&NewTrade { session_id: Some(SESSION), ..new }).await?;
    Ok(())
}

/// Steps before the writer begins again without executions, so that a load of all of them stays short.
const STEPS: i64 = 20;

/// Raises all these figures to the number of the step. The first step removes earlier executions.
async fn step(session: &mut WriteSession, number: i64) -> Result<()> {
    if number == 1 {
        session.run(execute("DELETE FROM executions", params![])).await?;
    }
    let number = Decimal::from(number);
    Portfolios::new(session).update(PORTFOLIO, PortfolioChanges::new().current_capital(number)).await?;
    Positions::new(session).update(POSITION, PositionChanges::new().quantity(number)).await?;
    Trades::new(session).update(TRADE, TradeChanges::new().filled_quantity(number)).await?;
    let execution = NewExecution::new(TRADE, "A", Decimal::ONE, Decimal::ONE);
    Executions::new(session).create(&execution).await?;
    Ok(())
}

/// Writes one update after another until it is dropped.
struct Writer(JoinHandle<()>);

impl Writer {
    async fn start(db: &Database) -> Self {
        write(db, in_step).await;
        let db = db.clone();
        Self(tokio::spawn(async move {
            for number in (1..=STEPS).cycle() {
                write(&db, async |session| step(session, number).await).await;
            }
        }))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Loads some hundred times, and on until some loads fell between updates; `load` returns the two values that must
/// be equal.
async fn is_never_torn(db: &Database, load: impl AsyncFn(&mut ReadSession) -> (Decimal, Decimal)) {
    let writer = Writer::start(db).await;
    let mut seen = HashSet::new();
    let mut loads = 0;
    while loads < 300 || seen.len() < 10 {
        let (one, other) = load(&mut db.read().await.unwrap()).await;
        assert_eq!(one, other, "after {loads} loads");
        seen.insert(one);
        loads += 1;
        assert!(!writer.0.is_finished(), "the writer failed");
    }
}

fn filled(found: &TradeWithExecutions) -> (Decimal, Decimal) {
    (found.trade.filled_quantity, found.executions.iter().map(|execution| execution.quantity).sum())
}

on_copies! { of EMPTY:
    async fn a_portfolio_and_its_positions_are_of_one_moment(db: &Database) {
        is_never_torn(db, async |session| {
            let found = Portfolios::new(session).get_with_positions(PORTFOLIO).await.unwrap().unwrap();
            (found.portfolio.current_capital, found.positions[0].quantity)
        })
        .await;
    }

    async fn many_portfolios_and_their_positions_are_of_one_moment(db: &Database) {
        is_never_torn(db, async |session| {
            let found = Portfolios::new(session).get_many_with_positions(&[PORTFOLIO]).await.unwrap();
            (found[0].portfolio.current_capital, found[0].positions[0].quantity)
        })
        .await;
    }

    async fn a_portfolio_and_its_trades_are_of_one_moment(db: &Database) {
        is_never_torn(db, async |session| {
            let found = Portfolios::new(session).get_with_trades(PORTFOLIO).await.unwrap().unwrap();
            (found.portfolio.current_capital, found.trades[0].filled_quantity)
        })
        .await;
    }

    async fn a_portfolio_and_all_its_relations_are_of_one_moment(db: &Database) {
        is_never_torn(db, async |session| {
            let found = Portfolios::new(session).get_with_all_relations(PORTFOLIO).await.unwrap().unwrap();
            assert_eq!(found.positions[0].quantity, found.trades[0].filled_quantity);
            (found.portfolio.current_capital, found.trades[0].filled_quantity)
        })
        .await;
    }

    async fn a_trade_and_its_executions_are_of_one_moment(db: &Database) {
        is_never_torn(db, async |session| {
            filled(&Trades::new(session).get_with_executions(TRADE).await.unwrap().unwrap())
        })
        .await;
    }

    async fn the_trades_of_a_session_and_their_executions_are_of_one_moment(db: &Database) {
        is_never_torn(db, async |session| {
            filled(&Trades::new(session).get_by_session_with_executions(SESSION).await.unwrap()[0])
        })
        .await;
    }

    async fn the_trades_of_a_portfolio_and_their_executions_are_of_one_moment(db: &Database) {
        is_never_torn(db, async |session| {
            filled(&Trades::new(session).get_by_portfolio_with_executions(PORTFOLIO, 10).await.unwrap()[0])
        })
        .await;
    }
}
