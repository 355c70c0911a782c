//! What a server is.

use super::server_settings::ServerSettings;
use super::{LIMITS, Server};
use crate::Row;
use crate::doctor::node::{Facts, Role};
use crate::doctor::visit::Visit;
use crate::driver::STANDBY_TIMELINE;
use crate::error::Result;
use crate::params;
use crate::query::{one, optional};

pub(super) const NAME: &str = "connection";

/// The standby's own account of what it received may be hidden; what it replayed is not.
const SQL: &str = "SELECT current_setting('server_version') AS version, \
       current_setting('server_version_num')::bigint AS number, pg_is_in_recovery() AS is_standby, \
       to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS started, \
       current_user::text AS user_name, current_setting('is_superuser') = 'on' AS is_superuser, \
       pg_has_role('pg_monitor', 'USAGE') AS sees_all, \
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, \
         '0/0')::bigint AS position";

/// Providers of databases may forbid this and [`timeline`].
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";
const TLS: &str = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
const SIZE: &str = "SELECT pg_database_size(current_database())";

#[derive(Row)]
struct Known {
    version: String,
    number: i64,
    is_standby: bool,
    started: String,
    user_name: String,
    is_superuser: bool,
    sees_all: bool,
    position: Option<i64>,
}

/// What is compared with what other nodes tell.
#[derive(Clone, Debug, Default)]
pub(in crate::doctor) struct Told {
    pub(in crate::doctor) version: i64,
    /// A standby: seconds since the last transaction that it replayed.
    pub(in crate::doctor) replayed_age: Option<i64>,
    /// A standby: bytes that it received and did not replay.
    pub(in crate::doctor) waiting: i64,
    /// A standby: that it is late on purpose.
    pub(in crate::doctor) is_delayed: bool,
    /// A standby: the slot that it streams by.
    pub(in crate::doctor) slot: Option<String>,
    /// A primary: who streams from it.
    pub(in crate::doctor) streams: Vec<super::Stream>,
    /// Connections that it lets this user have.
    pub(in crate::doctor) connections: i64,
    pub(in crate::doctor) wal_level: String,
}

fn timeline() -> String {
    format!(
        "SELECT CASE WHEN pg_is_in_recovery() THEN ({STANDBY_TIMELINE})::bigint \
         ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint END"
    )
}

pub(super) async fn ask(visit: &mut Visit<'_>) -> Result<Server> {
    let known = visit.fetch(one::<Known>(SQL, params![])).await?;
    let settings = ServerSettings::ask(visit).await?;
    visit.connection.script(LIMITS).await?;
    visit.user.clone_from(&known.user_name);
    let role = if known.is_standby { Role::Standby } else { Role::Writable };
    let system = visit.fetch(one::<(String,)>(SYSTEM, params![])).await.ok();
    let timeline = visit.fetch(one::<(Option<i64>,)>(timeline(), params![])).await.ok();
    let size = visit.fetch(one::<(i64,)>(SIZE, params![])).await.ok();
    let tls = visit.fetch(optional::<(String,)>(TLS, params![])).await.ok().flatten();
    let is_encrypted = visit.connection.is_encrypted() == Some(true);
    visit.seen.node.facts = Some(Facts {
        version: known.version,
        role,
        bytes: size.map(|(bytes,)| bytes),
        tls: is_encrypted.then(|| tls.map_or_else(|| "TLS".to_owned(), |(version,)| version)),
        system: system.map(|(identifier,)| identifier),
        timeline: timeline.and_then(|(number,)| number),
        started: Some(known.started),
        position: known.position,
        lag_bytes: None,
        lag_seconds: None,
        journal: None,
    });
    visit.seen.told = Some(Told {
        version: known.number,
        is_delayed: settings.number("recovery_min_apply_delay").is_some_and(|delay| delay > 0),
        wal_level: settings.text("wal_level").to_owned(),
        ..Told::default()
    });
    let sees_all = known.is_superuser || known.sees_all;
    Ok(Server {
        settings,
        version: known.number,
        role,
        user: known.user_name,
        is_superuser: known.is_superuser,
        sees_all,
    })
}
