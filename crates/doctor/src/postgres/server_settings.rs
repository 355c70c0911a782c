//! The server settings that apply to a program's session.

use std::collections::HashMap;

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::all;

use crate::probe::Probe;

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

/// Settings by name, in the units of `pg_settings`.
pub(super) struct ServerSettings(HashMap<String, String>);

impl ServerSettings {
    /// Reads the settings, before the doctor sets its own limits.
    pub(super) async fn read(probe: &mut Probe<'_>) -> Result<Self> {
        let names: Vec<_> = NAMES.map(str::to_owned).into();
        let rows = probe.fetch(all::<(String, String)>(SQL, params![names])).await?;
        Ok(Self(rows.into_iter().collect()))
    }

    /// Returns the value; empty if this version lacks the setting or this user may not see it.
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
