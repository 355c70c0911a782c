//! Whether the log is archived.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;
use crate::params;
use crate::query::optional;

pub(super) const NAME: &str = "archiver";

const SQL: &str = "SELECT last_failed_wal, to_char(last_failed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD \
    HH24:MI'), failed_count \
     FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity')";

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    if server.settings.is("archive_mode", "off") {
        return Ok(Vec::new());
    }
    let failed = visit.fetch(optional::<(String, String, i64)>(SQL, params![])).await?;
    Ok(failed.iter().map(judge).collect())
}

fn judge((file, at, times): &(String, String, i64)) -> Finding {
    Finding::critical(
        NAME,
        format!("the log is not archived: {file} failed, last at {at} UTC, {times} failures so far"),
        "the server keeps all of its log until it is archived, and stops when the disk is full; backups have \
         no log after this",
    )
    .sql("SELECT * FROM pg_stat_archiver;")
    .sql("SHOW archive_command;")
    .advise("the server's log has what archive_command printed; correct it or its target, and it goes on by itself")
}
