//! One snapshot for a whole session, for reads and for writes.

use std::time::Duration;

use futures_util::TryStreamExt;
use tallybook::{
    Database, Dialect, IsolationLevel, One, ReadBatch, ReadSession, Statement, all, execute, one, params,
};
use tallybook_testkit::postgres;

use crate::support::{at_rest, eventually, polled, read, with_notes, write};

/// Longer than quick work takes on a busy machine, and shorter than the long read.
const SOON: Duration = Duration::from_secs(15);

fn count() -> One<(i64,)> {
    one("SELECT count(*) FROM notes", params![])
}

fn title() -> One<(String,)> {
    one("SELECT title FROM notes WHERE id = 1", params![])
}

/// A read of at least half a minute, unless it is stopped.
fn long_read() -> One<(i64,)> {
    let sql = Statement::per_dialect(
        "SELECT 1::bigint FROM pg_sleep(60)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000000) SELECT count(*) FROM n",
    );
    one(sql, params![])
}

/// Sends a batch and drops it before the answer: at once, or once it runs.
async fn drop_read(session: &mut ReadSession, batch: impl ReadBatch, round: usize) {
    let read = session.run(batch);
    match round {
        1 => assert!(polled(1, read).await.is_none()),
        _ => assert!(tokio::time::timeout(Duration::from_millis(100), read).await.is_err()),
    }
}

async fn with_a_note(url: &str) -> Database {
    let db = with_notes(url).await;
    write(&db, "INSERT INTO notes (id, title) VALUES (1, 'old')").await;
    db
}

tallybook_testkit::both_dialects! {
    async fn a_snapshot_whose_first_read_was_dropped_takes_another_at_once(url: &str) {
        let db = with_a_note(url).await;
        for round in 1..4 {
            let mut snapshot = db.snapshot().await.unwrap();
            drop_read(&mut snapshot, long_read(), round).await;
            write(&db, "UPDATE notes SET title = title || '.'").await;
            let (seen,) = tokio::time::timeout(SOON, snapshot.run(title())).await.expect("at once").unwrap();
            assert_eq!(seen.len(), "old".len() + round);
            // It is one snapshot from then on.
            write(&db, "INSERT INTO notes (id, title) VALUES (2, 'later')").await;
            assert_eq!(snapshot.run(count()).await.unwrap(), (1,));
            drop(snapshot);
            write(&db, "DELETE FROM notes WHERE id = 2").await;
        }
        at_rest(&db).await;
    }

    async fn a_read_session_goes_on_at_once_when_a_read_was_dropped(url: &str) {
        let db = with_a_note(url).await;
        let mut session = db.read().await.unwrap();
        for round in 1..4 {
            drop_read(&mut session, long_read(), round).await;
            let seen = tokio::time::timeout(SOON, session.run(count())).await.expect("at once");
            assert_eq!(seen.unwrap(), (1,));
            drop_read(&mut session, (count(), long_read()), round).await;
            let seen = tokio::time::timeout(SOON, session.run((count(), count()))).await.expect("at once");
            assert_eq!(seen.unwrap(), ((1,), (1,)));
        }
    }

    async fn a_snapshot_that_was_seen_ends_with_a_read_that_was_dropped(url: &str) {
        let db = with_a_note(url).await;
        let mut snapshot = db.snapshot().await.unwrap();
        snapshot.run(title()).await.unwrap();
        drop_read(&mut snapshot, long_read(), 2).await;
        for _ in 0..2 {
            let error = tokio::time::timeout(SOON, snapshot.run(title())).await.expect("at once").unwrap_err();
            assert!(error.is_transaction_failed(), "{error}");
            assert!(error.message().contains("abandoned before its end"), "{error}");
        }
        drop(snapshot);
        at_rest(&db).await;
    }

    async fn a_snapshot_that_was_seen_ends_with_a_batch_that_fails(url: &str) {
        let db = with_a_note(url).await;
        for batch_fails_first in [true, false] {
            let mut snapshot = db.snapshot().await.unwrap();
            snapshot.run(title()).await.unwrap();
            let wrong = || all::<(i64,)>("SELECT wrong FROM notes", params![]);
            let failed = match batch_fails_first {
                true => snapshot.run((wrong(), title())).await.map(drop),
                false => snapshot.run((title(), wrong())).await.map(drop),
            };
            assert!(failed.unwrap_err().code().is_some());
            let error = snapshot.run(title()).await.unwrap_err();
            assert!(error.is_transaction_failed() && error.message().contains("wrong"), "{error}");
            assert!(error.message().contains("Database::snapshot"), "{error}");
        }
    }

    async fn a_snapshot_whose_first_batch_failed_takes_another(url: &str) {
        let db = with_a_note(url).await;
        let mut snapshot = db.snapshot().await.unwrap();
        for _ in 0..2 {
            let wrong = (title(), all::<(i64,)>("SELECT wrong FROM notes", params![]));
            assert!(snapshot.run(wrong).await.unwrap_err().code().is_some());
        }
        write(&db, "UPDATE notes SET title = 'new'").await;
        assert_eq!(snapshot.run(title()).await.unwrap().0, "new");
        write(&db, "UPDATE notes SET title = 'newer'").await;
        assert_eq!(snapshot.run(title()).await.unwrap().0, "new");
    }

    async fn what_is_refused_before_it_is_sent_leaves_the_snapshot_as_it_is(url: &str) {
        let db = with_a_note(url).await;
        let mut snapshot = db.snapshot().await.unwrap();
        snapshot.run(title()).await.unwrap();
        write(&db, "UPDATE notes SET title = 'new'").await;
        assert!(snapshot.run(all::<(i64,)>("DELETE FROM notes RETURNING id", params![])).await.is_err());
        assert!(snapshot.run(one::<(i64,)>("SELECT id FROM notes WHERE id = 9", params![])).await.is_err(), "no row");
        assert_eq!(snapshot.run(title()).await.unwrap().0, "old");
    }

    async fn the_reads_of_a_batch_see_one_moment(url: &str) {
        let db = with_a_note(url).await;
        let other = db.clone();
        let writer = tokio::spawn(async move {
            for id in 2..=300 {
                write(&other, format!("INSERT INTO notes (id, title) VALUES ({id}, 'note {id}')")).await;
            }
        });
        let mut session = db.read().await.unwrap();
        while !writer.is_finished() {
            let (first, second) = session.run((count(), count())).await.unwrap();
            assert_eq!(first, second);
        }
        writer.await.unwrap();
        assert_eq!(session.run((count(), count())).await.unwrap(), ((300,), (300,)));
    }

    async fn a_serializable_snapshot_reads_the_same_in_each_batch_and_cannot_write(url: &str) {
        let db = with_a_note(url).await;
        let mut snapshot = db.serializable_snapshot().await.unwrap();
        assert_eq!(snapshot.run(title()).await.unwrap().0, "old");
        write(&db, "UPDATE notes SET title = 'new'").await;
        assert_eq!(snapshot.run((title(), count())).await.unwrap(), (("old".to_owned(),), (1,)));
        let stream = snapshot.stream(all::<(String,)>("SELECT title FROM notes", params![])).await.unwrap();
        assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap(), [("old".to_owned(),)]);
        if db.dialect() == Dialect::Postgres {
            let settings = "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), \
                            current_setting('transaction_deferrable')";
            let settings = snapshot.run(one::<(String, String, String)>(settings, params![])).await.unwrap();
            assert_eq!(settings, ("serializable".to_owned(), "on".to_owned(), "on".to_owned()));
        }
        let delete = all::<(i64,)>("DELETE FROM notes RETURNING id", params![]);
        assert!(snapshot.run(delete).await.unwrap_err().is_read_only());
        drop(snapshot);
        at_rest(&db).await;
    }

    async fn a_write_session_of_one_snapshot_reads_the_same_in_each_batch(url: &str) {
        let db = with_a_note(url).await;
        for isolation in [IsolationLevel::RepeatableRead, IsolationLevel::Serializable] {
            write(&db, "UPDATE notes SET title = 'old'").await;
            let mut session = db.begin_with(isolation).await.unwrap();
            assert_eq!(session.run(title()).await.unwrap().0, "old");
            let other = db.clone();
            let update = tokio::spawn(async move { write(&other, "UPDATE notes SET title = 'new'").await });
            if db.dialect() == Dialect::Postgres {
                update.await.unwrap();
                assert_eq!(session.run((title(), count())).await.unwrap(), (("old".to_owned(),), (1,)));
                session.roll_back().await.unwrap();
            } else {
                // There, the other one waits for this one's end.
                assert_eq!(session.run((title(), count())).await.unwrap(), (("old".to_owned(),), (1,)));
                session.roll_back().await.unwrap();
                update.await.unwrap();
            }
            // It can write.
            let written = db.write_with(isolation, async |session| {
                session.run(execute("UPDATE notes SET title = 'mine'", params![])).await
            });
            assert_eq!(written.await.unwrap().into_value(), 1);
            assert_eq!(db.read().await.unwrap().run(title()).await.unwrap().0, "mine");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_what_another_has_changed_since_the_snapshot_can_be_run_again() {
    let database = postgres().await.database("a_change_of_what_another").await;
    let db = with_a_note(database.url()).await;
    let change = || execute("UPDATE notes SET title = title || '!' WHERE id = 1", params![]);
    for (isolation, is_refused) in
        [(IsolationLevel::ReadCommitted, false), (IsolationLevel::RepeatableRead, true)]
    {
        let mut session = db.begin_with(isolation).await.unwrap();
        session.run(count()).await.unwrap();
        write(&db, "UPDATE notes SET title = 'new'").await;
        let changed = session.run(change()).await;
        match is_refused {
            true => assert!(changed.unwrap_err().is_retryable()),
            false => assert_eq!(changed.unwrap(), 1),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serializable_transactions_that_would_skew_each_other_are_not_both_committed() {
    let database = postgres().await.database("serializable_transactions").await;
    let db = with_a_note(database.url()).await;
    // Each adds a note if there is exactly one.
    let add = |id: i64| execute("INSERT INTO notes (id, title) VALUES ($1, $1::text)", params![id]);
    for (isolation, both) in [(IsolationLevel::RepeatableRead, true), (IsolationLevel::Serializable, false)] {
        let (mut one, mut other) =
            (db.begin_with(isolation).await.unwrap(), db.begin_with(isolation).await.unwrap());
        assert_eq!((one.run(count()).await.unwrap(), other.run(count()).await.unwrap()), ((1,), (1,)));
        one.run(add(2)).await.unwrap();
        let added = other.run(add(3)).await;
        one.commit().await.unwrap();
        let committed = match added {
            Ok(_) => other.commit().await.map(drop),
            Err(error) => Err(error),
        };
        match both {
            true => committed.unwrap(),
            false => assert!(committed.unwrap_err().is_retryable()),
        }
        write(&db, "DELETE FROM notes WHERE id > 1").await;
    }
}

/// Two serializable transactions and a report in between that no serial order of all three has: Fekete, O'Neil and O'Neil,
/// "A read-only transaction anomaly under snapshot isolation".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serializable_snapshot_waits_for_a_moment_that_a_serial_order_has() {
    let database = postgres().await.database("a_serializable_snapshot_waits").await;
    let db = with_a_note(database.url()).await;
    write(&db, "CREATE TABLE checking AS SELECT 0::bigint AS balance").await;
    write(&db, "CREATE TABLE saving AS SELECT 0::bigint AS balance").await;
    let balances =
        || one::<(i64, i64)>("SELECT c.balance, s.balance FROM checking c CROSS JOIN saving s", params![]);
    // It sees that both together do not hold what is withdrawn, and so charges a fee of 1.
    let mut withdraws = db.begin_with(IsolationLevel::Serializable).await.unwrap();
    assert_eq!(withdraws.run(balances()).await.unwrap(), (0, 0));
    let mut deposits = db.begin_with(IsolationLevel::Serializable).await.unwrap();
    deposits.run(execute("UPDATE saving SET balance = balance + 20", params![])).await.unwrap();
    deposits.commit().await.unwrap();
    let report = tokio::spawn({
        let db = db.clone();
        async move { db.serializable_snapshot().await?.run(balances()).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SafeSnapshot'";
    eventually("it waits", async || read::<(i64,)>(&db, waits).await == [(1,)]).await;
    assert!(!report.is_finished());
    withdraws.run(execute("UPDATE checking SET balance = balance - 11", params![])).await.unwrap();
    withdraws.commit().await.unwrap();
    // The deposit alone, which a plain snapshot would have shown, is never seen without the fee.
    assert_eq!(report.await.unwrap().unwrap(), (-11, 20));
}
