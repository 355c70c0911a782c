//! Only a session begins and ends its transaction.

use tallybook::migrate::{Migrator, Revision, Step, Target};
use tallybook::{Execute, Session, all, execute, one, params};

use crate::support::{at_rest, count_notes, open, read, with_notes, write};

/// Statements that begin or end a transaction, on either dialect.
const CONTROLS: [&str; 22] = [
    "COMMIT",
    "commit work",
    "COMMIT AND CHAIN",
    "COMMIT PREPARED 'a'",
    "END",
    "END TRANSACTION",
    "ROLLBACK",
    "ROLLBACK TO SAVEPOINT a",
    "ABORT",
    "SAVEPOINT a",
    "RELEASE a",
    "RELEASE SAVEPOINT a",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "START TRANSACTION",
    "PREPARE TRANSACTION 'a'",
    "-- why\n  COMMIT",
    "/* why */COMMIT/* not */",
    "/* /* */ SELECT */ COMMIT",
    "-- why\rCOMMIT",
    ";; COMMIT;",
    "\u{feff}COMMIT",
];

fn insert(id: i64) -> Execute {
    execute("INSERT INTO notes (id, title) VALUES ($1, $2)", params![id, format!("note {id}")])
}

tallybook_testkit::both_dialects! {
    async fn a_session_takes_no_transaction_control_and_rolls_back_everything(url: &str) {
        let db = with_notes(url).await;
        for sql in CONTROLS {
            let mut session = db.begin().await.unwrap();
            session.run(insert(1)).await.unwrap();
            let error = session.run(execute(sql, params![])).await.unwrap_err();
            assert!(error.is_transaction_control(), "{sql}: {error}");
            session.run(insert(2)).await.unwrap();
            session.roll_back().await.unwrap();
            assert_eq!(count_notes(&db).await, 0, "{sql}");
        }
    }

    async fn transaction_control_that_was_refused_does_not_split_the_transaction(url: &str) {
        let db = with_notes(url).await;
        for (number, sql) in CONTROLS.into_iter().enumerate() {
            let id = number as i64 * 10;
            let mut session = db.begin().await.unwrap();
            session.run(insert(id)).await.unwrap();
            session.run(execute(sql, params![])).await.unwrap_err();
            assert_eq!(count_notes(&db).await, id / 5, "{sql}: nothing is committed yet");
            session.run(insert(id + 1)).await.unwrap();
            session.commit().await.unwrap();
            assert_eq!(count_notes(&db).await, id / 5 + 2, "{sql}");
        }
    }

    async fn a_batch_with_transaction_control_in_it_is_not_sent(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        let batch = vec![insert(1), execute("COMMIT", params![]), insert(2)];
        assert!(session.run(batch).await.unwrap_err().is_transaction_control());
        assert_eq!(session.counts().statements, 0);
        session.commit().await.unwrap();
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_closure_that_ignores_the_refusal_commits_once_and_as_a_whole(url: &str) {
        let db = with_notes(url).await;
        let written = db.write(async |session| {
            session.run(insert(1)).await?;
            let _ = session.run(execute("COMMIT", params![])).await;
            // The primary key is taken, so nothing is kept.
            session.run(insert(1)).await
        });
        assert!(written.await.unwrap_err().is_unique_violation());
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_query_with_rows_controls_no_transaction_either(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1)).await.unwrap();
        for sql in CONTROLS {
            let error = session.fetch(all::<(i64,)>(sql, params![])).await.unwrap_err();
            assert!(error.is_transaction_control(), "{sql}: {error}");
        }
        session.roll_back().await.unwrap();
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn a_snapshot_lasts_through_an_attempt_to_end_it(url: &str) {
        let db = with_notes(url).await;
        let count = || one::<(i64,)>("SELECT count(*) FROM notes", params![]);
        let mut snapshot = db.snapshot().await.unwrap();
        assert_eq!(snapshot.run(count()).await.unwrap(), (0,));
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'later')").await;
        for sql in CONTROLS {
            let error = snapshot.run(all::<(i64,)>(sql, params![])).await.unwrap_err();
            assert!(error.is_transaction_control(), "{sql}: {error}");
            assert_eq!(snapshot.run(count()).await.unwrap(), (0,), "{sql}");
        }
    }

    async fn several_statements_in_one_text_are_refused_and_nothing_of_them_is_kept(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        session.run(insert(1)).await.unwrap();
        let several = "INSERT INTO notes (id, title) VALUES (2, 'two'); COMMIT";
        session.run(execute(several, params![])).await.unwrap_err();
        session.roll_back().await.unwrap();
        assert_eq!(read::<(i64,)>(&db, "SELECT id FROM notes").await, []);
    }

    async fn the_refusal_says_what_to_call_instead(url: &str) {
        let db = with_notes(url).await;
        let mut session = db.begin().await.unwrap();
        for (sql, advice) in [
            ("COMMIT", "WriteSession::commit"),
            ("ROLLBACK", "WriteSession::roll_back"),
            ("BEGIN", "Database::begin"),
            ("SAVEPOINT a", "a transaction of its own"),
            ("PREPARE TRANSACTION 'a'", "two-phase"),
        ] {
            let error = session.run(execute(sql, params![])).await.unwrap_err().to_string();
            assert!(error.contains(advice) && error.contains(sql), "{error}");
        }
    }
}

const ENDS_ITS_TRANSACTION: Revision = Revision::new(
    "0001",
    "notes",
    &[Step::sql(
        "create notes",
        "CREATE TABLE notes (id integer PRIMARY KEY); COMMIT; CREATE TABLE tags (id integer PRIMARY KEY)",
        "DROP TABLE notes",
    )],
);

tallybook_testkit::both_dialects! {
    async fn a_revision_that_ends_its_transaction_is_reported(url: &str) {
        let db = open(url).await;
        let error = Migrator::new(&db, &[ENDS_ITS_TRANSACTION]).upgrade(&Target::Head).await.unwrap_err();
        assert!(error.to_string().contains("the transaction was over before"), "{error}");
    }
}
