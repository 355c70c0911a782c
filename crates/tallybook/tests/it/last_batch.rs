//! The last batch of a transaction, which commits.

use tallybook::{Error, ErrorKind, Execute, IsolationLevel, Result, execute, one, optional, params};
use tallybook_testkit::{Mode, Proxy, postgres};

use crate::support::{at_rest, count_notes, create_notes, open, polled, read, with_notes, write};

fn insert(id: i64, title: &str) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, title])
}

fn title_of(id: i64) -> tallybook::One<(String,)> {
    one("SELECT title FROM notes WHERE id = $1", params![id])
}

/// An error of one's own.
#[derive(Debug)]
enum Mine {
    Refused,
    Database(Error),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

tallybook_testkit::both_dialects! {
    async fn a_transaction_of_one_last_batch_is_committed_in_one_round_trip(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        let output = session.run_last((insert(1, "one"), title_of(1))).await.unwrap();
        assert_eq!(output, (1, ("one".to_owned(),)));
        assert_eq!(count_notes(&db).await, 1, "before the session ends");
        let counts = session.counts();
        assert_eq!((counts.round_trips, counts.statements, counts.rows), (1, 2, 2));
        session.commit().await.unwrap();
    }

    async fn the_token_of_a_last_batch_is_that_of_its_commit(url: &str) {
        let db = with_notes(url).await;
        let committed = db.write(async |session| session.run_last(insert(1, "one")).await).await.unwrap();
        let is_postgres = db.dialect() == tallybook::Dialect::Postgres;
        assert_eq!(committed.token().position().is_some(), is_postgres);
        assert_eq!(committed.token().is_position_unknown(), !is_postgres);
        let mut session = db.read_after(&committed.token()).await.unwrap();
        assert_eq!(session.run(title_of(1)).await.unwrap().0, "one");
    }

    async fn earlier_batches_are_committed_with_the_last(url: &str) {
        let db = with_notes(url).await;
        let committed = db.write(async |session| -> Result<u64> {
            session.run(insert(1, "one")).await?;
            session.run_last(insert(2, "two")).await
        });
        assert_eq!(committed.await.unwrap().into_value(), 1);
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn a_last_batch_works_at_every_isolation_level(url: &str) {
        let db = with_notes(url).await;
        let levels = [IsolationLevel::ReadCommitted, IsolationLevel::RepeatableRead, IsolationLevel::Serializable];
        for (id, level) in (1..).zip(levels) {
            let title = format!("{level:?}");
            db.write_with(level, async |session| session.run_last(insert(id, &title)).await).await.unwrap();
        }
        assert_eq!(count_notes(&db).await, 3);
    }

    async fn a_last_batch_may_only_read_or_be_empty(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        let title = db.write(async |session| session.run_last(title_of(1)).await).await.unwrap();
        assert_eq!(title.into_value().0, "one");
        let nothing = db.write(async |session| session.run_last(Vec::<Execute>::new()).await).await.unwrap();
        assert!(nothing.token().position().is_none() && !nothing.token().is_position_unknown());
        let earlier = db.write(async |session| -> Result<()> {
            session.run(insert(2, "two")).await?;
            session.run_last(()).await
        });
        earlier.await.unwrap();
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn a_last_batch_that_fails_is_rolled_back_with_its_transaction(url: &str) {
        let db = with_notes(url).await;
        let failed = db.write(async |session| -> Result<()> {
            session.run(insert(1, "one")).await?;
            session.run_last((insert(2, "two"), insert(1, "again"))).await?;
            Ok(())
        });
        let error = failed.await.unwrap_err();
        assert!(error.is_unique_violation() && !error.is_committed(), "{error:?}");
        assert_eq!(error.position(), Some(1));
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
        let mut session = db.begin().await.unwrap();
        session.run_last((insert(1, "one"), insert(1, "again"))).await.unwrap_err();
        assert!(session.run(insert(2, "two")).await.unwrap_err().is_transaction_failed());
        assert!(session.commit().await.unwrap_err().is_transaction_failed());
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_deferred_constraint_fails_the_last_batch(url: &str) {
        let db = open(url).await;
        write(&db, "CREATE TABLE parents (id integer PRIMARY KEY)").await;
        write(&db, "CREATE TABLE children (parent integer REFERENCES parents DEFERRABLE INITIALLY DEFERRED)").await;
        let orphan = || execute("INSERT INTO children VALUES (1)", params![]);
        let error = db.write(async |session| session.run_last(orphan()).await).await.unwrap_err();
        assert!(error.is_foreign_key_violation() && !error.is_committed(), "{error:?}");
        at_rest(&db).await;
        assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM children").await, [(0,)]);
        let parent = execute("INSERT INTO parents VALUES (1)", params![]);
        db.write(async |session| session.run_last((orphan(), parent)).await).await.unwrap();
    }

    async fn what_follows_a_last_batch_is_told_that_it_is_committed(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run_last(insert(1, "one")).await.unwrap();
        let errors = [
            session.run(insert(2, "two")).await.unwrap_err(),
            session.run_last(insert(2, "two")).await.unwrap_err(),
            session.begin_savepoint().await.unwrap_err(),
            session.roll_back().await.unwrap_err(),
        ];
        for error in errors {
            assert!(error.is_committed() && !error.is_retryable(), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Committed);
            assert!(error.to_string().starts_with("the transaction was committed by its last batch"), "{error}");
        }
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn an_error_after_a_last_batch_is_replaced_because_nothing_is_rolled_back(url: &str) {
        let db = with_notes(url).await;
        let outcome = db.write(async |session| -> Result<(), Mine> {
            session.run_last(insert(1, "one")).await?;
            Err(Mine::Refused)
        });
        let error = outcome.await.unwrap_err();
        assert!(matches!(&error, Mine::Database(error) if error.is_committed()), "{error:?}");
        assert_eq!(count_notes(&db).await, 1);
    }

    async fn a_refused_result_says_whether_its_transaction_is_committed(url: &str) {
        let db = with_notes(url).await;
        let missing = || optional::<(i64,)>("SELECT id FROM notes UNION ALL SELECT id FROM notes", params![]);
        for (id, outcome) in [
            (1, db.write(async |session| session.run_last((insert(1, "one"), title_of(9))).await.map(drop)).await),
            (2, db.write(async |session| session.run_last((insert(2, "two"), missing())).await.map(drop)).await),
        ] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::RowCount);
            at_rest(&db).await;
            let kept = read::<(i64,)>(&db, format!("SELECT count(*) FROM notes WHERE id = {id}")).await == [(1,)];
            assert_eq!(error.is_committed(), kept, "{error:?}");
            assert_eq!(error.to_string().ends_with("the transaction is committed all the same"), kept, "{error}");
            if db.dialect() == tallybook::Dialect::Sqlite {
                assert!(!kept, "results are checked before the commit");
            }
        }
    }

    async fn a_row_that_does_not_decode_says_whether_its_transaction_is_committed(url: &str) {
        let db = with_notes(url).await;
        let text = one::<(i64,)>("SELECT title FROM notes WHERE id = 1", params![]);
        let error = db.write(async |session| session.run_last((insert(1, "one"), text)).await).await.unwrap_err();
        assert!(error.is_decode(), "{error:?}");
        at_rest(&db).await;
        assert_eq!(error.is_committed(), count_notes(&db).await == 1, "{error:?}");
    }

    async fn a_last_batch_inside_a_savepoint_is_refused_and_nothing_is_sent(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        let mut savepoint = session.begin_savepoint().await.unwrap();
        let error = savepoint.run_last(insert(1, "one")).await.unwrap_err();
        assert!(error.is_transaction_control(), "{error:?}");
        savepoint.run(insert(2, "two")).await.unwrap();
        savepoint.release().await.unwrap();
        let mut dropped = session.begin_savepoint().await.unwrap();
        dropped.run(insert(3, "three")).await.unwrap();
        drop(dropped);
        session.run_last(insert(4, "four")).await.unwrap();
        let kept = read::<(i64,)>(&db, "SELECT id FROM notes ORDER BY id").await;
        assert_eq!(kept, [(2,), (4,)]);
    }

    async fn control_in_a_last_batch_is_refused_and_the_transaction_goes_on(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1, "one")).await.unwrap();
        let refused = session.run_last((insert(2, "two"), execute("COMMIT", params![]))).await;
        assert!(refused.unwrap_err().is_transaction_control());
        session.run_last(insert(3, "three")).await.unwrap();
        assert_eq!(count_notes(&db).await, 2);
    }

    async fn a_dropped_last_batch_is_known_to_be_unknown(url: &str) {
        let db = with_notes(url).await;
        // Until it ends by itself.
        for polls in 1.. {
            let mut session = db.begin().await.unwrap();
            if polled(polls, session.run_last(insert(polls as i64, &format!("note {polls}")))).await.is_some() {
                break;
            }
            let later = session.run(insert(0, "later")).await.unwrap_err();
            assert!(later.is_commit_unknown() && !later.is_retryable(), "{later:?}");
            assert!(session.roll_back().await.unwrap_err().is_commit_unknown());
            at_rest(&db).await;
        }
        assert_eq!(read::<(i64,)>(&db, "SELECT id FROM notes WHERE id = 0").await, []);
    }
}

#[tokio::test]
async fn a_connection_lost_during_a_last_batch_leaves_its_commit_unknown() {
    let database = postgres().await.database("lost_in_last_batch").await;
    let proxy = Proxy::start(database.port()).await;
    let db = open(&proxy.url(database.url())).await;
    create_notes(&db).await;
    let outcome = db.write(async |session| -> Result<()> {
        session.run(insert(1, "one")).await?;
        proxy.set(Mode::HangUp).await;
        session.run_last(insert(2, "two")).await?;
        Ok(())
    });
    let error = outcome.await.unwrap_err();
    assert!(error.is_commit_unknown() && !error.is_retryable() && !error.is_committed(), "{error:?}");
}
