//! Check `autovacuum`: autovacuum is on.

use tallybook_sql::error::Result;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "autovacuum";

pub(super) async fn check(_probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let off = ["autovacuum", "track_counts"].into_iter().filter(|name| server.settings.is(name, "off"));
    Ok(off
        .map(|name| {
            Finding::warning(
                NAME,
                format!("{name} is off"),
                "dead rows and statistics are not maintained: tables grow, plans go wrong, and in the end the server \
                 refuses writes because it runs out of transaction ids",
            )
            .sql(format!("ALTER SYSTEM SET {name} = on;"))
            .sql("SELECT pg_reload_conf();")
        })
        .collect())
}
