//! Enum values that another program wrote are preserved.

use tallybook::book::{
    Execution, ExecutionChanges, LimitOffset, Position, PositionChanges, Repository, SessionStatus, Table,
    Trade, TradeChanges, TradeStatus, Trades, TradingSessionChanges, TradingSessions,
};
use tallybook::{Database, WriteSession};

use crate::sample::{Sample, parents};
use crate::support::{fields, sql, time, write};
use crate::template_books::{EMPTY, on_copies};

/// Writes a value into a column of every row, as another program does.
async fn overwrite(db: &tallybook::Database, table: &str, column: &str, word: &str) {
    sql(db, format!("UPDATE {table} SET {column} = '{word}'")).await;
}

/// Creates a row like one that was read.
async fn copy<T: Table<Key = i64>>(session: &mut WriteSession, new: &T::New) -> T {
    let copy = Repository::<_, T>::new(session).create(new).await.unwrap();
    assert_eq!(fields(&copy)[1..], fields(new));
    copy
}

on_copies! { of EMPTY:
    async fn unknown_words_of_a_trade_are_read_and_written_back(db: &Database) {
        parents(db).await;
        overwrite(db, "trades", "status", "WAITING_FOR_GODOT").await;
        overwrite(db, "trades", "action", "SHORT_SELL").await;
        overwrite(db, "trades", "order_type", "pegged").await;

        write(db, async |session| {
            let status = TradeStatus::from("WAITING_FOR_GODOT");
            let found = Trades::new(session).get_by_status(&status, LimitOffset::first(2)).await?;
            let [read] = &found[..] else { panic!("{found:?}") };
            assert_eq!(read.status, TradeStatus::Other("WAITING_FOR_GODOT".into()));
            assert_eq!(read.action.as_str(), "SHORT_SELL");
            assert_eq!(read.order_type.to_string(), "pegged");

            let changes = TradeChanges::new().quantity(5).status(read.status.clone());
            let updated = Trades::new(session).update(read.id, changes).await?;
            assert_eq!((&updated.status, &updated.action), (&read.status, &read.action));

            let new = tallybook::book::NewTrade {
                status: read.status.clone(),
                action: read.action.clone(),
                order_type: read.order_type.clone(),
                ..Trade::full(1, time(1))
            };
            copy::<Trade>(session, &new).await;
            Ok(())
        })
        .await;
    }

    async fn an_unknown_position_type_is_read_and_written_back(db: &Database) {
        parents(db).await;
        write(db, async |session| {
            let new = tallybook::book::NewPosition { position_type: "HEDGE".into(), ..Position::full(1, time(1)) };
            let row = copy::<Position>(session, &new).await;
            let changes = PositionChanges::new().quantity(5);
            let updated = Repository::<_, Position>::new(session).update(row.id, changes).await?;
            assert_eq!(updated.position_type.as_str(), "HEDGE");
            Ok(())
        })
        .await;
    }

    async fn an_unknown_execution_type_is_read_and_written_back(db: &Database) {
        parents(db).await;
        write(db, async |session| {
            let new = tallybook::book::NewExecution { execution_type: "BUST".into(), ..Execution::full(1, time(1)) };
            let row = copy::<Execution>(session, &new).await;
            let changes = ExecutionChanges::new().fees(5);
            let updated = Repository::<_, Execution>::new(session).repair().update(row.id, changes).await?;
            assert_eq!(updated.execution_type.as_str(), "BUST");
            Ok(())
        })
        .await;
    }

    async fn unknown_words_of_a_trading_session_are_read_and_written_back(db: &Database) {
        parents(db).await;
        overwrite(db, "trading_sessions", "status", "active").await;
        overwrite(db, "trading_sessions", "session_type", "SHADOW").await;
        write(db, async |session| {
            let mut sessions = TradingSessions::new(session);
            // Values are compared as they are stored.
            assert_eq!(sessions.get_active(LimitOffset::first(2)).await?, []);
            let found = sessions.get_by_status(&SessionStatus::from("active"), LimitOffset::first(2)).await?;
            let changes = TradingSessionChanges::new().total_trades(3);
            let updated = sessions.update(found[0].id, changes).await?;
            assert_eq!((updated.status.as_str(), updated.session_type.as_str()), ("active", "SHADOW"));
            Ok(())
        })
        .await;
    }
}
