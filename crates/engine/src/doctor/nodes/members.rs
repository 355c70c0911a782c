//! Standbys of the primary that the settings do not name.

use super::primary;
use crate::doctor::finding::Finding;
use crate::doctor::node::Role;
use crate::doctor::units::counted;
use crate::doctor::visit::Seen;
use crate::settings::Settings;

const NAME: &str = "standbys";

pub(super) fn judge(settings: &Settings, seen: &[Seen]) -> Option<Finding> {
    let primary = primary(seen)?;
    let streams = &primary.told.as_ref()?.streams;
    let standbys: Vec<_> = seen
        .iter()
        .filter(|node| node.role() == Some(Role::Standby) && node.system() == primary.system())
        .collect();
    // By the slot where there is one: addresses and names say little behind proxies and on one machine.
    let by_slot = |slot: &str| {
        standbys.iter().any(|node| node.told.as_ref().is_some_and(|told| told.slot.as_deref() == Some(slot)))
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
        "{streams} of the primary: {} of them the settings do not name, among {}{reason}",
        unknown.len() - without,
        list.collect::<Vec<_>>().join(", ")
    );
    let why = "they could take reads; if they are for backups or for another site, all is well";
    Some(
        Finding::note(NAME, what, why)
            .at(&primary.node.node)
            .sql("SELECT application_name, client_addr, state, sync_state FROM pg_stat_replication;")
            .advise("name them in DB_READ_REPLICA_URL, and set DB_ENABLE_READ_REPLICA=true"),
    )
}
