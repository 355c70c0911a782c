//! Check `limits`: statements and idle transactions have a timeout.

use tallybook_sql::error::Result;

use super::server::Server;
use crate::finding::Finding;
use crate::probe::Probe;

pub(super) const NAME: &str = "limits";

pub(super) async fn check(_probe: &mut Probe<'_>, server: &Server) -> Result<Vec<Finding>> {
    let user = server.user.replace('"', "\"\"");
    let mut findings = Vec::new();
    if server.settings.is("statement_timeout", "0") {
        findings.push(
            Finding::note(
                NAME,
                "no statement_timeout: a statement may run for ever",
                "one bad plan occupies a pooled connection and a core of the server until somebody notices",
            )
            .advise("add the parameter statement_timeout=30s to its URL")
            .sql(format!(
                "ALTER ROLE \"{user}\" SET statement_timeout = '30s'; -- on the primary, for all \
                programs of this user"
            )),
        );
    }
    if server.settings.is("idle_in_transaction_session_timeout", "0") {
        findings.push(
            Finding::note(
                NAME,
                "no idle_in_transaction_session_timeout: a transaction may be left open for ever",
                "a program that hangs in a transaction keeps its locks, and others wait",
            )
            .sql(format!(
                "ALTER ROLE \"{user}\" SET idle_in_transaction_session_timeout = '60s'; -- on the primary"
            )),
        );
    }
    Ok(findings)
}
