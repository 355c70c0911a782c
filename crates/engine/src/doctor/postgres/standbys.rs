//! Who streams from this primary.

use super::Server;
use crate::Row;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "standbys";

const SQL: &str = "SELECT coalesce(r.application_name, '') AS name, coalesce(host(r.client_addr), 'a local \
    socket') AS address, \
       coalesce(r.state, '') AS state, coalesce(s.slot_name::text, '') AS slot \
     FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid \
     WHERE s.slot_type IS DISTINCT FROM 'logical' ORDER BY 1, 2, 4";

/// One who streams from a primary.
#[derive(Clone, Debug, Row)]
pub(in crate::doctor) struct Stream {
    pub(in crate::doctor) name: String,
    pub(in crate::doctor) address: String,
    pub(in crate::doctor) state: String,
    pub(in crate::doctor) slot: String,
}

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    if !server.sees_all {
        visit.is_unseen(NAME);
        return Ok(Vec::new());
    }
    let mut streams = visit.fetch(all::<Stream>(SQL, params![])).await?;
    // A backup that is being taken is no standby.
    streams.retain(|stream| stream.state != "backup");
    let keeps_nothing = server.settings.is("wal_keep_size", "0") && server.settings.is("restore_command", "");
    let findings = streams.iter().filter(|stream| stream.slot.is_empty() && keeps_nothing).map(without_slot);
    let mut findings: Vec<_> = findings.collect();
    findings.extend(streams.iter().filter(|stream| stream.state != "streaming").map(not_streaming));
    if let Some(told) = &mut visit.seen.told {
        told.streams = streams;
    }
    Ok(findings)
}

fn without_slot(stream: &Stream) -> Finding {
    let Stream { name, address, .. } = stream;
    Finding::warning(
        NAME,
        format!("the standby {name} ({address}) streams without a slot, and wal_keep_size is 0"),
        "if it is away for longer than a checkpoint takes, the log that it needs is gone and it has to be \
         built anew",
    )
    .sql("SELECT pg_create_physical_replication_slot('NAME');")
    .advise("then primary_slot_name = 'NAME' on the standby, and reload it there")
}

fn not_streaming(stream: &Stream) -> Finding {
    let Stream { name, address, state, .. } = stream;
    Finding::warning(
        NAME,
        format!("the standby {name} ({address}) is connected, but not up with the log yet ({state})"),
        "its reads are old until it has caught up",
    )
    .sql("SELECT application_name, state, sent_lsn, replay_lsn, replay_lag FROM pg_stat_replication;")
}
