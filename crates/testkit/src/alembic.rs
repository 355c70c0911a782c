//! Databases as Alembic and SQLAlchemy leave them.

use rusqlite::Connection;
use tokio_postgres::NoTls;

/// Alembic's versions, oldest first.
pub const ALEMBIC_VERSIONS: [&str; 6] = [
    "ac7a9a8391bc",
    "plugin_agent_fields",
    "add_trading_session_risk",
    "add_auth_tables",
    "c1e38cfe113f",
    "5951c803aff7",
];

/// The dump from which earlier versions are derived.
const DUMPED: &str = "c1e38cfe113f";

/// Alembic's versions from newest to oldest, each with the SQL that reverts it.
const BACK: [(&str, &str); 4] = [
    ("add_auth_tables", "DROP TABLE agent_llm_configs;"),
    ("add_trading_session_risk", "DROP TABLE api_keys; DROP TABLE audit_logs; DROP TABLE users;"),
    ("plugin_agent_fields", "DROP TABLE risk_metrics; DROP TABLE trading_sessions;"),
    (
        "ac7a9a8391bc",
        "DROP INDEX ix_agent_configs_role; DROP INDEX ix_agent_configs_slot_name;
         ALTER TABLE agent_configs DROP COLUMN role; ALTER TABLE agent_configs DROP COLUMN llm_type;
         ALTER TABLE agent_configs DROP COLUMN prompt_template;
         ALTER TABLE agent_configs DROP COLUMN capabilities_json;
         ALTER TABLE agent_configs DROP COLUMN required_tools_json;
         ALTER TABLE agent_configs DROP COLUMN requires_memory;
         ALTER TABLE agent_configs DROP COLUMN memory_name;
         ALTER TABLE agent_configs DROP COLUMN is_reserved;
         ALTER TABLE agent_configs DROP COLUMN slot_name; ALTER TABLE agent_configs DROP COLUMN version;",
    ),
];

macro_rules! dump {
    ($name:literal) => {
        include_str!(concat!("../fixtures/alembic/", $name, ".sql"))
    };
}

/// Fills an empty database with the schema and rows that Alembic or SQLAlchemy left.
///
/// `state` is one of [`ALEMBIC_VERSIONS`]; `half`, which the last version leaves on SQLite when it fails half-way;
/// or `create-all` and `create-all-early`, made by SQLAlchemy's `create_all` with and without the columns and
/// indexes of the last version. `fixtures/alembic/README.md` says how they were made.
///
/// # Panics
///
/// If this dialect has no such state, or the database is not empty.
pub async fn alembic(url: &str, state: &str) {
    run_script(url, &alembic_script(url, state)).await;
}

/// Returns the SQL of a state, so that a test can change it first. On PostgreSQL its tables are qualified with
/// `public.`.
///
/// # Panics
///
/// If this dialect has no such state.
#[must_use]
pub fn alembic_script(url: &str, state: &str) -> String {
    let is_sqlite = url.starts_with("sqlite:");
    let dump = match (state, is_sqlite) {
        ("5951c803aff7", true) => dump!("sqlite-5951c803aff7"),
        ("5951c803aff7", false) => dump!("postgres-5951c803aff7"),
        ("half", true) => dump!("sqlite-half"),
        ("create-all", true) => dump!("sqlite-create-all"),
        ("create-all", false) => dump!("postgres-create-all"),
        ("create-all-early", true) => dump!("sqlite-create-all-early"),
        ("create-all-early", false) => dump!("postgres-create-all-early"),
        _ if state != DUMPED && taken_away(state).is_none() => panic!("there is no state {state} at {url}"),
        (_, true) => dump!("sqlite-c1e38cfe113f"),
        (_, false) => dump!("postgres-c1e38cfe113f"),
    };
    let mut script = dump.to_owned();
    if !is_sqlite {
        script.push_str("SELECT set_config('search_path', 'public', false);\n");
    }
    let Some(last) = taken_away(state) else { return script };
    for (version, back) in &BACK[..=last] {
        script.push_str(back);
        if *version == "add_trading_session_risk" && !is_sqlite {
            script.push_str("DROP TYPE userrole;");
        }
    }
    script + &format!("UPDATE alembic_version SET version_num = '{state}';")
}

/// Returns how many versions a state is behind the dump.
fn taken_away(state: &str) -> Option<usize> {
    BACK.iter().position(|(version, _)| *version == state)
}

/// Runs a script of several statements, as the shell of the database would.
///
/// # Panics
///
/// If the database cannot be opened, or a statement fails.
pub async fn run_script(url: &str, sql: &str) {
    match url.strip_prefix("sqlite:///") {
        Some(path) => {
            let connection = Connection::open(path).expect("the file can be opened");
            connection.execute_batch(sql).unwrap_or_else(|error| panic!("{error} in {sql}"));
        }
        None => {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
            let connection = tokio::spawn(connection);
            client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?} in {sql}"));
            drop(client);
            let _ = connection.await;
        }
    }
}
