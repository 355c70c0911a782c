//! A first book: open a database, write in one transaction, load everything in one round trip.
//!
//! `cargo run -p tallybook --example first_book`

#![allow(clippy::print_stdout)] // what an example is for

use tallybook::book::{Action, NewPortfolio, NewTrade, Portfolios, Result, Trades, upgrade};
use tallybook::{Database, Settings};

#[tokio::main]
async fn main() -> Result<()> {
    let db = Database::open(Settings::new("sqlite::memory:")?).await?; // or sqlite:///./book.db, postgresql://…
    upgrade(&db).await?; // creates the tables

    // One transaction: Ok commits; an error, a panic or a dropped future rolls back.
    let committed = db
        .write(async |session| -> Result<_> {
            let portfolio = Portfolios::new(session).create(&NewPortfolio::new("Pension")).await?;
            let trade = NewTrade::market(portfolio.id, Action::Buy, "AAPL", 100.into());
            Trades::new(session).create(&trade).await?;
            Ok(portfolio.id)
        })
        .await?;

    // The portfolio with its positions, trades and sessions: four statements, one round trip, one snapshot.
    let mut session = db.read_after(&committed.token()).await?; // never older than that commit
    let book = Portfolios::new(&mut session).get_with_all_relations(*committed.value()).await?;
    println!("{book:#?}\n{:?}", session.counts());
    Ok(())
}
