//! Replication slots: what they keep, and whom they lost.

use super::Server;
use crate::Row;
use crate::doctor::finding::Finding;
use crate::doctor::severity::Severity;
use crate::doctor::units::{bytes, literal};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::all;

pub(super) const NAME: &str = "slots";

/// More than a standby that restarts leaves behind.
const MUCH: i64 = 10 << 30;

const SQL: &str = "SELECT slot_name::text AS name, slot_type AS kind, active AS is_active, \
       coalesce(wal_status, '') AS status, \
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint AS kept, \
       restart_lsn IS NULL AS is_fresh, temporary AS is_temporary \
     FROM pg_replication_slots ORDER BY kept DESC, slot_name";

#[derive(Row)]
struct Slot {
    name: String,
    kind: String,
    is_active: bool,
    status: String,
    kept: i64,
    is_fresh: bool,
    is_temporary: bool,
}

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let slots = visit.fetch(all::<Slot>(SQL, params![])).await?;
    let mut findings: Vec<_> = slots.iter().filter_map(judge).collect();
    if !slots.is_empty() && server.settings.is("max_slot_wal_keep_size", "-1") {
        findings.push(unbounded());
    }
    Ok(findings)
}

fn judge(slot: &Slot) -> Option<Finding> {
    let Slot { name, kind, is_active, status, kept, is_fresh, is_temporary } = slot;
    let drop = format!("SELECT pg_drop_replication_slot({}); -- if nobody comes back to it", literal(name));
    let size = bytes(*kept);
    if status == "lost" {
        let what = format!("the {kind} slot {name} lost log that it needed (wal_status lost)");
        let why = "its standby or subscriber can't follow any more and reads ever older data; it has to be \
            built anew";
        let drop = format!("SELECT pg_drop_replication_slot({});", literal(name));
        return Some(Finding::critical(NAME, what, why).sql(drop).run(
            "pg_basebackup -R -C -S SLOT -D DATA_DIRECTORY -h PRIMARY    # on the standby's \
                    machine, emptied first",
        ));
    }
    if status == "unreserved" {
        let what = format!("the {kind} slot {name} is {size} behind, more than max_slot_wal_keep_size");
        let why = "at the next checkpoint its log is removed, and its standby has to be built anew";
        return Some(
            Finding::critical(NAME, what, why)
                .sql("ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; -- if the disk has room")
                .sql("SELECT pg_reload_conf();"),
        );
    }
    if *is_active || *is_temporary {
        let what = format!(
            "the {kind} slot {name} keeps {size} of log for one who is connected and does not keep up"
        );
        let why = "the log grows until it catches up, and can fill the disk";
        let finding = (*kept >= MUCH).then(|| Finding::warning(NAME, what, why));
        return finding.map(|finding| finding.sql("SELECT * FROM pg_stat_replication;"));
    }
    if *is_fresh {
        let what = format!("nobody ever used the {kind} slot {name}");
        let why = "it keeps nothing yet, and is of no use either";
        return Some(Finding::note(NAME, what, why).sql(drop));
    }
    let severity = if *kept >= MUCH { Severity::Critical } else { Severity::Warning };
    let what = format!("nobody is connected to the {kind} slot {name}, which keeps {size} of log");
    let why = "the server keeps all log since then, for whoever is to come back, until the disk is full and \
        it stops";
    Some(Finding::new(severity, NAME, what, why).advise("start its standby or subscriber again").sql(drop))
}

fn unbounded() -> Finding {
    Finding::note(
        NAME,
        "there are slots, and no bound on what they keep (max_slot_wal_keep_size is -1)",
        "a standby that is gone for good fills the primary's disk, which stops the primary",
    )
    .sql("ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; -- less than the disk has free")
    .sql("SELECT pg_reload_conf();")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_slot_keeps_matters_from_ten_gigabytes_on() {
        let severity = |is_active, kept| {
            let (name, kind, status) = ("s".to_owned(), "physical".to_owned(), "extended".to_owned());
            judge(&Slot { name, kind, is_active, status, kept, is_fresh: false, is_temporary: false })
                .map(|finding| finding.severity)
        };
        for (is_active, kept, expected) in [
            (true, 10_737_418_239, None),
            (true, 10_737_418_240, Some(Severity::Warning)),
            (false, 0, Some(Severity::Warning)),
            (false, 10_737_418_239, Some(Severity::Warning)),
            (false, 10_737_418_240, Some(Severity::Critical)),
        ] {
            assert_eq!(severity(is_active, kept), expected, "active: {is_active}, {kept} bytes");
        }
    }
}
