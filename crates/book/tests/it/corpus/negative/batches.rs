//! Many rows at once: chunked lists, batches, bulk loads.

use tallybook::Database;
use tallybook::book::{Action, Execution, NewExecution, NewTrade, PortfolioId, Trade, TradeId, Trades};
use tallybook::{Statement, all, execute, params};

use crate::corpus::cases::cases;
use crate::corpus::ledger::{ALL, EVENTS};
use crate::support::{load, write};

cases! { in_a_scope:
    async fn chunks_of_fifty_of_which_the_last_has_one(db: &Database) {
        let by_ids = Statement::with_lists("SELECT level FROM events WHERE id = ANY($1)");
        let mut session = db.read().await.unwrap();
        let events = session.run(all::<(i64,)>("SELECT id FROM events", params![])).await.unwrap();
        let ids: Vec<i64> = events.into_iter().map(|(id,)| id).collect();
        assert_eq!((ids.len() as i64, ids.len() % 50), (EVENTS, 1));
        for chunk in ids.chunks(50) {
            session.run(all::<(i64,)>(&by_ids, params![chunk.to_vec()])).await.unwrap();
        }
    }

    async fn chunks_in_a_repository(db: &Database) {
        let mut session = db.read().await.unwrap();
        let trades = Trades::new(&mut session).get_many(ALL).await.unwrap();
        let ids: Vec<_> = trades.iter().map(|trade| trade.id).collect();
        for chunk in ids.chunks(5) {
            Trades::new(&mut session).get_many_with_executions(chunk).await.unwrap();
        }
    }

    async fn pairs_in_a_list_that_is_written_out(db: &Database) {
        const PAIR: &str = "SELECT id FROM executions WHERE trade_id IN ($1, $2)";
        let mut session = db.read().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap();
        for pair in trades.chunks(2) {
            session.run(all::<(i64,)>(PAIR, params![pair[0].0, pair[1].0])).await.unwrap();
        }
    }

    async fn a_query_for_each_row_in_one_round_trip(db: &Database) {
        const BY_TRADE: &str = "SELECT id FROM executions WHERE trade_id = $1";
        let mut session = db.read().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap();
        let queries: Vec<_> = trades.iter().map(|(id,)| all::<(i64,)>(BY_TRADE, params![id])).collect();
        assert_eq!(session.run(queries).await.unwrap().len(), 24);
    }

    async fn batches_of_six_for_each_six_rows(db: &Database) {
        const BY_TRADE: &str = "SELECT id FROM executions WHERE trade_id = $1";
        let mut session = db.read().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap();
        for some in trades.chunks(6) {
            let queries: Vec<_> = some.iter().map(|(id,)| all::<(i64,)>(BY_TRADE, params![id])).collect();
            session.run(queries).await.unwrap();
        }
    }

    async fn an_update_for_each_row_in_one_round_trip(db: &Database) {
        const FILL: &str = "UPDATE trades SET status = 'FILLED' WHERE id = $1";
        write(db, async |session| {
            let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await?;
            let updates: Vec<_> = trades.into_iter().map(|(id,)| execute(FILL, params![id])).collect();
            Ok(session.run(updates).await?)
        })
        .await;
    }

    async fn children_of_every_parent_created_together(db: &Database) {
        write(db, async |session| {
            let trades = Trades::new(session).get_many(ALL).await?;
            let fill = |trade: &Trade| NewExecution::new(trade.id, &trade.symbol, 1.into(), 10.into());
            let fills: Vec<_> = trades.iter().map(fill).collect();
            tallybook::book::Executions::new(session).create_many(&fills).await
        })
        .await;
    }

    async fn a_bulk_load(db: &Database) {
        write(db, async |session| {
            let trades = (1..=8).map(|id| NewTrade::market(PortfolioId::new(id), Action::Sell, "S1", 1.into()));
            load::<Trade>(session, trades).await;
            let fills = (1..=24).map(|id| NewExecution::new(TradeId::new(id), "S1", 1.into(), 10.into()));
            load::<Execution>(session, fills).await;
            Ok(())
        })
        .await;
    }

    async fn an_export_of_all_tables_in_one_snapshot(db: &Database) {
        let mut session = db.snapshot().await.unwrap();
        for table in ["portfolios", "positions", "trades", "executions", "events", "lots", "notes"] {
            let query = all::<(i64,)>(format!("SELECT id FROM {table} ORDER BY id"), params![]);
            session.run(query).await.unwrap();
        }
    }
}
