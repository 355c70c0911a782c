//! Loops that are probable, not proved.

use tallybook::Database;
use tallybook::{all, one, params};

use crate::corpus::cases::cases;
use crate::corpus::label::{Label, suspected};

cases! { in_a_scope:
    async fn the_trades_of_each_symbol(db: &Database) -> Label {
        const BY_SYMBOL: &str = "SELECT id FROM trades WHERE symbol = $1";
        let mut session = db.read().await.unwrap();
        let symbols = all::<(String,)>("SELECT DISTINCT symbol FROM positions", params![]); // symbols
        for (symbol,) in session.run(symbols).await.unwrap() {
            session.run(all::<(i64,)>(BY_SYMBOL, params![symbol])).await.unwrap(); // trades
        }
        suspected("trades", "symbols").runs(12)
    }

    async fn the_lots_of_each_symbol_of_one_portfolio(db: &Database) -> Label {
        const HELD: &str = "SELECT symbol FROM holdings WHERE portfolio_id = $1";
        const LOTS: &str = "SELECT quantity FROM lots WHERE portfolio_id = $1 AND symbol = $2";
        let mut session = db.read().await.unwrap();
        let held = session.run(all::<(String,)>(HELD, params![3])).await.unwrap(); // held
        for (symbol,) in held {
            session.run(all::<(i64,)>(LOTS, params![3, symbol])).await.unwrap(); // lots
        }
        suspected("lots", "held").runs(6)
    }

    async fn keys_in_an_expression_in_the_order_of_their_rows(db: &Database) -> Label {
        const COUNT: &str = "SELECT count(*) FROM executions WHERE coalesce(trade_id, 0) = $1";
        let mut session = db.read().await.unwrap();
        let trades = all::<(i64,)>("SELECT id FROM trades ORDER BY id", params![]); // trades
        for (trade,) in session.run(trades).await.unwrap() {
            session.run(one::<(i64,)>(COUNT, params![trade])).await.unwrap(); // count
        }
        suspected("count", "trades").runs(24)
    }
}
