//! Facts about an SQLite file, read before the checks.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::one;

use crate::node::{NodeFacts, Role};
use crate::probe::Probe;

pub(super) const NAME: &str = "file";

const SQL: &str = "SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode), \
     (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";

pub(super) async fn read(probe: &mut Probe<'_>) -> Result<()> {
    let (version, journal, bytes) = probe.fetch(one::<(String, String, i64)>(SQL, params![])).await?;
    probe.report.node.facts = Some(NodeFacts {
        version,
        role: Role::Writable,
        bytes: Some(bytes),
        tls: None,
        system: None,
        timeline: None,
        started: None,
        position: None,
        lag_bytes: None,
        lag_seconds: None,
        journal: Some(journal),
    });
    Ok(())
}
