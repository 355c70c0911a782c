//! Reads that belong to different requests.

use tallybook::Database;
use tallybook::book::{Executions, PortfolioId, Portfolios, TradeId, Trades};
use tallybook::{Scope, all, params};

use crate::corpus::cases::cases;
use crate::corpus::concurrently::concurrently;
use crate::corpus::ledger::{ALL, PORTFOLIOS};

async fn executions(db: &Database, trade: TradeId) {
    let mut session = db.read().await.unwrap();
    Executions::new(&mut session).get_by_trade(trade).await.unwrap();
}

/// Reads the data of a start page.
async fn start_page(db: &Database, portfolio: PortfolioId) {
    let mut session = db.read().await.unwrap();
    Portfolios::new(&mut session).get(portfolio).await.unwrap();
    let mut trades = Trades::new(&mut session);
    let found = trades.get_by_portfolio_with_executions(portfolio, 10).await.unwrap();
    let ids: Vec<_> = found.iter().map(|found| found.trade.id).collect();
    Trades::new(&mut session).get_many_with_executions(&ids).await.unwrap();
}

cases! { in_no_scope:
    async fn one_read_in_each_of_many_scopes(db: &Database) {
        let mut session = db.read().await.unwrap();
        for trade in Trades::new(&mut session).get_many(ALL).await.unwrap() {
            Scope::new("GET /trades/{id}").run(executions(db, trade.id)).await;
        }
    }

    async fn the_same_read_in_each_of_many_scopes(db: &Database) {
        for _ in 0..20 {
            Scope::new("GET /portfolios/1").run(start_page(db, PortfolioId::new(1))).await;
        }
    }

    async fn many_requests_at_once_over_one_pool(db: &Database) {
        let requests = (0..40).map(async |number| {
            let portfolio = PortfolioId::new(number % PORTFOLIOS + 1);
            Scope::new("GET /start").run(start_page(db, portfolio)).await;
        });
        concurrently(8, requests).await;
    }

    // This is a loop, but nothing connects its sessions: that is the purpose of scopes.
    async fn a_session_for_each_read_without_a_scope(db: &Database) {
        let trades = db.read().await.unwrap().run(all::<(i64,)>("SELECT id FROM trades", params![])).await;
        for (trade,) in trades.unwrap() {
            executions(db, TradeId::new(trade)).await;
        }
    }

    // The same, in a scope that the tasks do not inherit.
    async fn a_task_for_each_read_outside_the_scope(db: &Database) {
        let request = async {
            let mut session = db.read().await.unwrap();
            let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
            drop(session);
            for trade in trades {
                let db = db.clone();
                tokio::spawn(async move { executions(&db, trade.id).await }).await.unwrap();
            }
        };
        Scope::new("a request").run(request).await;
    }

    async fn three_jobs_side_by_side_with_one_read_of_the_same_row_each(db: &Database) {
        let jobs = (0..12).map(async |_| {
            let mut session = db.read().await.unwrap();
            Portfolios::new(&mut session).get(PortfolioId::new(1)).await.unwrap();
        });
        concurrently(3, jobs).await;
    }
}
