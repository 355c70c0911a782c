//! Too few runs for a loop, or a single chain.

use tallybook::Database;
use tallybook::book::{
    Executions, LimitOffset, PortfolioId, Portfolios, Positions, TradeId, Trades, TradingSessions,
};
use tallybook::{all, one, optional, params};

use crate::corpus::cases::cases;
use crate::corpus::ledger::ALL;

cases! { in_a_scope:
    async fn two_parents(db: &Database) {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(LimitOffset::first(2)).await.unwrap();
        assert_eq!(trades.len(), 2);
        for trade in trades {
            Executions::new(&mut session).get_by_trade(trade.id).await.unwrap();
        }
    }

    async fn only_the_first_two_of_many(db: &Database) {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
        for trade in trades.iter().take(2) {
            Executions::new(&mut session).get_by_trade(trade.id).await.unwrap();
        }
    }

    async fn four_symbols(db: &Database) {
        const BY_SYMBOL: &str = "SELECT id FROM trades WHERE symbol = $1";
        const SYMBOLS: &str = "SELECT DISTINCT symbol FROM holdings ORDER BY symbol LIMIT 4";
        let mut session = db.read().await.unwrap();
        let symbols = session.run(all::<(String,)>(SYMBOLS, params![])).await.unwrap();
        for (symbol,) in symbols {
            session.run(all::<(i64,)>(BY_SYMBOL, params![symbol])).await.unwrap();
        }
    }

    async fn the_same_statement_from_three_lines(db: &Database) {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
        let [first, second, third, ..] = &trades[..] else { panic!("there are many") };
        Executions::new(&mut session).get_by_trade(first.id).await.unwrap();
        Executions::new(&mut session).get_by_trade(second.id).await.unwrap();
        Executions::new(&mut session).get_by_trade(third.id).await.unwrap();
    }

    async fn the_same_read_from_three_lines(db: &Database) {
        let mut session = db.read().await.unwrap();
        Portfolios::new(&mut session).get(PortfolioId::new(1)).await.unwrap();
        Portfolios::new(&mut session).get(PortfolioId::new(1)).await.unwrap();
        Portfolios::new(&mut session).get(PortfolioId::new(1)).await.unwrap();
    }

    async fn a_chain_in_which_each_row_names_the_next(db: &Database) {
        const NEXT: &str = "SELECT next_id FROM links WHERE id = $1";
        let mut session = db.read().await.unwrap();
        let (mut link, mut length) = (Some(1), 0);
        while let Some(id) = link {
            (link,) = session.run(one::<(Option<i64>,)>(NEXT, params![id])).await.unwrap();
            length += 1;
        }
        assert_eq!(length, 12);
    }

    async fn the_way_up_from_a_leaf_to_its_root(db: &Database) {
        const PARENT: &str = "SELECT parent_id FROM notes WHERE id = $1";
        let mut session = db.read().await.unwrap();
        let mut note = Some(13);
        while let Some(id) = note {
            (note,) = session.run(one::<(Option<i64>,)>(PARENT, params![id])).await.unwrap();
        }
    }

    async fn the_children_of_one_row_and_then_its_siblings(db: &Database) {
        const SIBLINGS: &str = "SELECT id FROM trades WHERE portfolio_id = $1";
        let mut session = db.read().await.unwrap();
        let trade = Trades::new(&mut session).get(TradeId::new(9)).await.unwrap().unwrap();
        Executions::new(&mut session).get_by_trade(trade.id).await.unwrap();
        session.run(all::<(i64,)>(SIBLINGS, params![trade.portfolio_id])).await.unwrap();
    }

    async fn different_statements_for_one_parent(db: &Database) {
        let mut session = db.read().await.unwrap();
        let portfolios = Portfolios::new(&mut session).get_many(ALL).await.unwrap();
        let id = portfolios[0].id;
        Portfolios::new(&mut session).get(id).await.unwrap();
        Positions::new(&mut session).get_by_portfolio(id, ALL).await.unwrap();
        Trades::new(&mut session).get_by_portfolio(id, ALL).await.unwrap();
        TradingSessions::new(&mut session).get_by_portfolio(id, ALL).await.unwrap();
    }

    async fn the_only_rows_of_a_detail_view(db: &Database) {
        const NAME: &str = "SELECT name FROM portfolios WHERE id = $1";
        let mut session = db.read().await.unwrap();
        let found = Trades::new(&mut session).get_with_executions(TradeId::new(3)).await.unwrap().unwrap();
        let portfolio = found.trade.portfolio_id;
        session.run(optional::<(String,)>(NAME, params![portfolio])).await.unwrap();
    }
}
