//! Writes that violate constraints.

use tallybook::{execute, params};

use crate::support::{at_rest, count_notes, try_write, with_notes, write};

tallybook_testkit::both_dialects! {
    async fn kinds_of_violated_constraints_are_distinguished(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        write(&db, "INSERT INTO notes (id, title, parent) VALUES (2, 'two', 1)").await;
        for (sql, unique, foreign_key, not_null) in [
            ("INSERT INTO notes (id, title) VALUES (1, 'new')", true, false, false),
            ("INSERT INTO notes (id, title) VALUES (3, 'one')", true, false, false),
            ("INSERT INTO notes (id, title, parent) VALUES (3, 'three', 9)", false, true, false),
            ("DELETE FROM notes WHERE id = 1", false, true, false),
            ("INSERT INTO notes (id, title) VALUES (3, NULL)", false, false, true),
        ] {
            let error = try_write(&db, sql).await.expect_err(sql);
            assert_eq!(error.is_unique_violation(), unique, "{sql}: {error}");
            assert_eq!(error.is_foreign_key_violation(), foreign_key, "{sql}: {error}");
            assert_eq!(error.is_not_null_violation(), not_null, "{sql}: {error}");
            assert!(!error.is_retryable() && !error.is_read_only() && error.code().is_some(), "{sql}: {error}");
            assert!(error.to_string().contains(sql), "{error}");
        }
    }

    async fn a_constraint_that_is_checked_at_the_end_fails_the_commit(url: &str) {
        let db = with_notes(url).await;
        write(
            &db,
            "CREATE TABLE later (note integer NOT NULL REFERENCES notes DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
        let mut session = db.begin().await.unwrap();
        let note = execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![]);
        session.run((note, execute("INSERT INTO later VALUES (2)", params![]))).await.unwrap();
        let error = session.commit().await.unwrap_err();
        assert!(error.is_foreign_key_violation() && !error.is_commit_unknown(), "{error}");
        at_rest(&db).await;
        assert_eq!(count_notes(&db).await, 0);
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'after')").await;
    }
}
