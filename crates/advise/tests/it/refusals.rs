//! Statements and indexes without advice, and the reasons.

use std::time::Duration;

use tallybook::{Database, Dialect, Settings, Workload, WorkloadStatement, all, params};
use tallybook_advise::{Advice, DropReason, Options, advise};

use crate::market::run;
use crate::whole::{described, refusal};

/// Opens a database with one table of 3,000 rows.
async fn open(url: &str) -> Database {
    open_with(url, 3_000).await
}

async fn open_with(url: &str, count: u32) -> Database {
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    run(&db, "CREATE TABLE notes (id integer PRIMARY KEY, owner integer, title text, size integer)").await;
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
        SELECT i, i % 300, 'secret title ' || i, i % 10 FROM n"
    );
    run(&db, &format!("INSERT INTO notes {rows}")).await;
    // The advice is for a program that did not write these rows, which PostgreSQL counts by the end of a connection.
    db.close().await;
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    run(&db, "ANALYZE").await;
    db
}

async fn read(db: &Database, sql: &'static str, parameters: tallybook::Params) {
    db.read().await.unwrap().run(all::<(i64,)>(sql, parameters)).await.unwrap();
}

async fn advice(db: &Database) -> Advice {
    advise(db, &db.workload(), &Options::default()).await.unwrap()
}

/// Returns a workload of one statement whose parameters are unknown.
fn without_parameters(db: &Database, sql: &str) -> Workload {
    let statement = WorkloadStatement::new("0000000000000001", sql, 100, Duration::from_secs(1));
    Workload::new(
        db.settings().database_url.to_string(),
        db.dialect().to_string(),
        Duration::from_secs(60),
        vec![statement],
    )
}

tallybook_testkit::both_dialects! {
    async fn advice_shows_no_parameter_and_no_literal(url: &str) {
        let db = open(url).await;
        read(&db, "SELECT id FROM notes WHERE title = $1", params!["secret title 7"]).await;
        read(&db, "SELECT size FROM notes WHERE owner = 7 AND title = 'secret title 7'", params![]).await;
        let advice = advice(&db).await;
        assert!(advice.add.iter().any(|index| described(index) == "notes (title)"), "{advice:#?}");
        let json = serde_json::to_string(&advice).unwrap();
        assert!(!json.contains("secret"), "{json}");
        assert_eq!(serde_json::from_str::<Advice>(&json).unwrap(), advice);
        db.close().await;
    }

    async fn a_statement_on_a_view_is_refused_and_then_no_index_counts_as_unused_on_sqlite(url: &str) {
        let db = open(url).await;
        run(&db, "CREATE INDEX ix_notes_size ON notes (size)").await;
        // A condition on the size would make PostgreSQL read that index, if it has no better plan at that moment.
        run(&db, "CREATE VIEW large AS SELECT * FROM notes WHERE id > 8").await;
        read(&db, "SELECT id FROM large WHERE owner = $1", params![7]).await;
        read(&db, "SELECT id FROM notes WHERE id = $1", params![7]).await;
        let advice = advice(&db).await;
        assert_eq!(refusal(&advice, "SELECT id FROM large WHERE owner = $1"), "it reads large, which is no ordinary table here");
        // PostgreSQL itself counts the reads of an index.
        let dropped = if db.dialect() == Dialect::Sqlite { 0 } else { 1 };
        assert_eq!(advice.drop.len(), dropped, "{:#?}", advice.drop);
        db.close().await;
    }

    async fn an_index_that_is_unique_or_serves_a_foreign_key_stays_and_a_prefix_goes(url: &str) {
        let db = open(url).await;
        run(&db, "CREATE TABLE tags (id integer PRIMARY KEY, note integer REFERENCES notes (id), name text, kind text)").await;
        for sql in [
            "CREATE UNIQUE INDEX ix_tags_name ON tags (name)",
            "CREATE INDEX ix_tags_note ON tags (note)",
            "CREATE INDEX ix_tags_kind ON tags (kind)",
            "CREATE INDEX ix_tags_kind_name ON tags (kind, name)",
        ] {
            run(&db, sql).await;
        }
        read(&db, "SELECT id FROM tags WHERE id = $1", params![7]).await;
        read(&db, "SELECT id FROM tags WHERE kind = $1 AND name > $2", params!["a", "b"]).await;
        let advice = advice(&db).await;
        let mut dropped: Vec<_> = advice.drop.iter().map(|index| (index.name.as_str(), index.reason)).collect();
        // In an empty table PostgreSQL reads no index at all.
        dropped.retain(|(name, _)| *name != "ix_tags_kind_name");
        assert_eq!(dropped, [("ix_tags_kind", DropReason::Prefix)]);
        db.close().await;
    }

    async fn without_parameters_postgres_plans_generically_and_sqlite_refuses(url: &str) {
        let db = open(url).await;
        let sql = "SELECT size FROM notes WHERE owner = $1";
        let advice = advise(&db, &without_parameters(&db, sql), &Options::default()).await.unwrap();
        match db.dialect() {
            Dialect::Sqlite => assert!(refusal(&advice, sql).starts_with("no parameters of a call are known")),
            Dialect::Postgres => {
                assert_eq!(described(&advice.add[0]), "notes (owner)");
                assert_eq!((advice.add[0].gains[0].parameter_sets, advice.add[0].gains[0].time_before), (0, 0.0));
            }
        }
        db.close().await;
    }

    async fn of_a_large_table_a_sample_is_examined_and_the_advice_says_so(url: &str) {
        let db = open_with(url, 20_000).await;
        read(&db, "SELECT size FROM notes WHERE title = $1", params!["secret title 7"]).await;
        let advice = advise(&db, &db.workload(), &Options::default().max_rows(6_000)).await.unwrap();
        let [note] = &advice.notes[..] else { panic!("{:?}", advice.notes) };
        assert!(note.starts_with("notes: a sample of ") && note.contains("of about 20000 rows was examined"), "{note}");
        assert_eq!(advice.add.iter().map(described).collect::<Vec<_>>(), ["notes (title)"]);
        db.close().await;
    }

    async fn literals_that_vary_make_no_partial_index(url: &str) {
        let db = open(url).await;
        for _ in 0..10 {
            read(&db, "SELECT id FROM notes WHERE size = 7 AND owner = 7 ORDER BY title LIMIT 3", params![]).await;
            read(&db, "SELECT id FROM notes WHERE size = 8 AND owner = 8 ORDER BY title LIMIT 3", params![]).await;
        }
        let advice = advice(&db).await;
        assert!(!advice.add.is_empty());
        assert!(advice.add.iter().all(|index| index.filter.is_none()), "{:#?}", advice.add);
        db.close().await;
    }

    async fn statements_of_the_other_dialect_are_refused(url: &str) {
        let db = open(url).await;
        let mut workload = db.workload();
        workload.dialect = "mysql".to_owned();
        let error = advise(&db, &workload, &Options::default()).await.unwrap_err();
        assert!(error.to_string().contains("statements of mysql cannot be examined"), "{error}");
        db.close().await;
    }
}
