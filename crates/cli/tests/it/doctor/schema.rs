//! Revisions, indexes, keys, tables and sequences.

use tallybook::{execute, params};
use tallybook_testkit::{both_dialects, postgres};

use super::{connect, doctor, migrate, sql};
use crate::support::Program;

/// Changes a database of either engine.
async fn change(url: &str, statement: &'static str) {
    let db = tallybook::Database::open(tallybook::Settings::new(url).unwrap()).await.unwrap();
    let work = async |session: &mut tallybook::WriteSession| session.run(execute(statement, params![])).await;
    db.write(work).await.unwrap();
    db.close().await;
}

both_dialects! {
    async fn a_book_at_its_newest_revision_is_well(url: &str) {
        migrate(url);
        let report = doctor(url);
        report.passed("revisions");
        let schema = ["schema", "indexes", "duplicate_indexes", "invalid_indexes", "foreign_keys", "unused_indexes"];
        assert!(schema.iter().all(|check| report.of(check).is_empty()), "{}", report.all);
        assert_eq!(report.told["nodes"][0]["facts"]["role"], "writable");
    }

    async fn a_database_without_a_book_or_behind_it_says_what_to_run(url: &str) {
        change(url, "CREATE TABLE other (id integer primary key)").await;
        let report = doctor(url);
        assert_eq!(report.code, 4);
        report.has("critical", "revisions", "no revision is applied, not even 0001; it has 1 table of \
            others", "tallybook migrate upgrade");
        Program::new().run(&format!("migrate upgrade 0001 --database {url}")).ok();
        doctor(url).has("critical", "revisions", "not applied are 0002", "tallybook migrate plan");
    }

    async fn a_database_that_alembic_made_is_to_be_adopted(url: &str) {
        change(url, "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)").await;
        doctor(url).has("warning", "revisions", "made by Alembic", "tallybook migrate adopt --dry-run");
    }

    async fn a_revision_of_a_newer_program_is_told_of(url: &str) {
        migrate(url);
        change(url, "INSERT INTO tallybook_revisions (id, name, applied_at) VALUES ('0900', 'x', '2026-01-01 \
            00:00:00')").await;
        doctor(url).has("critical", "revisions", "0900", "tallybook --version");
    }

    async fn an_index_of_the_book_that_is_missing_comes_with_its_statement(url: &str) {
        migrate(url);
        change(url, "DROP INDEX ix_trades_symbol").await;
        let report = doctor(url);
        report.has("warning", "schema", "trades, index ix_trades_symbol: expected CREATE \
            INDEX", "ix_trades_symbol ON trades (symbol);");
        assert_eq!(report.of("schema").len(), 1, "{}", report.all);
        // The tests' PostgreSQL itself is not sound: it syncs nothing.
        assert_eq!(report.code, if url.starts_with("sqlite") { 3 } else { 4 }, "{}", report.all);
    }

    async fn a_column_that_is_missing_is_critical(url: &str) {
        migrate(url);
        change(url, "ALTER TABLE trades DROP COLUMN decision_rationale").await;
        let report = doctor(url);
        assert_eq!(report.code, 4);
        report.has("critical", "schema", "trades, column decision_rationale", "tallybook migrate check");
    }

    async fn doubles_and_beginnings_of_other_indexes_are_told_of(url: &str) {
        migrate(url);
        change(url, "CREATE INDEX again ON trades (symbol)").await;
        change(url, "CREATE INDEX longer ON trades (action, order_type)").await;
        change(url, "CREATE INDEX shorter ON trades (action)").await;
        change(url, "CREATE INDEX falling ON trades (action DESC)").await;
        change(url, "CREATE INDEX part ON trades (action) WHERE action = 'BUY'").await;
        change(url, "CREATE UNIQUE INDEX apart ON trades (action, id)").await;
        let check = if url.starts_with("sqlite") { "indexes" } else { "duplicate_indexes" };
        let report = doctor(url);
        report.has("warning", check, "again of trades", "DROP INDEX");
        report.has("note", check, "shorter of trades", "DROP INDEX");
        assert_eq!(report.of(check).len(), 2, "{}", report.all);
        report.has("note", "schema", "6 harmless differences from the revisions", "tallybook migrate check");
    }

    async fn a_foreign_key_without_an_index_is_told_of(url: &str) {
        migrate(url);
        change(url, "CREATE TABLE notes (id integer primary key, trade_id integer REFERENCES trades (id))").await;
        let check = if url.starts_with("sqlite") { "indexes" } else { "foreign_keys" };
        doctor(url).has("note", check, "notes", "CREATE INDEX");
        change(url, "CREATE INDEX ix_notes ON notes (trade_id, id)").await;
        assert!(doctor(url).of(check).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_build_failed_is_told_of_with_what_repairs_it() {
    let database = postgres().await.database("doctor_invalid").await;
    let url = database.url();
    sql(url, "CREATE TABLE notes (title text)").await;
    sql(url, "INSERT INTO notes VALUES ('a'), ('a')").await;
    let built =
        connect(url).await.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY titles ON notes (title)").await;
    assert!(built.is_err());
    doctor(url).has(
        "warning",
        "invalid_indexes",
        "titles of notes is invalid",
        "REINDEX INDEX CONCURRENTLY titles;",
    );
    sql(url, "DELETE FROM notes WHERE ctid IN (SELECT min(ctid) FROM notes)").await;
    sql(url, "REINDEX INDEX CONCURRENTLY titles").await;
    doctor(url).passed("invalid_indexes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_the_book_that_is_invalid_is_one_finding() {
    let database = postgres().await.database("doctor_invalid_book").await;
    let url = database.url();
    migrate(url);
    sql(url, "DROP INDEX ix_portfolios_name").await;
    sql(
        url,
        "INSERT INTO portfolios (name, initial_capital, current_capital, currency, created_at, updated_at) \
         SELECT 'twice', 1, 1, 'USD', now(), now() FROM generate_series(1, 2)",
    )
    .await;
    let build = "CREATE UNIQUE INDEX CONCURRENTLY ix_portfolios_name ON portfolios (name)";
    assert!(connect(url).await.batch_execute(build).await.is_err());
    let report = doctor(url);
    report.has("warning", "invalid_indexes", "ix_portfolios_name", "duplicate values");
    assert!(report.of("schema").is_empty(), "{}", report.all);
}

/// 400,000 rows: an index of some 9 MB, which is large enough to be told of.
const ROWS: &str = "CREATE TABLE notes (a integer, b integer) WITH (autovacuum_enabled = off); \
     INSERT INTO notes SELECT i, i FROM generate_series(1, 400000) i";

#[tokio::test(flavor = "multi_thread")]
async fn large_indexes_that_are_not_read_and_tables_that_nobody_analyzed_are_told_of() {
    let database = postgres().await.database("doctor_unused").await;
    let url = database.url();
    sql(url, ROWS).await;
    sql(url, "CREATE INDEX read ON notes (a)").await;
    sql(url, "CREATE INDEX unread ON notes (b)").await;
    // Some 7 MB: 8 MB and more are told of.
    sql(url, "CREATE INDEX unread_part ON notes (b) WHERE b <= 320000").await;
    let session = connect(url).await;
    session.batch_execute("SET enable_seqscan = off").await.unwrap();
    session.query("SELECT * FROM notes WHERE a = 7", &[]).await.unwrap();
    session.batch_execute("DELETE FROM notes WHERE b % 2 = 0").await.unwrap();
    // The server's sessions tell what they counted at their end at the latest.
    session.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    let report = doctor(url);
    report.has("note", "unused_indexes", "unread of notes", "DROP INDEX CONCURRENTLY unread;");
    assert_eq!(report.of("unused_indexes").len(), 1, "{}", report.all);
    report.has("warning", "tables", "was never analyzed", "ANALYZE notes;");
    report.has("warning", "tables", "notes has 200,000 dead rows and 200,000 live ones", "VACUUM");
    session.batch_execute("VACUUM ANALYZE notes").await.unwrap();
    session.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    doctor(url).passed("tables");
}

#[tokio::test(flavor = "multi_thread")]
async fn identifiers_that_run_out_are_told_of() {
    let database = postgres().await.database("doctor_sequence").await;
    let url = database.url();
    migrate(url);
    doctor(url).passed("sequences");
    sql(url, "SELECT setval('trades_id_seq', 1700000000)").await;
    doctor(url).has(
        "warning",
        "sequences",
        "trades.id (integer) has used 79 %",
        "ALTER COLUMN id TYPE bigint",
    );
    sql(url, "SELECT setval('trades_id_seq', 2147000000)").await;
    doctor(url).has("critical", "sequences", "483,647 are left", "");
}
