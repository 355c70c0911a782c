//! Check `archiver`: WAL archiving works.

use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::optional;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "archiver";

const SQL: &str = "SELECT last_failed_wal, to_char(last_failed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD \
    HH24:MI'), failed_count \
     FROM pg_stat_archiver WHERE last_failed_time > coalesce(last_archived_time, '-infinity')";

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    if server.settings.is("archive_mode", "off") {
        return Ok(Vec::new());
    }
    let failed = probe.fetch(optional::<(String, String, i64)>(SQL, params![])).await?;
    Ok(failed.iter().map(evaluate).collect())
}

fn evaluate((file, at, times): &(String, String, i64)) -> Finding {
    Finding::critical(
        NAME,
        format!("the log is not archived: {file} failed, last at {at} UTC, {times} failures so far"),
        "the server keeps its log until it is archived, and stops when the disk is full; backups end here",
    )
    .sql("SELECT * FROM pg_stat_archiver;")
    .sql("SHOW archive_command;")
    .advise(
        "the server's log shows the output of archive_command; once it is fixed, archiving resumes by itself",
    )
}
