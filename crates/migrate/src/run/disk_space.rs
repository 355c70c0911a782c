//! Checks disk space before a step needs it.

use std::path::Path;

use tallybook_core::driver::Connection;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::params;
use tallybook_sql::query::{one, optional};

use crate::catalog::fetch;
use crate::steps::table::Index;

/// Estimates the size of an index: 16 bytes of overhead for each entry, in pages that are 90 % full.
const SIZE: &str = "SELECT ((c.reltuples * (16 + coalesce((SELECT sum(s.avg_width) FROM pg_stats s \
       WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = ANY($2)), 8))) / 0.9)::bigint \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relname = $1";

/// Returns the data directory, if the user may know it and the server runs on this machine.
const PLACE: &str = "SELECT current_setting('data_directory') WHERE pg_has_role('pg_read_all_settings', 'USAGE') \
     AND (inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr())";

/// Estimates the size of an index, in bytes. One query.
pub(crate) async fn index_size(connection: &mut Connection, index: &Index) -> Result<u64> {
    let columns: Vec<_> =
        index.columns.iter().filter_map(|key| key.split_whitespace().next()).map(str::to_owned).collect();
    let size = fetch(connection, optional::<(i64,)>(SIZE, params![index.table, columns])).await?;
    Ok(size.map_or(0, |(size,)| size.max(0).unsigned_abs()))
}

/// Returns an error if a server on this machine lacks the disk space for a build, which needs the index size
/// twice: once to sort.
pub(crate) async fn check_index(connection: &mut Connection, index: &Index) -> Result<()> {
    let Some((place,)) = fetch(connection, optional::<(String,)>(PLACE, params![])).await? else {
        return Ok(());
    };
    let size = index_size(connection, index).await?;
    check(Path::new(&place), 2 * size, index.name)
}

/// Returns an error if the file system has less space than needed. A path that cannot be inspected passes.
pub(crate) fn check(place: &Path, needed: u64, what: &str) -> Result<()> {
    let Ok(disk) = rustix::fs::statvfs(place) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free > needed {
        return Ok(());
    }
    Err(Error::revision(format!(
        "{what} needs about {} MB of disk space at {}, which has {} MB; make room and run again",
        needed >> 20,
        place.display(),
        free >> 20
    )))
}

/// Returns the size of an SQLite file, in bytes.
pub(crate) async fn file_size(connection: &mut Connection) -> Result<u64> {
    let sql = "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";
    let (size,) = fetch(connection, one::<(i64,)>(sql, params![])).await?;
    Ok(size.unsigned_abs())
}
