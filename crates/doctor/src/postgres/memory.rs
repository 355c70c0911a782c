//! Check `memory`: `shared_buffers` suits the size of the database.

use tallybook_sql::error::Result;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;
use crate::units::bytes;

pub(super) const NAME: &str = "memory";

/// The value that `initdb` writes, in bytes.
const DEFAULT_BUFFERS: i64 = 128 << 20;
const PAGE: i64 = 8 << 10;
const GIB: i64 = 1 << 30;

pub(super) async fn check(probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let size = probe.report.node.facts.as_ref().and_then(|facts| facts.bytes).unwrap_or_default();
    let buffers = server.settings.number("shared_buffers").unwrap_or_default() * PAGE;
    Ok(evaluate(buffers, size).into_iter().collect())
}

fn evaluate(buffers: i64, size: i64) -> Option<Finding> {
    if buffers > DEFAULT_BUFFERS || size < GIB {
        return None;
    }
    Some(
        Finding::note(
            NAME,
            format!("shared_buffers is {}, for a database of {}", bytes(buffers), bytes(size)),
            "pages are copied back and forth between PostgreSQL and the system's cache",
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
        assert!(evaluate(DEFAULT_BYTES, GIGABYTE).is_some());
        assert!(evaluate(DEFAULT_BYTES, GIGABYTE - 1).is_none());
        assert!(evaluate(DEFAULT_BYTES + 1, GIGABYTE).is_none());
        assert!(evaluate(DEFAULT_BYTES / 2, GIGABYTE).is_some());
    }
}
