//! Check `pooler`: programs connect without a pooler.

use tallybook_sql::error::Result;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "pooler";

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    if !probe.connection.is_pooled() {
        return Ok(Vec::new());
    }
    let finding = Finding::note(
        NAME,
        "a pooler, such as PgBouncer, stands between here and the server",
        "all findings concern the server after the pooler; sessions set their settings themselves, and are subject to \
         the pooler's limits too",
    );
    Ok(vec![
        finding
            .sql("SELECT client_addr, count(*) FROM pg_stat_activity WHERE client_addr IS NOT NULL GROUP BY 1;")
            .advise("keep pool_mode = session; or name the server itself, since programs have their own pool"),
    ])
}
