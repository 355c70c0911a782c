//! Check `standbys`: standbys of the primary that the settings do not name.

use tallybook_core::settings::Settings;

use super::primary;
use crate::finding::Finding;
use crate::node::Role;
use crate::node_report::NodeReport;
use crate::units::counted;

const NAME: &str = "standbys";

pub(super) fn evaluate(settings: &Settings, reports: &[NodeReport]) -> Option<Finding> {
    let primary = primary(reports)?;
    let streams = &primary.peer_facts.as_ref()?.streams;
    let standbys: Vec<_> = reports
        .iter()
        .filter(|node| node.role() == Some(Role::Standby) && node.system() == primary.system())
        .collect();
    // Matches by slot: behind proxies or on one machine, addresses and names say little.
    let by_slot = |slot: &str| {
        standbys.iter().any(|node| {
            node.peer_facts.as_ref().is_some_and(|peer_facts| peer_facts.slot.as_deref() == Some(slot))
        })
    };
    let unknown: Vec<_> =
        streams.iter().filter(|stream| stream.slot.is_empty() || !by_slot(&stream.slot)).collect();
    let matched = streams.len() - unknown.len();
    let without = standbys.len().saturating_sub(matched);
    if unknown.len() <= without {
        return None;
    }
    let list = unknown.iter().map(|stream| match &*stream.slot {
        "" => format!("{} from {}", stream.name, stream.address),
        slot => format!("{} from {} (slot {slot})", stream.name, stream.address),
    });
    let streams = counted(streams.len(), "standby");
    let reason = if settings.replica.enabled { "" } else { "; DB_ENABLE_READ_REPLICA is false" };
    let what = format!(
        "{streams} of the primary, {} of them not named in the settings, among {}{reason}",
        unknown.len() - without,
        list.collect::<Vec<_>>().join(", ")
    );
    let why = "they could serve reads; ignore this if they are for backups or another site";
    Some(
        Finding::note(NAME, what, why)
            .at(&primary.node.node)
            .sql("SELECT application_name, client_addr, state, sync_state FROM pg_stat_replication;")
            .advise("name them in DB_READ_REPLICA_URL, and set DB_ENABLE_READ_REPLICA=true"),
    )
}
