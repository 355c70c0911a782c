//! Check `standbys`: the standbys that stream from this primary.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::node_report::Stream;
use crate::probe::Probe;

pub(super) const NAME: &str = "standbys";

const SQL: &str = "SELECT coalesce(r.application_name, '') AS name, coalesce(host(r.client_addr), 'a local \
    socket') AS address, \
       coalesce(r.state, '') AS state, coalesce(s.slot_name::text, '') AS slot \
     FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid \
     WHERE s.slot_type IS DISTINCT FROM 'logical' ORDER BY 1, 2, 4";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    if !server.sees_all {
        probe.skip(NAME);
        return Ok(Vec::new());
    }
    let mut streams = probe.fetch(all::<Stream>(SQL, params![])).await?;
    // A running base backup is not a standby.
    streams.retain(|stream| stream.state != "backup");
    let keeps_nothing = server.settings.is("wal_keep_size", "0") && server.settings.is("restore_command", "");
    let findings = streams.iter().filter(|stream| stream.slot.is_empty() && keeps_nothing).map(without_slot);
    let mut findings: Vec<_> = findings.collect();
    findings.extend(streams.iter().filter(|stream| stream.state != "streaming").map(not_streaming));
    if let Some(peer_facts) = &mut probe.report.peer_facts {
        peer_facts.streams = streams;
    }
    Ok(findings)
}

fn without_slot(stream: &Stream) -> Finding {
    let Stream { name, address, .. } = stream;
    Finding::warning(
        NAME,
        format!("the standby {name} ({address}) streams without a slot, and wal_keep_size is 0"),
        "if it disconnects for longer than a checkpoint, the log that it needs is gone and it must be rebuilt",
    )
    .sql("SELECT pg_create_physical_replication_slot('NAME');")
    .advise("then primary_slot_name = 'NAME' on the standby, and reload it there")
}

fn not_streaming(stream: &Stream) -> Finding {
    let Stream { name, address, state, .. } = stream;
    Finding::warning(
        NAME,
        format!("the standby {name} ({address}) is connected, but has not caught up yet ({state})"),
        "its reads are stale until it has caught up",
    )
    .sql("SELECT application_name, state, sent_lsn, replay_lsn, replay_lag FROM pg_stat_replication;")
}
