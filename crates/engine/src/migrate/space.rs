//! Whether there is room for what a step makes.

use std::path::Path;

use super::catalog::fetch;
use super::index::Index;
use crate::driver::Connection;
use crate::error::{Error, Result};
use crate::params;
use crate::query::{one, optional};

/// What an index takes: its entries with 16 bytes of head each, in pages that are nine tenths full.
const SIZE: &str = "SELECT ((c.reltuples * (16 + coalesce((SELECT sum(s.avg_width) FROM pg_stats s \
       WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = ANY($2)), 8))) / 0.9)::bigint \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema() \
     WHERE c.relname = $1";

/// Where the server keeps its data, if that may be known and is on this machine.
const PLACE: &str = "SELECT current_setting('data_directory') WHERE pg_has_role('pg_read_all_settings', 'USAGE') \
     AND (inet_server_addr() IS NULL OR inet_server_addr() = inet_client_addr())";

/// Bytes that an index will take, roughly.
pub(super) async fn index_size(connection: &mut Connection, index: &Index) -> Result<u64> {
    let columns: Vec<_> = index.columns.iter().map(|&column| column.to_owned()).collect();
    let size = fetch(connection, optional::<(i64,)>(SIZE, params![index.table, columns])).await?;
    Ok(size.map_or(0, |(size,)| size.max(0).unsigned_abs()))
}

/// Refuses a build for which the disk of a server on this machine has no room: a build sorts beside what it makes.
pub(super) async fn check_index(connection: &mut Connection, index: &Index) -> Result<()> {
    let Some((place,)) = fetch(connection, optional::<(String,)>(PLACE, params![])).await? else {
        return Ok(());
    };
    let size = index_size(connection, index).await?;
    check(Path::new(&place), 2 * size, index.name)
}

/// Refuses what needs more than there is. A place that is not to be seen from here is not looked at.
pub(super) fn check(place: &Path, needed: u64, what: &str) -> Result<()> {
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

/// Bytes of an SQLite file.
pub(super) async fn file_size(connection: &mut Connection) -> Result<u64> {
    let sql = "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)";
    let (size,) = fetch(connection, one::<(i64,)>(sql, params![])).await?;
    Ok(size.unsigned_abs())
}
