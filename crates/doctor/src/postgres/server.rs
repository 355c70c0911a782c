//! The server that is checked: facts about it, read before the checks.

use tallybook_postgres::STANDBY_TIMELINE;
use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{one, optional};

use super::server_settings::ServerSettings;
use crate::node::{NodeFacts, Role};
use crate::node_report::PeerFacts;
use crate::probe::Probe;

pub(super) const NAME: &str = "connection";

/// A check must not wait for locks or load a busy server.
const LIMITS: &str = "SET statement_timeout = '3s'; SET lock_timeout = '1s'";

/// A standby may hide what it received, but not what it replayed.
const SQL: &str = "SELECT current_setting('server_version') AS version, \
       current_setting('server_version_num')::bigint AS number, pg_is_in_recovery() AS is_standby, \
       to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS started, \
       current_user::text AS user_name, current_setting('is_superuser') = 'on' AS is_superuser, \
       pg_has_role('pg_monitor', 'USAGE') AS sees_all, \
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, \
         '0/0')::bigint AS position";

/// Hosting providers may forbid this query and [`timeline`].
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";
const TLS: &str = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
const SIZE: &str = "SELECT pg_database_size(current_database())";

#[derive(Row)]
struct ServerRow {
    version: String,
    number: i64,
    is_standby: bool,
    started: String,
    user_name: String,
    is_superuser: bool,
    sees_all: bool,
    position: Option<i64>,
}

/// Facts about the server that every check may use.
pub(super) struct Server {
    pub(super) settings: ServerSettings,
    pub(super) version: i64,
    pub(super) role: Role,
    pub(super) user: String,
    pub(super) is_superuser: bool,
    /// Set if this user may see other sessions and replication (`pg_monitor`).
    pub(super) sees_all: bool,
}

fn timeline() -> String {
    format!(
        "SELECT CASE WHEN pg_is_in_recovery() THEN ({STANDBY_TIMELINE})::bigint \
         ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END"
    )
}

pub(super) async fn read(probe: &mut Probe<'_>) -> Result<Server> {
    let row = probe.fetch(one::<ServerRow>(SQL, params![])).await?;
    let settings = ServerSettings::read(probe).await?;
    probe.connection.script(LIMITS).await?;
    probe.user.clone_from(&row.user_name);
    let role = if row.is_standby { Role::Standby } else { Role::Writable };
    let system = probe.fetch(one::<(String,)>(SYSTEM, params![])).await.ok();
    let timeline = probe.fetch(one::<(Option<i64>,)>(timeline(), params![])).await.ok();
    let size = probe.fetch(one::<(i64,)>(SIZE, params![])).await.ok();
    let tls = probe.fetch(optional::<(String,)>(TLS, params![])).await.ok().flatten();
    let is_encrypted = probe.connection.is_encrypted() == Some(true);
    probe.report.node.facts = Some(NodeFacts {
        version: row.version,
        role,
        bytes: size.map(|(bytes,)| bytes),
        tls: is_encrypted.then(|| tls.map_or_else(|| "TLS".to_owned(), |(version,)| version)),
        system: system.map(|(identifier,)| identifier),
        timeline: timeline.and_then(|(number,)| number),
        started: Some(row.started),
        position: row.position,
        lag_bytes: None,
        lag_seconds: None,
        journal: None,
    });
    probe.report.peer_facts = Some(PeerFacts {
        version: row.number,
        is_delayed: settings.number("recovery_min_apply_delay").is_some_and(|delay| delay > 0),
        wal_level: settings.text("wal_level").to_owned(),
        ..PeerFacts::default()
    });
    let sees_all = row.is_superuser || row.sees_all;
    Ok(Server {
        settings,
        version: row.number,
        role,
        user: row.user_name,
        is_superuser: row.is_superuser,
        sees_all,
    })
}
