//! The settings of a server, as a session of the program has them.

use std::collections::HashMap;

use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::all;

const SQL: &str = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)";

const NAMES: [&str; 26] = [
    "autovacuum",
    "autovacuum_freeze_max_age",
    "data_checksums",
    "fsync",
    "full_page_writes",
    "hot_standby_feedback",
    "idle_in_transaction_session_timeout",
    "max_connections",
    "max_slot_wal_keep_size",
    "max_standby_streaming_delay",
    "max_wal_senders",
    "max_wal_size",
    "recovery_min_apply_delay",
    "reserved_connections",
    "restore_command",
    "shared_buffers",
    "statement_timeout",
    "superuser_reserved_connections",
    "synchronous_commit",
    "synchronous_standby_names",
    "track_counts",
    "wal_keep_size",
    "wal_level",
    "zero_damaged_pages",
    "ignore_checksum_failure",
    "archive_mode",
];

/// Settings by their names, in the units that `pg_settings` has.
pub(super) struct ServerSettings(HashMap<String, String>);

impl ServerSettings {
    /// Before the look sets its own limits, so that those of the program are seen.
    pub(super) async fn ask(visit: &mut Visit<'_>) -> Result<Self> {
        let names: Vec<_> = NAMES.map(str::to_owned).into();
        let rows = visit.fetch(all::<(String, String)>(SQL, params![names])).await?;
        Ok(Self(rows.into_iter().collect()))
    }

    /// Empty where this version does not have it, or this user may not see it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.text(name) == value
    }
}
