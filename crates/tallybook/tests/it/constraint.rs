//! Writes that violate constraints.

use std::time::Duration;

use tallybook::{Dialect, ErrorKind, execute, one, params};

use crate::support::{at_rest, count_notes, open_with, try_read, try_write, with_notes, write};

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

    async fn an_error_has_its_kind_and_names_table_column_and_state(url: &str) {
        let db = with_notes(url).await;
        let stars = "CREATE TABLE stars (note integer NOT NULL REFERENCES notes, number integer CHECK (number < 6), \
                     UNIQUE (note, number))";
        write(&db, stars).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        write(&db, "INSERT INTO stars VALUES (1, 1)").await;
        let is_sqlite = db.dialect() == Dialect::Sqlite;
        // Each with the names on SQLite and on PostgreSQL.
        let nothing = (None, None);
        for (sql, kind, sqlite, postgres, state) in [
            (
                "INSERT INTO notes (id, title) VALUES (2, 'one')",
                ErrorKind::UniqueViolation,
                (Some("notes"), Some("title")),
                (Some("notes"), None),
                "23505",
            ),
            (
                "INSERT INTO stars VALUES (1, 1)",
                ErrorKind::UniqueViolation,
                (Some("stars"), None),
                (Some("stars"), None),
                "23505",
            ),
            (
                "INSERT INTO notes (id) VALUES (2)",
                ErrorKind::NotNullViolation,
                (Some("notes"), Some("title")),
                (Some("notes"), Some("title")),
                "23502",
            ),
            (
                "INSERT INTO stars VALUES (9, 1)",
                ErrorKind::ForeignKeyViolation,
                nothing,
                (Some("stars"), None),
                "23503",
            ),
            ("DELETE FROM notes", ErrorKind::ForeignKeyViolation, nothing, (Some("stars"), None), "23503"),
            (
                "INSERT INTO stars VALUES (1, 6)",
                ErrorKind::CheckViolation,
                nothing,
                (Some("stars"), None),
                "23514",
            ),
            ("INSERT INTO missing VALUES (1)", ErrorKind::Syntax, nothing, nothing, "42P01"),
            ("UPDATE notes SET missing = 1", ErrorKind::Syntax, nothing, nothing, "42703"),
            ("UPDATE notes SET", ErrorKind::Syntax, nothing, nothing, "42601"),
        ] {
            let error = try_write(&db, sql).await.expect_err(sql);
            assert_eq!(error.kind(), kind, "{sql}: {error}");
            let names = if is_sqlite { sqlite } else { postgres };
            assert_eq!((error.table(), error.column()), names, "{sql}: {error}");
            let code = error.code().expect(sql);
            match is_sqlite {
                true => {
                    assert_eq!(error.sqlstate(), None, "{sql}: {error}");
                    assert!(code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 1 | 19)), "{sql}: {code}");
                }
                false => assert_eq!((error.sqlstate(), code), (Some(state), state), "{sql}: {error}"),
            }
        }
        // Without the database.
        let error = try_read::<(i64,)>(&db, "DELETE FROM notes").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::ReadOnly, None), "{error}");
        let error = try_write(&db, "COMMIT").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TransactionControl, "{error}");
        let none = db.read().await.unwrap().run(one::<(i64,)>("SELECT id FROM notes WHERE id = 9", params![])).await;
        assert_eq!(none.unwrap_err().kind(), ErrorKind::RowCount);
        let mut session = db.begin().await.unwrap();
        assert!(session.run(execute("UPDATE missing SET id = 1", params![])).await.is_err());
        let error = session.run(execute("UPDATE notes SET id = id", params![])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TransactionFailed, "{error}");
        drop(session);
        db.close().await;
        assert_eq!(db.read().await.unwrap_err().kind(), ErrorKind::Closed);
    }

    async fn what_is_in_the_way_has_its_kind(url: &str) {
        let db = open_with(url, |settings| {
            (settings.pool.size, settings.pool.max_overflow) = (2, 0);
            settings.pool.timeout = Duration::from_secs(1);
        })
        .await;
        let mut sessions = Vec::new();
        let error = loop {
            match db.read().await {
                Ok(session) => sessions.push(session),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::PoolTimeout, "{error}");
        drop(sessions);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_that_only_a_server_has_are_distinguished() {
    let database = tallybook_testkit::postgres().await.database("kinds_that_only").await;
    let db = with_notes(database.url()).await;
    write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one'), (2, 'two')").await;
    // An exclusion constraint.
    write(&db, "CREATE TABLE shifts (hours int4range, EXCLUDE USING gist (hours WITH &&))").await;
    write(&db, "INSERT INTO shifts VALUES ('[8,16)')").await;
    let error = try_write(&db, "INSERT INTO shifts VALUES ('[12,20)')").await.unwrap_err();
    let named = (error.kind(), error.sqlstate(), error.table(), error.constraint());
    let expected = (ErrorKind::ExclusionViolation, Some("23P01"), Some("shifts"), Some("shifts_hours_excl"));
    assert_eq!(named, expected, "{error}");
    // A lock that is taken.
    let mut holder = db.begin().await.unwrap();
    holder.run(execute("UPDATE notes SET title = '1' WHERE id = 1", params![])).await.unwrap();
    let error = try_write(&db, "SELECT 1 FROM notes WHERE id = 1 FOR UPDATE NOWAIT").await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::LockTimeout, Some("55P03")), "{error}");
    assert!(error.is_retryable() && !error.is_locked());
    // A deadlock: one of both waits, and is ended or goes on.
    let mut other = db.begin().await.unwrap();
    other.run(execute("UPDATE notes SET title = '2' WHERE id = 2", params![])).await.unwrap();
    let crossed =
        tokio::join!(holder.run(execute("UPDATE notes SET title = '2' WHERE id = 2", params![])), async {
            let crossed = other.run(execute("UPDATE notes SET title = '1' WHERE id = 1", params![])).await;
            drop(other);
            crossed
        },);
    let error = match crossed {
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => error,
        both => panic!("{both:?}"),
    };
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Deadlock, Some("40P01")), "{error}");
    drop(holder);
    // A statement that takes too long.
    let mut session = db.begin().await.unwrap();
    session.run(execute("SELECT set_config('statement_timeout', '50', true)", params![])).await.unwrap();
    let error = session.run(execute("SELECT pg_sleep(60)", params![])).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::StatementTimeout, Some("57014")), "{error}");
    drop(session);
    // Somebody who may not.
    write(&db, "CREATE ROLE kinds_guest").await;
    let mut session = db.begin().await.unwrap();
    session.run(execute("SET LOCAL ROLE kinds_guest", params![])).await.unwrap();
    let error = session.run(execute("UPDATE notes SET id = id", params![])).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::PermissionDenied, Some("42501")), "{error}");
    drop(session);
    at_rest(&db).await;
    write(&db, "DROP ROLE kinds_guest").await;
}
