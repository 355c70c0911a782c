//! One repository call for each row.

use tallybook::book::{Executions, Portfolios, Positions, Trade, TradeStatus, Trades, TradingSessions};
use tallybook::{Database, Session};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, confirmed};
use crate::corpus::ledger::{ALL, PORTFOLIOS, TRADES};
use crate::support::write;

async fn newest_trades(session: &mut impl Session) -> Vec<Trade> {
    Trades::new(session).get_many(ALL).await.unwrap() // the newest trades
}

/// Adds to a trade the data stored elsewhere.
trait Enrich {
    async fn enrich(&mut self, trade: &Trade) -> usize;
}

impl<S: Session> Enrich for S {
    async fn enrich(&mut self, trade: &Trade) -> usize {
        Executions::new(self).get_by_trade(trade.id).await.unwrap().len() // enriching
    }
}

async fn enriched(session: &mut impl Session, trades: &[Trade]) -> usize {
    let mut executions = 0;
    for trade in trades {
        executions += session.enrich(trade).await;
    }
    executions
}

cases! { in_a_scope:
    async fn the_executions_of_each_trade(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap(); // trades
        for trade in trades {
            Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // executions
        }
        let advice = "Trades::get_many_with_executions(&ids)";
        confirmed("executions", "trades").runs(24).advice(advice)
    }

    async fn a_loop_in_another_function_than_the_read(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in newest_trades(&mut session).await {
            Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // executions
        }
        let advice = "Trades::get_many_with_executions(&ids)";
        confirmed("executions", "the newest trades").runs(24).advice(advice)
    }

    async fn a_loop_over_two_functions_and_a_trait(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let trades = newest_trades(&mut session).await;
        assert_eq!(enriched(&mut session, &trades).await, 48);
        let advice = "Trades::get_many_with_executions(&ids)";
        confirmed("enriching", "the newest trades").runs(24).advice(advice)
    }

    async fn the_eager_method_for_one_for_each(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in newest_trades(&mut session).await {
            Trades::new(&mut session).get_with_executions(trade.id).await.unwrap(); // eager
        }
        confirmed("eager", "the newest trades").runs(24).advice("Trades::get_many_with_executions(&ids)")
    }

    async fn all_relations_of_each_portfolio(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let portfolios = Portfolios::new(&mut session).get_many(ALL).await.unwrap(); // portfolios
        for portfolio in portfolios {
            Portfolios::new(&mut session).get_with_all_relations(portfolio.id).await.unwrap(); // relations
        }
        let advice = "Portfolios::get_many_with_all_relations(&ids)";
        confirmed("relations", "portfolios").runs(8).advice(advice)
    }

    async fn the_portfolio_of_each_trade_where_many_share_few(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in newest_trades(&mut session).await {
            Portfolios::new(&mut session).get(trade.portfolio_id).await.unwrap(); // parent
        }
        let found = confirmed("parent", "the newest trades").runs(TRADES as u64).distinct(PORTFOLIOS as u64);
        found.advice("Portfolios::get_by_ids(&ids)")
    }

    // The column omits a part of the table's name: `session_id` is the `id` of `trading_sessions`.
    async fn the_trades_of_each_trading_session(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let sessions = TradingSessions::new(&mut session).get_many(ALL).await.unwrap(); // sessions
        for trading_session in sessions {
            Trades::new(&mut session).get_by_session(trading_session.id).await.unwrap(); // trades
        }
        let advice = "Trades::get_many_by_session_with_executions(&sessions)";
        confirmed("trades", "sessions").runs(16).advice(advice)
    }

    async fn the_trading_session_of_each_trade(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in newest_trades(&mut session).await {
            let trading_session = trade.session_id.unwrap();
            TradingSessions::new(&mut session).get(trading_session).await.unwrap(); // session
        }
        let found = confirmed("session", "the newest trades").runs(24).distinct(16);
        found.advice("TradingSessions::get_by_ids(&ids)")
    }

    async fn two_loops_over_one_list(db: &Database) -> [Label; 2] {
        let mut session = db.read().await.unwrap();
        let portfolios = Portfolios::new(&mut session).get_many(ALL).await.unwrap(); // portfolios
        for portfolio in &portfolios {
            Positions::new(&mut session).get_by_portfolio(portfolio.id, ALL).await.unwrap(); // positions
        }
        for portfolio in &portfolios {
            TradingSessions::new(&mut session).get_by_portfolio(portfolio.id, ALL).await.unwrap(); // sessions
        }
        [confirmed("positions", "portfolios").runs(8), confirmed("sessions", "portfolios").runs(8)]
    }

    async fn the_trades_with_one_status_of_each_portfolio(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let portfolios = Portfolios::new(&mut session).get_many(ALL).await.unwrap(); // portfolios
        let mut trades = Trades::new(&mut session);
        for portfolio in portfolios {
            let status = TradeStatus::Filled;
            trades.get_by_portfolio_and_status(portfolio.id, &status, ALL).await.unwrap(); // filled
        }
        confirmed("filled", "portfolios").runs(8)
    }

    async fn lists_of_one(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        for trade in newest_trades(&mut session).await {
            Trades::new(&mut session).get_by_ids(&[trade.id]).await.unwrap(); // one
        }
        confirmed("one", "the newest trades").runs(24)
    }

    async fn the_rows_of_a_page(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let page = Trades::new(&mut session).get_page(None, 10).await.unwrap(); // page
        for trade in page.rows {
            Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // executions
        }
        let advice = "Trades::get_many_with_executions(&ids)";
        confirmed("executions", "page").runs(10).advice(advice)
    }

    async fn the_rows_of_every_page(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let mut cursor = None;
        loop {
            let page = Trades::new(&mut session).get_page(cursor.as_ref(), 7).await.unwrap(); // page
            for trade in page.rows {
                Executions::new(&mut session).get_by_trade(trade.id).await.unwrap(); // executions
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let advice = "Trades::get_many_with_executions(&ids)";
        confirmed("executions", "page").runs(24).advice(advice)
    }

    async fn a_loop_in_a_write_transaction(db: &Database) -> Label {
        write(db, async |session| {
            let trades = Trades::new(session).get_many(ALL).await?; // trades
            for trade in trades {
                Executions::new(session).get_by_trade(trade.id).await?; // executions
            }
            Ok(())
        })
        .await;
        let advice = "Trades::get_many_with_executions(&ids)";
        confirmed("executions", "trades").runs(24).advice(advice)
    }
}
