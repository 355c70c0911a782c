//! The book in spawned tasks, as servers use it: that this compiles is half of the test.

use tallybook::WriteSession;
use tallybook::book::{
    LimitOffset, NewPortfolio, NewTrade, Portfolio, PortfolioId, Portfolios, Positions, Result, TradeChanges,
    TradeStatus, Trades, inspect, upgrade,
};
use tallybook_testkit::both_dialects;
use tokio::spawn;

use crate::support::open;

async fn work(session: &mut WriteSession) -> Result<Portfolio> {
    let created = Portfolios::new(session).create(&NewPortfolio::new("spawned")).await?;
    let new = vec![NewTrade::market(created.id, tallybook::book::Action::Buy, "A", 1.into())];
    let trades = Trades::new(session).create_many(&new).await?;
    let changes = TradeChanges::new().status(TradeStatus::Filled);
    Trades::new(session).update(trades[0].id, changes).await?;
    Trades::new(session).delete(trades[0].id).await?;
    Ok(created)
}

both_dialects! {
    async fn reads_and_writes_run_in_spawned_tasks(url: &str) {
        let db = open(url).await;
        let writer = db.clone();
        let written = spawn(async move {
            inspect(&writer).await?;
            upgrade(&writer).await?;
            writer.write(async |session: &mut WriteSession| work(session).await).await
        });
        let portfolio = written.await.unwrap().unwrap().into_value();

        let read = spawn(async move {
            let mut session = db.read().await?;
            let ids: Vec<PortfolioId> = vec![portfolio.id];
            let name = portfolio.name.clone();
            let page = Portfolios::new(&mut session).get_page(None, 3).await?;
            Portfolios::new(&mut session).get_page(page.next.as_ref(), 3).await?;
            Positions::new(&mut session).get_by_symbol(portfolio.id, &name).await?;
            Trades::new(&mut session).get_by_status(&TradeStatus::Filled, LimitOffset::first(3)).await?;
            Portfolios::new(&mut session).get_many_with_all_relations(&ids).await?;
            Portfolios::new(&mut session).get_by_name(&name).await
        });
        assert_eq!(read.await.unwrap().unwrap().unwrap().name, "spawned");
    }

    async fn bulk_loads_run_in_spawned_tasks(url: &str) {
        let db = crate::support::book(url).await;
        let portfolio = sample_portfolio();
        let loaded = spawn(async move {
            db.write(async |session: &mut WriteSession| -> Result<u64> {
                let mut portfolios = Portfolios::new(session);
                let mut load = portfolios.bulk_load(None).await?;
                load.write(&portfolio).await?;
                let rows = load.finish().await?;
                portfolios.sync_sequence().await?;
                Ok(rows)
            })
            .await
        });
        assert_eq!(loaded.await.unwrap().unwrap().into_value(), 1);
    }
}

fn sample_portfolio() -> Portfolio {
    let NewPortfolio { name, initial_capital, current_capital, currency, created_at, .. } =
        NewPortfolio::new("loaded");
    Portfolio {
        id: PortfolioId::new(7),
        name,
        description: None,
        initial_capital,
        current_capital,
        currency,
        created_at,
        updated_at: created_at,
        metadata_json: None,
    }
}
