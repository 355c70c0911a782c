//! What an SQLite file is.

use crate::doctor::node::{Facts, Role};
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::one;

pub(super) const NAME: &str = "file";

const SQL: &str = "SELECT sqlite_version(), (SELECT journal_mode FROM pragma_journal_mode), \
     (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";

pub(super) async fn ask(visit: &mut Visit<'_>) -> Result<()> {
    let (version, journal, bytes) = visit.fetch(one::<(String, String, i64)>(SQL, params![])).await?;
    visit.seen.node.facts = Some(Facts {
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
