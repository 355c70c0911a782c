//! Databases made by Alembic and SQLAlchemy, adopted and released again.

use tallybook::Database;
use tallybook::book::{ALEMBIC, LimitOffset, Portfolios, Positions, Trades, migrator};
use tallybook::migrate::{Adoption, Change, DifferenceKind, Target};
use tallybook::{Dialect, Statement};
use tallybook_testkit::{
    ALEMBIC_VERSIONS, SqliteFile, alembic, alembic_script, both_dialects, postgres, run_script,
};

use crate::catalog::catalog;
use crate::support::{open, rows};

const BOOK: [&str; 5] = ["portfolios", "positions", "trades", "executions", "trading_sessions"];

/// Creates a database as another tool leaves it, with rows.
async fn made(url: &str, state: &str) -> Database {
    alembic(url, state).await;
    open(url).await
}

/// Returns the catalog of all tables except the history tables.
async fn schema(db: &Database) -> Vec<String> {
    let lines = catalog(&mut db.read().await.unwrap()).await;
    lines.into_iter().filter(|line| !line.contains("tallybook_")).collect()
}

/// Returns the catalog of the tables outside the book.
async fn others(db: &Database) -> Vec<String> {
    let is_book = |line: &str| BOOK.iter().any(|table| line.contains(table));
    let is_other = |line: &String| !is_book(line) || line.contains("risk_metrics");
    schema(db).await.into_iter().filter(is_other).collect()
}

/// Returns the columns of all tables except the history tables.
pub(crate) async fn columns(db: &Database) -> Vec<(String, String)> {
    let query = Statement::per_dialect(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name NOT LIKE 'tallybook%' ORDER BY 1, ordinal_position",
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'tallybook%' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.cid",
    );
    rows(&mut db.read().await.unwrap(), query).await
}

/// Returns every row of these columns, as text.
pub(crate) async fn all_rows_as_text(db: &Database, columns: &[(String, String)]) -> Vec<String> {
    let mut session = db.read().await.unwrap();
    let mut lines = Vec::new();
    for names in columns.chunk_by(|one, other| one.0 == other.0) {
        let table = &names[0].0;
        let as_text = |(_, column): &(String, String)| match db.dialect() {
            Dialect::Postgres => format!("coalesce(quote_literal(\"{column}\"::text), 'NULL')"),
            Dialect::Sqlite => format!("quote(\"{column}\")"),
        };
        let row = names.iter().map(as_text).collect::<Vec<_>>().join(" || ',' || ");
        let query = format!("SELECT '{table} ' || {row} FROM \"{table}\" ORDER BY 1");
        lines.extend(rows::<(String,)>(&mut session, query).await.into_iter().map(|(line,)| line));
    }
    lines
}

const BROKEN: Statement = Statement::per_dialect(
    "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
    "SELECT count(*) FROM pragma_foreign_key_check",
);

async fn refused(db: &Database) -> String {
    let before = catalog(&mut db.read().await.unwrap()).await;
    let error = migrator(db).adopt(ALEMBIC).await.unwrap_err();
    assert!(error.is_revision(), "{error}");
    assert_eq!(catalog(&mut db.read().await.unwrap()).await, before, "nothing was changed");
    error.to_string()
}

/// Asserts that the book matches its revisions and can be read.
async fn assert_whole(db: &Database) {
    let differences = migrator(db).check().await.unwrap();
    assert!(differences.iter().all(|difference| !difference.is_blocking()), "{differences:?}");
    assert_eq!(rows::<(i64,)>(&mut db.read().await.unwrap(), BROKEN).await, [(0,)]);
    let mut session = db.read().await.unwrap();
    assert_eq!(Portfolios::new(&mut session).count().await.unwrap(), 3);
    assert_eq!(Portfolios::new(&mut session).get_many(LimitOffset::first(9)).await.unwrap().len(), 3);
    assert_eq!(Trades::new(&mut session).get_many(LimitOffset::first(9)).await.unwrap().len(), 3);
    assert_eq!(Positions::new(&mut session).get_many(LimitOffset::first(9)).await.unwrap().len(), 3);
}

/// Asserts that an upgrade names the positions with the same portfolio and symbol.
fn assert_names_duplicates(changes: &[Change]) {
    let named: Vec<_> = changes.iter().flat_map(|change| &change.not_unique).collect();
    let [rows] = &*named else { panic!("{changes:?}") };
    assert_eq!((rows.index, rows.table, rows.more), ("ix_positions_portfolio_symbol", "positions", 0));
    let groups: Vec<_> = rows.groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["1, 3"]);
}

async fn held(db: &Database) -> Vec<(String,)> {
    rows(&mut db.read().await.unwrap(), "SELECT version_num FROM alembic_version").await
}

async fn adopted(db: &Database) -> Adoption {
    let found = migrator(db).adoption(ALEMBIC).await.unwrap();
    assert!(!found.is_blocked() && !found.recorded && !found.already, "{found:?}");
    assert_eq!(migrator(db).current().await.unwrap(), None, "it only looked");
    let adoption = migrator(db).adopt(ALEMBIC).await.unwrap();
    assert!(adoption.recorded && !adoption.already, "{adoption:?}");
    adoption
}

macro_rules! adopts {
    ($($name:ident: $state:literal, $revision:expr;)*) => {
        both_dialects! {$(
            async fn $name(url: &str) {
                if url.starts_with("postgresql:") && $state == "half" {
                    return; // PostgreSQL takes the column back with the rest.
                }
                let db = made(url, $state).await;
                let columns = columns(&db).await;
                let (before, foreign) = (all_rows_as_text(&db, &columns).await, others(&db).await);
                let adoption = adopted(&db).await;
                assert_eq!(adoption.revision, $revision);
                let changes = migrator(&db).upgrade(&Target::Head).await.unwrap();
                assert_names_duplicates(&changes);
                assert_whole(&db).await;
                // The downgrade is as safe on tables that another tool made.
                migrator(&db).force(true).downgrade(&"0001".parse().unwrap()).await.unwrap();
                migrator(&db).upgrade(&Target::Head).await.unwrap();
                assert_whole(&db).await;
                assert_eq!(others(&db).await, foreign, "what is not the book's stays as it was");
                if !columns.iter().any(|(table, column)| table == "trades" && column == "session_id") {
                    assert_eq!(all_rows_as_text(&db, &columns).await, before);
                }
            }
        )*}
    };
}

adopts! {
    the_first_version_is_adopted: "ac7a9a8391bc", None;
    the_version_of_plugins_is_adopted: "plugin_agent_fields", None;
    the_version_of_sessions_is_adopted: "add_trading_session_risk", Some("0001");
    the_version_of_users_is_adopted: "add_auth_tables", Some("0001");
    the_version_of_models_is_adopted: "c1e38cfe113f", Some("0001");
    the_optimised_version_is_adopted: "5951c803aff7", Some("0002");
    the_half_applied_version_is_adopted: "half", Some("0001");
    what_create_all_made_is_adopted: "create-all", Some("0002");
    what_an_early_create_all_made_is_adopted: "create-all-early", Some("0001");
}

both_dialects! {
    async fn a_release_right_after_the_adoption_hands_back_what_was_adopted(url: &str) {
        let server = tallybook_testkit::postgres().await;
        for version in ALEMBIC_VERSIONS.iter().chain(["half"].iter()) {
            let file = SqliteFile::new(version);
            let database = server.database(version).await;
            let url = if url.starts_with("sqlite:") { file.url() } else { database.url().to_owned() };
            if *version == "half" && !url.starts_with("sqlite:") {
                continue;
            }
            let db = made(&url, version).await;
            let (before, columns) = (schema(&db).await, columns(&db).await);
            let rows = all_rows_as_text(&db, &columns).await;
            let told = adopted(&db).await.way_back.adopted.unwrap();
            let release = migrator(&db).release(ALEMBIC).await.unwrap();
            assert_eq!(release.version, Some(told));
            assert_eq!(told, if *version == "half" { "c1e38cfe113f" } else { version });
            assert_eq!(schema(&db).await, before);
            assert_eq!(all_rows_as_text(&db, &columns).await, rows);
            let again = migrator(&db).release(ALEMBIC).await.unwrap();
            assert!(again.already && again.version == Some(told), "{again:?}");
            assert!(migrator(&db).adopt(ALEMBIC).await.unwrap().recorded, "it can be adopted again");
        }
    }

    async fn what_can_be_handed_back_after_an_upgrade_is_said_before(url: &str) {
        let server = tallybook_testkit::postgres().await;
        let first = Some("alembic upgrade c1e38cfe113f");
        for (version, upgraded, first, before_upgrade) in [
            ("ac7a9a8391bc", None, first, true),
            ("plugin_agent_fields", None, first, true),
            ("add_trading_session_risk", None, first, false),
            ("add_auth_tables", None, first, false),
            ("c1e38cfe113f", Some("5951c803aff7"), None, false),
            ("5951c803aff7", Some("5951c803aff7"), None, false),
        ] {
            let file = SqliteFile::new(version);
            let database = server.database(version).await;
            let url = if url.starts_with("sqlite:") { file.url() } else { database.url().to_owned() };
            let db = made(&url, version).await;
            let way = migrator(&db).adoption(ALEMBIC).await.unwrap().way_back;
            let told = (way.upgraded, way.downgrade_first, way.alembic_first.as_deref(), way.before_upgrade);
            assert_eq!(told, (upgraded, Some("0002"), first, before_upgrade), "{version}");
            migrator(&db).adopt(ALEMBIC).await.unwrap();
            migrator(&db).upgrade(&Target::Head).await.unwrap();
            let error = migrator(&db).release(ALEMBIC).await.unwrap_err().to_string();
            let told = "no version of Alembic has what revision 0003 made. Take it back (`tallybook migrate downgrade 0002`)";
            assert!(error.contains(told), "{error}");
            migrator(&db).downgrade(&"0002".parse().unwrap()).await.unwrap();
            match migrator(&db).release(ALEMBIC).await {
                Ok(release) => assert_eq!(release.version, upgraded),
                Err(error) => assert!(upgraded.is_none(), "{version}: {error}"),
            }
        }
    }

    async fn alembic_makes_what_a_release_lacks(url: &str) {
        let db = made(url, "add_trading_session_risk").await;
        adopted(&db).await;
        migrator(&db).upgrade(&"0002".parse().unwrap()).await.unwrap();
        let error = migrator(&db).release(ALEMBIC).await.unwrap_err().to_string();
        let told = "missing: users, api_keys, audit_logs, agent_llm_configs. Either let Alembic make it (`alembic upgrade \
                    c1e38cfe113f`) and release again, which hands back 5951c803aff7; or take the upgrade back (`tallybook \
                    migrate downgrade 0001`) and release again, which hands back add_trading_session_risk";
        assert!(error.contains(told), "{error}");
        assert_eq!(migrator(&db).current().await.unwrap(), Some("0002"), "nothing was changed");
        run_script(url, "UPDATE alembic_version SET version_num = 'c1e38cfe113f'").await;
        assert_eq!(migrator(&db).release(ALEMBIC).await.unwrap().version, Some("5951c803aff7"));
        assert_eq!(held(&db).await, [("5951c803aff7".to_owned(),)]);
        assert_eq!(migrator(&db).current().await.unwrap(), None);
    }

    async fn an_upgrade_that_was_taken_back_hands_back_what_was_adopted(url: &str) {
        let db = made(url, "add_auth_tables").await;
        adopted(&db).await;
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        migrator(&db).downgrade(&"0001".parse().unwrap()).await.unwrap();
        assert_eq!(migrator(&db).release(ALEMBIC).await.unwrap().version, Some("add_auth_tables"));
        assert_eq!(held(&db).await, [("add_auth_tables".to_owned(),)]);
    }

    async fn the_first_versions_are_handed_back_without_the_table_that_an_upgrade_made(url: &str) {
        let db = made(url, "plugin_agent_fields").await;
        adopted(&db).await;
        migrator(&db).upgrade(&"0002".parse().unwrap()).await.unwrap();
        let error = migrator(&db).release(ALEMBIC).await.unwrap_err().to_string();
        assert!(error.contains("`tallybook migrate downgrade 0001`), drop trading_sessions"), "{error}");
        migrator(&db).downgrade(&"0001".parse().unwrap()).await.unwrap();
        let error = migrator(&db).release(ALEMBIC).await.unwrap_err().to_string();
        assert!(error.contains("Either drop trading_sessions"), "{error}");
        run_script(url, "DROP TABLE trading_sessions").await;
        assert_eq!(migrator(&db).release(ALEMBIC).await.unwrap().version, Some("plugin_agent_fields"));
    }

    async fn a_release_from_create_all_writes_no_version(url: &str) {
        let db = made(url, "create-all-early").await;
        let adoption = adopted(&db).await;
        assert_eq!((adoption.version, adoption.like), (None, "c1e38cfe113f"));
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        assert_eq!(migrator(&db).release(ALEMBIC).await.unwrap().version, None);
        assert_eq!(migrator(&db).current().await.unwrap(), None);
        assert!(!schema(&db).await.iter().any(|line| line.contains("alembic_version")));
        assert_eq!(migrator(&db).adopt(ALEMBIC).await.unwrap().revision, Some("0002"));
    }

    async fn a_second_adoption_changes_nothing_and_says_so(url: &str) {
        let db = made(url, "ac7a9a8391bc").await;
        adopted(&db).await;
        let again = migrator(&db).adopt(ALEMBIC).await.unwrap();
        assert!(again.already && !again.recorded, "{again:?}");
        let kinds = rows::<(String,)>(&mut db.read().await.unwrap(), "SELECT kind FROM tallybook_events").await;
        assert_eq!(kinds, [("adopt".to_owned(),)]);
    }

    async fn of_four_adoptions_at_once_one_is_recorded(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        let runner = migrator(&db);
        let (a, b, c, d) =
            tokio::join!(runner.adopt(ALEMBIC), runner.adopt(ALEMBIC), runner.adopt(ALEMBIC), runner.adopt(ALEMBIC));
        let all = [a, b, c, d].map(Result::unwrap);
        assert_eq!(all.iter().filter(|one| one.recorded).count(), 1, "{all:?}");
        assert_eq!(all.iter().filter(|one| one.already).count(), 3, "{all:?}");
    }

    async fn two_versions_are_refused(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        run_script(url, "INSERT INTO alembic_version VALUES ('5951c803aff7')").await;
        let error = refused(&db).await;
        assert!(error.contains("5951c803aff7, c1e38cfe113f"), "{error}");
    }

    async fn an_unknown_version_is_refused_with_those_that_are_known(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        run_script(url, "UPDATE alembic_version SET version_num = 'feedc0ffee'").await;
        let error = refused(&db).await;
        assert!(error.contains("feedc0ffee") && error.contains("5951c803aff7"), "{error}");
    }

    async fn a_missing_index_is_named(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        run_script(url, "DROP INDEX ix_trades_symbol").await;
        let error = refused(&db).await;
        assert!(error.contains("CREATE INDEX ix_trades_symbol ON trades (symbol), found nothing"), "{error}");
    }

    async fn an_index_by_another_name_does_as_well(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        run_script(url, "DROP INDEX ix_trades_symbol; CREATE INDEX symbols ON trades (symbol)").await;
        run_script(url, "DROP INDEX ix_portfolios_name; CREATE UNIQUE INDEX names ON portfolios (name)").await;
        let differences = adopted(&db).await.differences;
        let told: Vec<_> = differences.iter().map(|one| (one.part.as_str(), one.severity)).collect();
        assert_eq!(
            told,
            [("index ix_portfolios_name", DifferenceKind::Benign), ("index ix_trades_symbol", DifferenceKind::Benign)]
        );
    }

    async fn a_wrong_index_is_told_of_once(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        run_script(url, "CREATE INDEX ix_trades_session_id ON trades (status)").await;
        let found = migrator(&db).adoption(ALEMBIC).await.unwrap().differences;
        let told: Vec<_> = found.iter().map(|one| (one.part.as_str(), one.severity)).collect();
        assert_eq!(told, [("index ix_trades_session_id", DifferenceKind::Blocking)]);
        refused(&db).await;
    }

    async fn a_column_of_another_type_is_named(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        run_script(url, "ALTER TABLE trades ADD COLUMN session_id TEXT").await;
        let error = refused(&db).await;
        assert!(error.contains("trades, column session_id"), "{error}");
    }

    async fn a_later_table_of_another_shape_is_named(url: &str) {
        let db = made(url, "plugin_agent_fields").await;
        run_script(url, "CREATE TABLE trading_sessions (id INTEGER NOT NULL PRIMARY KEY, note TEXT)").await;
        let error = refused(&db).await;
        assert!(error.contains("trading_sessions, column portfolio_id"), "{error}");
    }

    async fn a_session_that_is_not_there_is_found_before_an_upgrade_stops_at_it(url: &str) {
        let db = made(url, "c1e38cfe113f").await;
        let script = "ALTER TABLE trades ADD COLUMN session_id INTEGER; UPDATE trades SET session_id = 99 WHERE id = 2;";
        run_script(url, script).await;
        let error = refused(&db).await;
        let query = "SELECT id, session_id FROM trades WHERE session_id NOT IN (SELECT id FROM trading_sessions)";
        assert!(error.contains(&format!("1 row refers by session_id to trading_sessions that are not there; look at them \
            with: {query}")), "{error}");
        assert_eq!(rows::<(i64, i64)>(&mut db.read().await.unwrap(), query).await, [(2, 99)]);
        run_script(url, "UPDATE trades SET session_id = NULL WHERE id = 2").await;
        adopted(&db).await;
        migrator(&db).upgrade(&Target::Head).await.unwrap();
        assert_whole(&db).await;
    }

    async fn a_database_that_nobody_made_is_refused(url: &str) {
        let db = open(url).await;
        let error = refused(&db).await;
        assert!(error.contains("nothing to adopt") && error.contains("alembic_version"), "{error}");
    }

    async fn create_all_with_a_column_too_few_is_compared_with_what_it_is_most_like(url: &str) {
        let db = made(url, "create-all").await;
        run_script(url, "DROP INDEX ix_executions_symbol; ALTER TABLE executions DROP COLUMN symbol").await;
        let error = refused(&db).await;
        assert!(error.contains("most like those of Alembic's \"5951c803aff7\""), "{error}");
        assert!(error.contains("executions, column symbol: expected symbol VARCHAR(20) NOT NULL, found nothing"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_refer_to_nothing_are_a_warning_on_sqlite() {
    let file = SqliteFile::new("dangling");
    let db = made(&file.url(), "c1e38cfe113f").await;
    run_script(&file.url(), "PRAGMA foreign_keys = OFF; UPDATE positions SET portfolio_id = 5 WHERE id = 1")
        .await;
    let adoption = adopted(&db).await;
    let told: Vec<_> = adoption.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "positions: 1 row refers by portfolio_id to portfolios that are not there; look at them with: SELECT id, \
          portfolio_id FROM positions WHERE portfolio_id NOT IN (SELECT id FROM portfolios)"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_other_than_public_is_adopted_once_the_url_names_it() {
    let database = postgres().await.database("another_schema").await;
    let public = open(database.url()).await;
    let script = alembic_script(database.url(), "c1e38cfe113f");
    let script = script.replace("public.", "\"Desk\".").replace("'public'", "'\"Desk\"'");
    run_script(database.url(), &format!("CREATE SCHEMA \"Desk\"; {script}")).await;
    let error = refused(&public).await;
    assert!(error.contains("\"Desk\"") && error.contains("search_path"), "{error}");
    let url = format!("{}?options=-csearch_path%3D%22Desk%22", database.url());
    let db = open(&url).await;
    adopted(&db).await;
    migrator(&db).upgrade(&Target::Head).await.unwrap();
    assert_whole(&db).await;
    let elsewhere = rows::<(i64,)>(
        &mut public.read().await.unwrap(),
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    .await;
    assert_eq!(elsewhere, [(0,)]);
}
