//! The book, from opening a database to an eager load.
//!
//! `cargo run --example book`

#![allow(clippy::print_stdout)]

use tallybook::book::{
    Action, Executions, NewExecution, NewPortfolio, NewPosition, NewTrade, Portfolios, Positions, Result,
    TradeChanges, TradeStatus, Trades, upgrade,
};
use tallybook::{Database, Settings};

#[tokio::main]
async fn main() -> Result<()> {
    // An embedded file needs no set-up: "sqlite:///./tallybook.db". This database lives in memory.
    let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    upgrade(&db).await?;

    // One transaction: both rows or none.
    let (portfolio, trade) = db
        .write(async |session| -> Result<_> {
            let portfolio = Portfolios::new(session).create(&NewPortfolio::new("Pension")).await?;
            let price = "187.23".parse().expect("a decimal");
            Positions::new(session)
                .create(&NewPosition::new(portfolio.id, "AAPL", 100.into(), price))
                .await?;
            let trade = NewTrade::market(portfolio.id, Action::Buy, "AAPL", 100.into());
            let trade = Trades::new(session).create(&trade).await?;
            Ok((portfolio, trade.id))
        })
        .await?
        .into_value();

    // Concurrent fills: none is lost, in either dialect.
    for quantity in [60, 40] {
        let fill = NewExecution::new(trade, "AAPL", quantity.into(), "187.23".parse().expect("a decimal"));
        db.write(async |session| -> Result<_> {
            Executions::new(session).create(&fill).await?;
            let mut trades = Trades::new(session);
            let filled = trades.add_filled_quantity(trade, fill.quantity).await?;
            if filled.filled_quantity == filled.quantity {
                // The row is locked until the transaction ends.
                trades.update(trade, TradeChanges::new().status(TradeStatus::Filled)).await?;
            }
            Ok(())
        })
        .await?;
    }

    let mut session = db.read().await?;
    let before = session.counts();
    let book =
        Portfolios::new(&mut session).get_with_all_relations(portfolio.id).await?.expect("just created");
    println!("{}: {} of {}", book.portfolio.name, book.portfolio.current_capital, book.portfolio.currency);
    for position in &book.positions {
        println!("  holds {} {} at {}", position.quantity, position.symbol, position.average_cost);
    }
    for trade in Trades::new(&mut session).get_by_portfolio_with_executions(portfolio.id, 10).await? {
        println!("  {} {}: {} fills", trade.trade.action, trade.trade.symbol, trade.executions.len());
    }
    let after = session.counts();
    println!(
        "{} statements in {} round trips",
        after.statements - before.statements,
        after.round_trips - before.round_trips
    );
    Ok(())
}
