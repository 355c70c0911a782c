//! The calls that replace loops.

use std::collections::BTreeSet;

use tallybook::Database;
use tallybook::book::{PortfolioId, Portfolios, Trades};

use crate::corpus::cases::cases;
use crate::corpus::ledger::ALL;

cases! { in_a_scope:
    async fn the_executions_of_all_trades_of_a_list(db: &Database) {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
        let ids: Vec<_> = trades.iter().map(|trade| trade.id).collect();
        assert_eq!(Trades::new(&mut session).get_many_with_executions(&ids).await.unwrap().len(), 24);
    }

    async fn the_parents_of_all_rows_of_a_list(db: &Database) {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
        let ids: BTreeSet<_> = trades.iter().map(|trade| trade.portfolio_id).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        assert_eq!(Portfolios::new(&mut session).get_by_ids(&ids).await.unwrap().len(), 8);
    }

    async fn all_relations_of_one_portfolio(db: &Database) {
        let mut session = db.read().await.unwrap();
        Portfolios::new(&mut session).get_with_all_relations(PortfolioId::new(1)).await.unwrap();
    }

    async fn three_levels_with_a_load_for_each_level(db: &Database) {
        let mut session = db.read().await.unwrap();
        let portfolios = Portfolios::new(&mut session).get_many(ALL).await.unwrap();
        let ids: Vec<_> = portfolios.iter().map(|portfolio| portfolio.id).collect();
        let mut trades = Trades::new(&mut session);
        let newest = trades.get_many_by_portfolio_with_executions(&ids, 10).await.unwrap();
        let ids: Vec<_> = newest.iter().map(|found| found.trade.id).collect();
        assert_eq!(Trades::new(&mut session).get_many_with_executions(&ids).await.unwrap().len(), 24);
    }

    async fn pages_whose_rows_are_loaded_together(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut cursor = None;
        loop {
            let page = Trades::new(&mut session).get_page(cursor.as_ref(), 5).await.unwrap();
            let ids: Vec<_> = page.rows.iter().map(|trade| trade.id).collect();
            Trades::new(&mut session).get_many_with_executions(&ids).await.unwrap();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
}
