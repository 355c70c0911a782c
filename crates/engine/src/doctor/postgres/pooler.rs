//! Whether a pooler stands between the programs and the server.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::visit::Visit;
use crate::error::Result;

pub(super) const NAME: &str = "pooler";

pub(super) async fn look(visit: &mut Visit<'_>, _server: &Server) -> Result<Vec<Finding>> {
    if !visit.connection.is_pooled() {
        return Ok(Vec::new());
    }
    let finding = Finding::note(
        NAME,
        "a pooler, such as PgBouncer, stands between here and the server",
        "all that is said here is of the server behind it; each session sets its settings itself, prepares nothing, \
         and waits for the pooler's limits as well",
    );
    Ok(vec![
        finding
            .sql("SELECT client_addr, count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL GROUP BY 1;")
            .advise("leave it at pool_mode = session; or name the server itself, since programs have a pool of their own"),
    ])
}
