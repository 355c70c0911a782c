//! Concurrent writers: the patterns that keep every change, and those that lose some.

use std::time::Duration;

use chrono::TimeDelta;
use tallybook::Dialect;
use tallybook::book::{
    Executions, NewExecution, Portfolios, Position, Positions, Result, Trade, TradeChanges, TradeId,
    TradeStatus, Trades, TradingSessions, upgrade,
};
use tallybook::{Database, now};
use tallybook_testkit::{SqliteFile, both_dialects};
use tokio::time::timeout;

use crate::sample::{PORTFOLIO, SESSION, Sample, TRADE, parents};
use crate::support::{book, decimal, sql, write};

/// Time limit for anything that must not wait.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Creates a book with one unfilled trade.
async fn with_trade(url: &str) -> Database {
    let db = book(url).await;
    parents(&db).await;
    db
}

async fn trade(db: &Database) -> Trade {
    Trades::new(&mut db.read().await.unwrap()).get(TRADE).await.unwrap().unwrap()
}

/// Runs the same work in 20 concurrent tasks, all of which succeed.
async fn in_tasks<F: Future<Output = Result<()>> + Send + 'static>(
    db: &Database,
    work: impl Fn(Database) -> F,
) {
    let tasks: Vec<_> = (0..20).map(|_| tokio::spawn(work(db.clone()))).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

fn plus_five(read: &Trade) -> TradeChanges {
    TradeChanges::new().filled_quantity(read.filled_quantity + decimal("5"))
}

/// Cancels the trade, as a concurrent writer would.
async fn cancel(db: &Database) -> Trade {
    let changes = TradeChanges::new().status(TradeStatus::Cancelled);
    write(db, async |session| Trades::new(session).update(TRADE, changes).await).await
}

both_dialects! {
    async fn increments_at_the_same_time_are_all_kept(url: &str) {
        let db = with_trade(url).await;
        in_tasks(&db, |db| async move {
            let written = db.write(async |session| Trades::new(session).add_filled_quantity(TRADE, 5).await);
            written.await.map(drop)
        })
        .await;
        assert_eq!(trade(&db).await.filled_quantity, 100.into());
    }

    async fn changes_of_rows_that_were_read_for_update_are_all_kept(url: &str) {
        let db = with_trade(url).await;
        in_tasks(&db, |db| async move {
            let written = db.write(async |session| -> Result<Trade> {
                let mut trades = Trades::new(session);
                let read = trades.get_for_update(TRADE).await?.unwrap();
                trades.update(TRADE, plus_five(&read)).await
            });
            written.await.map(drop)
        })
        .await;
        assert_eq!(trade(&db).await.filled_quantity, 100.into());
    }

    async fn changes_that_expect_what_was_read_are_kept_or_stale(url: &str) {
        let db = with_trade(url).await;
        in_tasks(&db, |db| async move {
            loop {
                let read = trade(&db).await;
                let written = db.write(async |session| {
                    Trades::new(session).update(TRADE, plus_five(&read)).expecting(read.updated_at).await
                });
                match written.await {
                    Err(error) if error.is_stale() => continue,
                    written => return written.map(drop),
                }
            }
        })
        .await;
        assert_eq!(trade(&db).await.filled_quantity, 100.into());
    }

    // As docs/concurrency.md says.
    async fn a_change_of_what_was_merely_read_overwrites_others(url: &str) {
        let db = with_trade(url).await;
        // Read before the transaction: lost in both dialects.
        let (one, two) = (trade(&db).await, trade(&db).await);
        for read in [one, two] {
            write(&db, async |session| Trades::new(session).update(TRADE, plus_five(&read)).await).await;
        }
        assert_eq!(trade(&db).await.filled_quantity, 5.into());
        if db.dialect() == Dialect::Postgres {
            // Read inside: lost on PostgreSQL. On SQLite the second transaction does not begin before the first
            // ends.
            let (mut one, mut two) = (db.begin().await.unwrap(), db.begin().await.unwrap());
            let mut read = Vec::new();
            for session in [&mut one, &mut two] {
                read.push(Trades::new(session).get(TRADE).await.unwrap().unwrap());
            }
            for (mut session, read) in [one, two].into_iter().zip(read) {
                Trades::new(&mut session).update(TRADE, plus_five(&read)).await.unwrap();
                session.commit().await.unwrap();
            }
            assert_eq!(trade(&db).await.filled_quantity, 10.into());
        }
    }

    // As docs/concurrency.md says about write sessions.
    async fn a_statement_of_a_write_session_sees_what_others_committed_before_it_on_postgresql(url: &str) {
        let db = with_trade(url).await;
        if db.dialect() == Dialect::Postgres {
            let mut session = db.begin().await.unwrap();
            let before = Trades::new(&mut session).get(TRADE).await.unwrap().unwrap();
            let cancelled = cancel(&db).await;
            let after = Trades::new(&mut session).get(TRADE).await.unwrap().unwrap();
            assert_eq!((before.status, after), (TradeStatus::Pending, cancelled));
        }
    }

    async fn a_stale_update_names_the_row_and_both_times_and_changes_nothing(url: &str) {
        let db = with_trade(url).await;
        let read = trade(&db).await;
        let cancelled = cancel(&db).await;
        let mut session = db.begin().await.unwrap();
        let fill = || TradeChanges::new().status(TradeStatus::Filled).filled_quantity(1);
        let error = Trades::new(&mut session).update(TRADE, fill()).expecting(read.updated_at).await.unwrap_err();
        assert!(error.is_stale() && !error.is_not_found() && !error.is_retryable(), "{error}");
        let told = error.to_string();
        for part in ["trade 1", &read.updated_at.to_string(), &cancelled.updated_at.to_string(), "read it again"] {
            assert!(told.contains(part), "{told}");
        }
        // The transaction continues.
        let mut trades = Trades::new(&mut session);
        assert_eq!(trades.get(TRADE).await.unwrap().unwrap(), cancelled);
        trades.update(TRADE, fill()).expecting(cancelled.updated_at).await.unwrap();
        session.commit().await.unwrap();
        assert_eq!(trade(&db).await.status, TradeStatus::Filled);
    }

    async fn an_update_without_changes_is_stale_too(url: &str) {
        let db = with_trade(url).await;
        let read = trade(&db).await;
        let cancelled = cancel(&db).await;
        write(&db, async |session| {
            let mut trades = Trades::new(session);
            let stale = trades.update(TRADE, TradeChanges::new()).expecting(read.updated_at).await;
            assert!(stale.unwrap_err().is_stale());
            let fresh = trades.update(TRADE, TradeChanges::new()).expecting(cancelled.updated_at).await?;
            assert_eq!(fresh, cancelled);
            Ok(())
        })
        .await;
    }

    async fn a_deletion_that_expects_what_was_read_spares_what_was_changed(url: &str) {
        let db = with_trade(url).await;
        let read = trade(&db).await;
        let cancelled = cancel(&db).await;
        write(&db, async |session| {
            let mut trades = Trades::new(session);
            assert!(trades.delete(TRADE).expecting(read.updated_at).await.unwrap_err().is_stale());
            assert!(trades.delete(TRADE).expecting(cancelled.updated_at).await?);
            assert!(!trades.delete(TRADE).expecting(cancelled.updated_at).await?);
            assert!(!trades.delete(TRADE).await?);
            Ok(())
        })
        .await;
    }

    async fn a_row_that_is_not_there_is_not_found_by_any_way(url: &str) {
        let db = with_trade(url).await;
        let nobody = TradeId::new(404);
        write(&db, async |session| {
            let mut trades = Trades::new(session);
            assert_eq!(trades.get_for_update(nobody).await?, None);
            for changes in [TradeChanges::new(), TradeChanges::new().filled_quantity(1)] {
                assert!(trades.update(nobody, changes).expecting(now()).await.unwrap_err().is_not_found());
            }
            assert!(trades.add_filled_quantity(nobody, 1).await.unwrap_err().is_not_found());
            Ok(())
        })
        .await;
    }

    async fn each_update_is_later_than_the_one_before_whatever_the_clock_says(url: &str) {
        let db = with_trade(url).await;
        let ahead = now() + TimeDelta::hours(1);
        let set = format!("UPDATE trades SET updated_at = '{}'", ahead.format("%Y-%m-%d %H:%M:%S%.6f"));
        sql(&db, set).await;
        write(&db, async |session| {
            let mut trades = Trades::new(session);
            for number in 1..=50 {
                let updated = trades.update(TRADE, TradeChanges::new().filled_quantity(number)).await?;
                assert_eq!(updated.updated_at, ahead + TimeDelta::microseconds(number.into()));
            }
            Ok(())
        })
        .await;
    }

    async fn an_increment_is_exact_or_refused_and_names_its_column(url: &str) {
        let db = with_trade(url).await;
        let mut session = db.begin().await.unwrap();
        let mut trades = Trades::new(&mut session);
        for _ in 0..10 {
            trades.add_filled_quantity(TRADE, decimal("0.1")).await.unwrap();
        }
        assert_eq!(trades.add_filled_quantity(TRADE, decimal("-0.3")).await.unwrap().filled_quantity, decimal("0.7"));
        for amount in ["0.00000000000000001", "9999999999999999.1", "0.0000000000000000000000000001"] {
            let error = trades.add_filled_quantity(TRADE, decimal(amount)).await.unwrap_err();
            assert!(error.is_invalid_value() && error.to_string().contains("filled_quantity"), "{error}");
        }
        session.commit().await.unwrap();
        assert_eq!(trade(&db).await.filled_quantity, decimal("0.7"));
    }

    async fn every_increment_adds_to_its_own_column(url: &str) {
        let db = with_trade(url).await;
        write(&db, async |session| {
            let before = Portfolios::new(session).get(PORTFOLIO).await?.unwrap().current_capital;
            let portfolio = Portfolios::new(session).add_current_capital(PORTFOLIO, decimal("-0.01")).await?;
            assert_eq!(portfolio.current_capital, before - decimal("0.01"));

            let mut positions = Positions::new(session);
            let position = positions.create(&Position::bare(1)).await?;
            let (quantity, profit) = (position.quantity, position.realized_pnl);
            positions.add_quantity(position.id, 7).await?;
            let position = positions.add_realized_pnl(position.id, decimal("-2.5")).await?;
            assert_eq!(position.quantity, quantity + decimal("7"));
            assert_eq!(position.realized_pnl, profit - decimal("2.5"));

            let mut sessions = TradingSessions::new(session);
            sessions.add_current_capital(SESSION, 1).await?;
            sessions.add_total_pnl(SESSION, decimal("1.5")).await?;
            sessions.add_total_trades(SESSION, 3).await?;
            sessions.add_winning_trades(SESSION, 2).await?;
            let found = sessions.add_losing_trades(SESSION, 1).await?;
            assert_eq!((found.current_capital, found.total_pnl), (100_001.into(), decimal("1.5")));
            assert_eq!((found.total_trades, found.winning_trades, found.losing_trades), (3, 2, 1));
            assert!(sessions.add_total_trades(SESSION, i64::MAX).await.unwrap_err().is_invalid_value());
            Ok(())
        })
        .await;
    }

    async fn a_row_that_is_locked_still_gets_executions(url: &str) {
        let db = with_trade(url).await;
        if db.dialect() == Dialect::Postgres {
            let mut session = db.begin().await.unwrap();
            Trades::new(&mut session).get_for_update(TRADE).await.unwrap().unwrap();
            let execution = NewExecution::new(TRADE, "A", 1.into(), 1.into());
            let executed = write(&db, async |session| Executions::new(session).create(&execution).await);
            timeout(TIMEOUT, executed).await.unwrap();
            session.commit().await.unwrap();
        }
    }

    async fn an_upgrade_inside_a_write_is_refused_at_once(url: &str) {
        let db = with_trade(url).await;
        let outcome = db.write(async |session| -> Result<()> {
            Trades::new(session).add_filled_quantity(TRADE, 1).await?;
            upgrade(&db).await.map(drop)
        });
        let error = outcome.await.unwrap_err();
        assert!(error.database().is_some_and(|error| error.is_nested_write()), "{error}");
        assert_eq!(trade(&db).await.filled_quantity, 0.into());
    }
}

/// Other programs format the same time differently.
#[tokio::test]
async fn a_time_that_was_spelled_otherwise_is_expected_by_its_value_and_grows() {
    let file = SqliteFile::new("spelled_otherwise");
    let db = with_trade(&file.url()).await;
    for spelled in [
        "2025-03-01 09:30:00",
        "2025-03-01T09:30:00",
        "2025-03-01 09:30:00.5",
        "2025-03-01T09:30:00.000001Z",
        "2999-12-31T23:59:59.999999+00:00",
    ] {
        sql(&db, format!("UPDATE trades SET updated_at = '{spelled}'")).await;
        let read = trade(&db).await;
        write(&db, async |session| {
            let mut trades = Trades::new(session);
            let other = read.updated_at + TimeDelta::microseconds(1);
            let changes = || TradeChanges::new().filled_quantity(1);
            assert!(
                trades.update(TRADE, changes()).expecting(other).await.unwrap_err().is_stale(),
                "{spelled}"
            );
            let updated = trades.update(TRADE, changes()).expecting(read.updated_at).await?;
            assert!(updated.updated_at > read.updated_at, "{spelled}");
            Ok(())
        })
        .await;
    }
}
