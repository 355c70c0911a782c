//! Check `slots`: replication slots are in use and do not keep too much log.

use tallybook_sql::Row;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::severity::Severity;
use crate::units::{bytes, literal};

pub(super) const NAME: &str = "slots";

/// More than a restarting standby leaves behind, in bytes.
const MAX_KEPT: i64 = 10 << 30;

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

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let slots = probe.fetch(all::<Slot>(SQL, params![])).await?;
    let mut findings: Vec<_> = slots.iter().filter_map(evaluate).collect();
    if !slots.is_empty() && server.settings.is("max_slot_wal_keep_size", "-1") {
        findings.push(unbounded());
    }
    Ok(findings)
}

fn evaluate(slot: &Slot) -> Option<Finding> {
    let Slot { name, kind, is_active, status, kept, is_fresh, is_temporary } = slot;
    let drop = format!("SELECT pg_drop_replication_slot({}); -- if it is no longer needed", literal(name));
    let size = bytes(*kept);
    if status == "lost" {
        let what = format!("the {kind} slot {name} lost log that it needed (wal_status lost)");
        let why =
            "its standby or subscriber can no longer follow and serves ever staler data; it must be rebuilt";
        let drop = format!("SELECT pg_drop_replication_slot({});", literal(name));
        return Some(Finding::critical(NAME, what, why).sql(drop).run(
            "pg_basebackup -R -C -S SLOT -D DATA_DIRECTORY -h PRIMARY    # on the standby's \
                    machine, emptied first",
        ));
    }
    if status == "unreserved" {
        let what = format!("the {kind} slot {name} is {size} behind, more than max_slot_wal_keep_size");
        let why = "the next checkpoint removes its log, and its standby must be rebuilt";
        return Some(
            Finding::critical(NAME, what, why)
                .sql("ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; -- if the disk has room")
                .sql("SELECT pg_reload_conf();"),
        );
    }
    if *is_active || *is_temporary {
        let what = format!(
            "the {kind} slot {name} keeps {size} of log for a connected client that does not keep up"
        );
        let why = "the log grows until it catches up, and can fill the disk";
        let finding = (*kept >= MAX_KEPT).then(|| Finding::warning(NAME, what, why));
        return finding.map(|finding| finding.sql("SELECT * FROM pg_stat_replication;"));
    }
    if *is_fresh {
        let what = format!("nobody ever used the {kind} slot {name}");
        let why = "it keeps no log yet, and serves no purpose";
        return Some(Finding::note(NAME, what, why).sql(drop));
    }
    let severity = if *kept >= MAX_KEPT { Severity::Critical } else { Severity::Warning };
    let what = format!("nobody is connected to the {kind} slot {name}, which keeps {size} of log");
    let why = "the server keeps all log since the last connection, until the disk is full and it stops";
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
            evaluate(&Slot { name, kind, is_active, status, kept, is_fresh: false, is_temporary: false })
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
