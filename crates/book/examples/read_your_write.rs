//! Reads a write's own result, inside the transaction and after it.
//!
//! `cargo run --example read_your_write`

#![allow(clippy::print_stdout)]

use tallybook::book::{NewPortfolio, PortfolioChanges, Portfolios, Result, upgrade};
use tallybook::{Database, Settings};

#[tokio::main]
async fn main() -> Result<()> {
    let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    upgrade(&db).await?;

    let committed = db
        .write(async |session| -> Result<_> {
            let mut portfolios = Portfolios::new(session);
            let created = portfolios.create(&NewPortfolio::new("Growth")).await?;
            let changes = PortfolioChanges::new().current_capital(112_500);
            portfolios.update(created.id, changes).await?;
            // The transaction sees what it wrote; others do not yet.
            assert_eq!(portfolios.get(created.id).await?.expect("written").current_capital, 112_500.into());
            Ok(created.id)
        })
        .await?;

    // All reads of this session are at least as recent as that commit.
    let mut session = db.read_after(&committed.token()).await?;
    let portfolio = Portfolios::new(&mut session).get(*committed.value()).await?.expect("committed");
    println!("{} now has {} {}", portfolio.name, portfolio.current_capital, portfolio.currency);
    Ok(())
}
