//! Queries about the server itself: its role, log position and identity.

use std::sync::LazyLock;

use tallybook_sql::error::{Error, Result};
use tallybook_sql::replication::{Identity, Observation};
use tallybook_sql::replication::{end_of_log, parse_lsn};

use super::client::{Client, ClientError, TextRow};
use super::error::convert;
use super::startup::{SettingMismatch, Startup};
use super::types;

/// SQL expression for the timeline of a standby.
///
/// A standby knows the newest timeline that it has followed from three sources: the server it streams from (visible to
/// `pg_read_all_stats`), the last checkpoint it replayed, and the point up to which it must recover to be consistent.
pub const STANDBY_TIMELINE: &str = "greatest(\
    (SELECT received_tli FROM pg_stat_wal_receiver), \
    (SELECT timeline_id FROM pg_control_checkpoint()), \
    (SELECT min_recovery_end_timeline FROM pg_control_recovery()))";

static OBSERVE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "\
SELECT in_recovery, \
    CASE WHEN in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS lsn, \
    CASE WHEN in_recovery THEN {STANDBY_TIMELINE} \
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer END AS timeline, \
    in_recovery AND (CASE WHEN in_recovery THEN pg_is_wal_replay_paused() END) AS paused, \
    (SELECT system_identifier FROM pg_control_system()) AS system, \
    (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started \
FROM (SELECT pg_is_in_recovery() AS in_recovery) AS role"
    )
});

/// Columns that a new connection asks for besides its settings. The second form is for roles that may not read the
/// control file.
const IDENTIFY: [&str; 2] = [
    ", system_identifier AS system, \
        (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started \
    FROM pg_control_system()",
    "",
];

/// The enum types of the database.
static ENUMS: LazyLock<String> =
    LazyLock::new(|| format!("(SELECT {} FROM pg_type t WHERE typtype = 'e') AS enums", types::LIST));

/// The answers of the server to a new connection.
pub(super) struct ServerInfo {
    pub(super) identity: Identity,
    /// Required settings that are not in effect.
    pub(super) mismatches: Vec<SettingMismatch>,
    /// The enum types of the database, as lines.
    pub(super) enums: Option<String>,
}

/// Returns the LSN up to which a replica has replayed the log; `None` for a server that never was one.
pub(super) async fn replay_position(client: &Client) -> Result<Option<u64>> {
    let row = first_row(client, "SELECT pg_last_wal_replay_lsn() AS lsn").await.map_err(convert)?;
    Ok(text(&row, "lsn").and_then(parse_lsn))
}

/// Returns role, log position and timeline.
pub(super) async fn observe(client: &Client) -> Result<Observation> {
    let row = first_row(client, &OBSERVE).await.map_err(convert)?;
    let standby = flag(&row, "in_recovery");
    let lsn = text(&row, "lsn").and_then(parse_lsn);
    Ok(Observation {
        standby,
        lsn: lsn.map(|lsn| if standby { lsn } else { end_of_log(lsn) }).ok_or_else(|| missing("lsn"))?,
        timeline: number(&row, "timeline")?,
        paused: flag(&row, "paused"),
        system: system(&row)?,
        started: number(&row, "started")?,
    })
}

/// Asks a new connection for the server's identity, and for the settings in effect. One round trip.
pub(super) async fn identify(client: &Client, startup: &Startup) -> Result<ServerInfo, ClientError> {
    let (current, expected) = (startup.current_columns(), startup.expected_sql());
    let query = |rest: &str| {
        format!(
            "SELECT pg_is_in_recovery() AS in_recovery, pg_backend_pid() AS pid, {}{current}{rest}; {expected}",
            *ENUMS
        )
    };
    let rows = match client.simple(&query(IDENTIFY[0])).await {
        Err(connect_error) if connect_error.server().is_some() => client.simple(&query(IDENTIFY[1])).await?,
        answer => answer?,
    };
    let mut rows = rows.into_iter();
    let (row, expected) = (Row(rows.next()), Row(rows.next()));
    Ok(ServerInfo {
        identity: Identity {
            standby: flag(&row, "in_recovery"),
            system: system(&row).unwrap_or_default(),
            started: number(&row, "started").unwrap_or_default(),
            pid: number(&row, "pid").unwrap_or_default(),
        },
        enums: text(&row, "enums").map(str::to_owned),
        mismatches: startup.mismatches(|column| text(&row, column), |column| text(&expected, column)),
    })
}

/// Returns the process id of the backend, after executing `before`.
pub(super) async fn backend(client: &Client, before: &str) -> Result<i64, ClientError> {
    let row = first_row(client, &format!("{before}SELECT pg_backend_pid() AS pid")).await?;
    Ok(number(&row, "pid").unwrap_or_default())
}

/// Returns the first row of a statement without parameters, by the simple protocol: as text, and without a statement
/// name that a pooler would have to keep.
async fn first_row(client: &Client, sql: &str) -> Result<Row, ClientError> {
    Ok(Row(client.simple(sql).await?.into_iter().next()))
}

struct Row(Option<TextRow>);

fn text<'r>(row: &'r Row, column: &str) -> Option<&'r str> {
    row.0.as_ref()?.get(column)
}

fn flag(row: &Row, column: &str) -> bool {
    text(row, column) == Some("t")
}

fn number<T: std::str::FromStr>(row: &Row, column: &str) -> Result<T> {
    text(row, column).and_then(|text| text.parse().ok()).ok_or_else(|| missing(column))
}

/// Returns the system identifier. PostgreSQL returns it as a signed number, which is negative for clusters created
/// after January 2038.
fn system(row: &Row) -> Result<u64> {
    number(row, "system").map(i64::cast_unsigned)
}

fn missing(column: &str) -> Error {
    Error::decode(format!("the server's own {column}"), tallybook_sql::value::SqlType::Int, "nothing")
}
