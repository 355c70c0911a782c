//! Memory against the size of the database.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::units::bytes;
use crate::doctor::visit::Visit;
use crate::error::Result;

pub(super) const NAME: &str = "memory";

/// What `initdb` writes.
const DEFAULT: i64 = 128 << 20;
const PAGE: i64 = 8 << 10;
const GIB: i64 = 1 << 30;

pub(super) async fn look(visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let size = visit.seen.node.facts.as_ref().and_then(|facts| facts.bytes).unwrap_or_default();
    let buffers = server.settings.number("shared_buffers").unwrap_or_default() * PAGE;
    Ok(judge(buffers, size).into_iter().collect())
}

fn judge(buffers: i64, size: i64) -> Option<Finding> {
    if buffers > DEFAULT || size < GIB {
        return None;
    }
    Some(
        Finding::note(
            NAME,
            format!("shared_buffers is {}, for a database of {}", bytes(buffers), bytes(size)),
            "pages go to and fro between PostgreSQL and the system's cache",
        )
        .sql(
            "ALTER SYSTEM SET shared_buffers = '2GB'; -- a quarter of the machine's memory; needs a restart",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_for_small_databases() {
        const DEFAULT_BYTES: i64 = 134_217_728;
        const GIGABYTE: i64 = 1_073_741_824;
        assert!(judge(DEFAULT_BYTES, GIGABYTE).is_some());
        assert!(judge(DEFAULT_BYTES, GIGABYTE - 1).is_none());
        assert!(judge(DEFAULT_BYTES + 1, GIGABYTE).is_none());
        assert!(judge(DEFAULT_BYTES / 2, GIGABYTE).is_some());
    }
}
