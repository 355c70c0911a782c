//! Parameters: keys of all kinds, under all names.

use tallybook::Database;
use tallybook::book::{Positions, Trade, TradeId};
use tallybook::{Row, Statement, all, optional, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, confirmed};

const HOLDINGS: &str = "SELECT portfolio_id, symbol FROM holdings";

cases! { in_a_scope:
    async fn tuples_of_an_id(db: &Database) -> Label {
        const BY_TRADE: &str = "SELECT id FROM executions WHERE trade_id = $1";
        let mut session = db.read().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap(); // trades
        for (trade,) in trades {
            session.run(all::<(i64,)>(BY_TRADE, params![trade])).await.unwrap(); // executions
        }
        confirmed("executions", "trades").runs(24)
    }

    async fn an_id_under_another_name(db: &Database) -> Label {
        const BY_TRADE: &str = "SELECT e.id FROM executions AS e WHERE e.trade_id = $1";
        let mut session = db.read().await.unwrap();
        let trades = all::<(i64,)>("SELECT t.id AS trade_id FROM trades AS t", params![]); // trades
        for (trade,) in session.run(trades).await.unwrap() {
            session.run(all::<(i64,)>(BY_TRADE, params![trade])).await.unwrap(); // executions
        }
        confirmed("executions", "trades").runs(24)
    }

    async fn an_id_out_of_a_join(db: &Database) -> Label {
        const BIG: &str = "SELECT p.name, t.id AS trade_id FROM portfolios AS p \
                           JOIN trades AS t ON t.portfolio_id = p.id WHERE t.quantity > 12";
        let mut session = db.read().await.unwrap();
        let rows = session.run(all::<(String, i64)>(BIG, params![])).await.unwrap(); // joined
        for (_, trade) in rows {
            let query = all::<(i64,)>("SELECT id FROM events WHERE trade_id = $1", params![trade]); // events
            session.run(query).await.unwrap();
        }
        confirmed("events", "joined").runs(12)
    }

    async fn the_id_of_a_parent_that_children_name(db: &Database) -> Label {
        const NAME: &str = "SELECT name FROM portfolios WHERE id = $1";
        let mut session = db.read().await.unwrap();
        let positions = all::<(i64,)>("SELECT DISTINCT portfolio_id FROM positions", params![]); // positions
        for (portfolio,) in session.run(positions).await.unwrap() {
            session.run(optional::<(String,)>(NAME, params![portfolio])).await.unwrap(); // name
        }
        confirmed("name", "positions").runs(8)
    }

    async fn both_columns_of_a_composite_key(db: &Database) -> Label {
        const LOTS: &str = "SELECT quantity FROM lots WHERE portfolio_id = $1 AND symbol = $2";
        let mut session = db.read().await.unwrap();
        let holdings = all::<(i64, String)>(HOLDINGS, params![]); // holdings
        for (portfolio, symbol) in session.run(holdings).await.unwrap() {
            session.run(all::<(i64,)>(LOTS, params![portfolio, symbol])).await.unwrap(); // lots
        }
        // Distinct values are counted for one column, the one that proves the loop: four portfolios hold the 24.
        confirmed("lots", "holdings").runs(24).distinct(4)
    }

    async fn a_composite_key_compared_as_a_row(db: &Database) -> Label {
        const LOTS: &str = "SELECT quantity FROM lots WHERE (portfolio_id, symbol) = ($1, $2)";
        let mut session = db.read().await.unwrap();
        let holdings = all::<(i64, String)>(HOLDINGS, params![]); // holdings
        for (portfolio, symbol) in session.run(holdings).await.unwrap() {
            session.run(all::<(i64,)>(LOTS, params![portfolio, symbol])).await.unwrap(); // lots
        }
        confirmed("lots", "holdings").runs(24).distinct(4)
    }

    async fn a_composite_key_through_a_repository(db: &Database) -> Label {
        let mut session = db.read().await.unwrap();
        let holdings = all::<(i64, String)>("SELECT portfolio_id, symbol FROM lots", params![]); // holdings
        for (portfolio, symbol) in session.run(holdings).await.unwrap() {
            let mut positions = Positions::new(&mut session);
            positions.get_by_symbol(portfolio.into(), &symbol).await.unwrap(); // positions
        }
        confirmed("positions", "holdings").runs(24).distinct(4)
    }

    async fn a_key_that_is_a_text(db: &Database) -> Label {
        const PRICE: &str = "SELECT price FROM quotes WHERE external_id = $1";
        let mut session = db.read().await.unwrap();
        let instruments = all::<(String,)>("SELECT external_id FROM instruments", params![]); // instruments
        for (external,) in session.run(instruments).await.unwrap() {
            session.run(all::<(i64,)>(PRICE, params![external])).await.unwrap(); // price
        }
        confirmed("price", "instruments").runs(12)
    }

    async fn a_list_of_one_in_own_words(db: &Database) -> Label {
        let by_trade = Statement::with_lists("SELECT id FROM executions WHERE trade_id = ANY($1)");
        let mut session = db.read().await.unwrap();
        let trades = session.run(all::<(i64,)>("SELECT id FROM trades", params![])).await.unwrap(); // trades
        for (trade,) in trades {
            session.run(all::<(i64,)>(&by_trade, params![vec![trade]])).await.unwrap(); // executions
        }
        confirmed("executions", "trades").runs(24)
    }

    async fn a_whole_row_for_each_id(db: &Database) -> Label {
        let by_id = format!("SELECT {} FROM trades WHERE id = $1", <Trade as Row>::COLUMN_LIST);
        let by_id = Statement::from(by_id);
        let mut session = db.read().await.unwrap();
        let ids = all::<(i64,)>("SELECT id FROM trades WHERE status = 'FILLED'", params![]); // ids
        for (id,) in session.run(ids).await.unwrap() {
            let trade = optional::<Trade>(&by_id, params![id]); // trade
            assert_eq!(session.run(trade).await.unwrap().unwrap().id, TradeId::new(id));
        }
        confirmed("trade", "ids").runs(8)
    }
}
