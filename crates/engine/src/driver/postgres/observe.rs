//! What a server says of itself.

use std::sync::LazyLock;

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::Connection;
use super::error::convert;
use super::startup::{Lost, Startup};
use crate::driver::position::{end_of_log, parse_lsn};
use crate::driver::{Identity, Observation};
use crate::error::{Error, Result};

/// A standby knows the newest timeline that it followed by whom it receives from (visible to `pg_read_all_stats`), by
/// the last checkpoint that it replayed, and by how far it must recover to be consistent.
pub(crate) const STANDBY_TIMELINE: &str = "greatest(\
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

/// What is asked of a new connection besides its settings; of one that may not see the control file, only the first
/// columns.
const IDENTIFY: [&str; 2] = [
    ", system_identifier AS system, \
        (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started \
    FROM pg_control_system()",
    "",
];

/// What a new connection found.
pub(super) struct Greeting {
    pub(super) identity: Identity,
    /// Settings that are not in effect.
    pub(super) lost: Vec<Lost>,
}

impl Connection {
    /// Asks how far a replica has replayed its log: one round trip.
    pub(crate) async fn replay_position(&mut self) -> Result<Option<u64>> {
        replay_position(&self.client).await
    }

    /// Asks for role, position and timeline: one round trip.
    pub(crate) async fn observe(&mut self) -> Result<Observation> {
        let row = first_row(&self.client, &OBSERVE).await.map_err(convert)?;
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
}

/// How far a replica has replayed its log; none of a server that never was one.
pub(super) async fn replay_position(client: &Client) -> Result<Option<u64>> {
    let row = first_row(client, "SELECT pg_last_wal_replay_lsn() AS lsn").await.map_err(convert)?;
    Ok(text(&row, "lsn").and_then(parse_lsn))
}

/// Asks a new connection who is there, and whether its settings are in effect: one message.
pub(super) async fn identify(client: &Client, startup: &Startup) -> Result<Greeting, tokio_postgres::Error> {
    let (found, wanted) = (startup.found(), startup.wanted());
    let question = |rest: &str| {
        format!("SELECT pg_is_in_recovery() AS in_recovery, pg_backend_pid() AS pid{found}{rest}; {wanted}")
    };
    let rows = match rows(client, &question(IDENTIFY[0])).await {
        Err(refused) if refused.as_db_error().is_some() => rows(client, &question(IDENTIFY[1])).await?,
        answer => answer?,
    };
    let mut rows = rows.into_iter();
    let (row, wanted) = (Row(rows.next()), Row(rows.next()));
    Ok(Greeting {
        identity: Identity {
            standby: flag(&row, "in_recovery"),
            system: system(&row).unwrap_or_default(),
            started: number(&row, "started").unwrap_or_default(),
            pid: number(&row, "pid").unwrap_or_default(),
        },
        lost: startup.lost(|column| text(&row, column), |column| text(&wanted, column)),
    })
}

/// The process that answers, after what `before` does.
pub(super) async fn backend(client: &Client, before: &str) -> Result<i64, tokio_postgres::Error> {
    let row = first_row(client, &format!("{before}SELECT pg_backend_pid() AS pid")).await?;
    Ok(number(&row, "pid").unwrap_or_default())
}

/// The only row of a statement without parameters; as text, and under no name that a proxy would have to keep.
async fn first_row(client: &Client, sql: &str) -> Result<Row, tokio_postgres::Error> {
    Ok(Row(rows(client, sql).await?.into_iter().next()))
}

async fn rows(client: &Client, sql: &str) -> Result<Vec<SimpleQueryRow>, tokio_postgres::Error> {
    let answers = client.simple_query(sql).await?.into_iter();
    let rows = answers.filter_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.collect())
}

struct Row(Option<SimpleQueryRow>);

fn text<'r>(row: &'r Row, column: &str) -> Option<&'r str> {
    row.0.as_ref()?.get(column)
}

fn flag(row: &Row, column: &str) -> bool {
    text(row, column) == Some("t")
}

fn number<T: std::str::FromStr>(row: &Row, column: &str) -> Result<T> {
    text(row, column).and_then(|text| text.parse().ok()).ok_or_else(|| missing(column))
}

/// The identifier of the cluster, which PostgreSQL shows as a number with a sign: it is below zero if the cluster was made
/// after January 2038.
fn system(row: &Row) -> Result<u64> {
    number(row, "system").map(i64::cast_unsigned)
}

fn missing(column: &str) -> Error {
    Error::misfit(format!("the server's own {column}"), crate::value::Kind::Int, "nothing")
}
