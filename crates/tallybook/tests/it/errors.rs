//! Errors, which are the same on both dialects.

use tallybook::{Dialect, Statement, all, execute, one, params};

use crate::log::{Kept, logged_on_both_dialects};
use crate::support::{at_rest, count_notes, open, read, try_read, try_write, with_notes, write};

/// For the macro that captures the log.
use crate::log::keep;

tallybook_testkit::both_dialects! {
    async fn a_broken_constraint_is_named(url: &str) {
        let db = with_notes(url).await;
        write(
            &db,
            "CREATE TABLE stars (id integer PRIMARY KEY, note integer CONSTRAINT stars_of_note REFERENCES notes, \
             number integer NOT NULL CONSTRAINT few_stars CHECK (number < 6), kind text, CHECK (kind <> ''))",
        )
        .await;
        write(&db, "CREATE UNIQUE INDEX one_number ON stars (note, number)").await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        write(&db, "INSERT INTO stars (id, note, number) VALUES (1, 1, 1)").await;
        let is_sqlite = db.dialect() == Dialect::Sqlite;
        for (sql, is_check, sqlite, postgres) in [
            ("INSERT INTO stars (id, number) VALUES (2, 6)", true, Some("few_stars"), "few_stars"),
            ("INSERT INTO stars (id, number, kind) VALUES (2, 2, '')", true, Some("kind <> ''"), "stars_kind_check"),
            ("INSERT INTO stars (id, note, number) VALUES (2, 1, 1)", false, Some("one_number"), "one_number"),
            ("INSERT INTO stars (id, number) VALUES (1, 2)", false, Some("stars.id"), "stars_pkey"),
            ("INSERT INTO stars (id) VALUES (2)", false, Some("stars.number"), "stars.number"),
            ("INSERT INTO stars (id, note, number) VALUES (2, 9, 2)", false, None, "stars_of_note"),
        ] {
            let error = try_write(&db, sql).await.expect_err(sql);
            assert_eq!(error.is_check_violation(), is_check, "{sql}: {error}");
            assert_eq!(error.constraint(), if is_sqlite { sqlite } else { Some(postgres) }, "{sql}: {error}");
        }
        let other = try_write(&db, "INSERT INTO nothing VALUES (1)").await.unwrap_err();
        assert_eq!((other.constraint(), other.is_check_violation()), (None, false));
    }

    async fn too_few_and_too_many_parameters_are_one_kind_of_error(url: &str) {
        let db = with_notes(url).await;
        write(&db, "INSERT INTO notes (id, title) VALUES (1, 'one')").await;
        let two = "SELECT id FROM notes WHERE id = $1 AND title = $2";
        // With an unprepared and with a prepared statement.
        for _ in 0..2 {
            for (sql, values, numbers) in [
                (two, params![], (0, 2)),
                (two, params![1], (1, 2)),
                (two, params![1, "one", 3], (3, 2)),
                ("SELECT id FROM notes", params![1], (1, 0)),
                ("SELECT id FROM notes WHERE id = $2", params![1], (1, 2)),
            ] {
                let mut session = db.read().await.unwrap();
                let error = session.run(all::<(i64,)>(sql, values)).await.unwrap_err();
                assert!(error.is_invalid_value(), "{sql}: {error:?}");
                let message = format!("parameters: {} were given, the statement uses {}", numbers.0, numbers.1);
                assert_eq!(error.message(), message, "{sql}");
            }
            let found = db.read().await.unwrap().run(all::<(i64,)>(two, params![1, "one"])).await.unwrap();
            assert_eq!(found, [(1,)]);
        }
        // Quoted text is not a parameter.
        let quoted = "SELECT count(*) FROM notes WHERE title = '$7'";
        assert_eq!(read::<(i64,)>(&db, quoted).await, [(0,)]);
    }

    async fn a_message_is_available_without_the_statement(url: &str) {
        let db = with_notes(url).await;
        let error = try_read::<(i64,)>(&db, "SELECT secret_column FROM notes").await.unwrap_err();
        assert!(error.to_string().contains("(in `SELECT secret_column FROM notes`)"), "{error}");
        let message = error.message();
        assert!(!message.contains("SELECT") && message.contains("secret_column"), "{message}");
        assert!(error.to_string().starts_with(&message), "{error}");
    }

    async fn a_statement_is_made_of_a_borrowed_text(url: &str) {
        let db = with_notes(url).await;
        let sql = format!("SELECT count(*) FROM {}", "notes");
        assert_eq!(db.read().await.unwrap().run(one::<(i64,)>(&sql, params![])).await.unwrap(), (0,));
        assert_eq!(Statement::from(&sql).sql(db.dialect()), sql);
    }
}

logged_on_both_dialects! {
    async fn a_forgotten_commit_is_logged_with_its_line(url: &str, kept: &Kept) {
        let db = with_notes(url).await;
        let insert = || execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![]);
        let mut session = db.begin().await.unwrap();
        let line = line!() - 1;
        session.run(insert()).await.unwrap();
        drop(session);
        at_rest(&db).await;
        let message = kept.line("dropped without a commit");
        assert!(message.contains("WARN") && message.contains(&format!("tests/it/errors.rs:{line}")), "{message}");
        assert_eq!(count_notes(&db).await, 0);
    }

    async fn an_intended_rollback_is_not_logged(url: &str, kept: &Kept) {
        let db = with_notes(url).await;
        let insert = || execute("INSERT INTO notes (id, title) VALUES (1, 'one')", params![]);
        // Nothing written.
        let mut session = db.begin().await.unwrap();
        session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await.unwrap();
        drop(session);
        // Rolled back.
        let mut session = db.begin().await.unwrap();
        session.run(insert()).await.unwrap();
        session.roll_back().await.unwrap();
        // Committed.
        let mut session = db.begin().await.unwrap();
        session.run(insert()).await.unwrap();
        session.commit().await.unwrap();
        // Failed.
        let mut session = db.begin().await.unwrap();
        session.run(insert()).await.unwrap_err();
        drop(session);
        // A closure that returns an error, and one that is dropped.
        let update = || execute("UPDATE notes SET title = 'two'", params![]);
        let failed = db.write(async |session| -> tallybook::Result<()> {
            session.run(update()).await?;
            session.run(insert()).await.map(drop)
        });
        failed.await.unwrap_err();
        let never = db.write(async |session| -> tallybook::Result<()> {
            session.run(update()).await?;
            std::future::pending().await
        });
        assert!(tokio::time::timeout(std::time::Duration::from_millis(50), never).await.is_err());
        at_rest(&db).await;
        assert_eq!(kept.lines("dropped without a commit"), [""; 0]);
    }
}

#[tokio::test]
async fn a_cast_that_sqlite_would_make_a_number_of_is_refused() {
    let db = open("sqlite::memory:").await;
    write(&db, "CREATE TABLE keys (id text)").await;
    let cast = |sql: &'static str| all::<(String,)>(sql, params!["Infinity-0000"]);
    for (sql, advice) in [
        ("SELECT CAST($1 AS uuid)", "write CAST(… AS text)"),
        ("SELECT CAST($1 AS timestamp) FROM keys", "SQLite knows no type timestamp"),
        ("SELECT cast($1 as boolean)", "write CAST(… AS integer)"),
    ] {
        let error = db.read().await.unwrap().run(cast(sql)).await.unwrap_err();
        assert!(error.is_invalid_value() && error.message().contains(advice), "{error}");
        assert!(error.to_string().contains(sql), "{error}");
    }
    let error = try_write(&db, "INSERT INTO keys VALUES (CAST('Inf' AS uuid))").await.unwrap_err();
    assert!(error.is_invalid_value(), "{error}");
    assert_eq!(read::<(i64,)>(&db, "SELECT count(*) FROM keys").await, [(0,)]);
    let text = db.read().await.unwrap().run(cast("SELECT CAST($1 AS text)")).await.unwrap();
    assert_eq!(text, [("Infinity-0000".to_owned(),)]);
    // One text per dialect.
    let both = Statement::per_dialect("SELECT CAST($1 AS uuid)::text", "SELECT CAST($1 AS text)");
    let text = db.read().await.unwrap().run(one::<(String,)>(both, params!["a"])).await.unwrap();
    assert_eq!(text.0, "a");
}
