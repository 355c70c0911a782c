//! Whether dead rows are removed at all.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;

pub(super) const NAME: &str = "autovacuum";

pub(super) async fn look(_visit: &mut Visit<'_>, server: &Server) -> Result<Vec<Finding>> {
    let off = ["autovacuum", "track_counts"].into_iter().filter(|name| server.settings.is(name, "off"));
    Ok(off
        .map(|name| {
            Finding::warning(
                NAME,
                format!("{name} is off"),
                "dead rows are not removed and statistics not renewed: tables grow, plans go wrong, and in \
                 the end the \
                 server stops taking writes for want of transaction ids",
            )
            .sql(format!("ALTER SYSTEM SET {name} = on;"))
            .sql("SELECT pg_reload_conf();")
        })
        .collect())
}
