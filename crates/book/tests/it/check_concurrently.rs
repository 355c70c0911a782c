//! Checks while others record.

use tallybook::Database;
use tallybook::book::{
    Action, CheckEvent, Fill, NewPortfolio, NewTrade, Portfolios, Result, TradeId, Trades, check_book,
};
use tallybook_testkit::both_dialects;

use crate::support::{book, write};

/// Number of tasks that record.
const TASKS: usize = 4;
/// Executions that each of them records.
const FILLS: usize = 40;

/// Places an order to buy and one to sell, for each task, in one portfolio.
async fn orders(db: &Database) -> Vec<TradeId> {
    write(db, async |session| -> Result<_> {
        let portfolio = Portfolios::new(session).create(&NewPortfolio::new("busy")).await?.id;
        let mut orders = Vec::new();
        for number in 0..TASKS {
            let action = if number % 2 == 0 { Action::Buy } else { Action::Sell };
            let order = NewTrade::market(portfolio, action, "XYZ", 1_000.into());
            orders.push(Trades::new(session).create(&order).await?.id);
        }
        Ok(orders)
    })
    .await
}

both_dialects! {
    async fn every_check_balances_while_others_record(url: &str) {
        let db = book(url).await;
        let tasks: Vec<_> = orders(&db).await.into_iter().map(|order| {
            let db = db.clone();
            tokio::spawn(async move {
                for number in 0..FILLS {
                    let fill = Fill::new(order, format!("{order}-{number}"), 3.into(), (10 + number as i64 % 7).into());
                    let mut session = db.begin().await.unwrap();
                    Trades::new(&mut session).record(&fill).await.unwrap();
                    session.commit().await.unwrap();
                }
            })
        }).collect();
        let mut seen = Vec::new();
        loop {
            let is_over = tasks.iter().all(tokio::task::JoinHandle::is_finished);
            let mut found = Vec::new();
            let check = check_book(&db, |event| {
                if let CheckEvent::Found(discrepancy) = event {
                    found.push(discrepancy);
                }
            });
            seen.push(check.await.unwrap().executions);
            assert_eq!(found, []);
            if is_over {
                break;
            }
        }
        assert_eq!(seen.last(), Some(&((TASKS * FILLS) as u64)));
        for task in tasks {
            task.await.unwrap();
        }
    }
}
