//! Check `tls`: connections over the network are encrypted and the server is verified.

use tallybook_sql::error::Result;

use super::server::Server;
use crate::finding::Finding;
use crate::node::NodeConfig;
use crate::probe::Probe;

pub(super) const NAME: &str = "tls";

pub(super) async fn check(probe: &mut Probe<'_>, _server: &Server) -> Result<Vec<Finding>> {
    let is_encrypted = probe.connection.is_encrypted() == Some(true);
    Ok(evaluate(probe.config, is_encrypted).into_iter().collect())
}

/// Traffic within this machine needs no encryption.
fn evaluate(config: &NodeConfig, is_encrypted: bool) -> Option<Finding> {
    let variable = config.configured.variable();
    if config.is_local() || (is_encrypted && config.verifies_certificate()) {
        return None;
    }
    Some(if is_encrypted {
        Finding::note(
            NAME,
            "the connection is encrypted, but the server's certificate is not checked",
            "an attacker on the network can impersonate the server, and read and change everything",
        )
        .advise(format!(
            "add sslmode=verify-full, and sslrootcert if the authority is your own, to \
            {variable}; docs/tls.md"
        ))
    } else {
        Finding::warning(
            NAME,
            "the connection crosses the network unencrypted",
            "anyone on the network path can read and change all statements and results",
        )
        .sql("SHOW ssl; -- off: give the server a certificate (ssl_cert_file, ssl_key_file), ssl = on, and reload")
        .advise(format!("then add sslmode=verify-full to {variable}; docs/tls.md"))
    })
}

#[cfg(test)]
mod tests {
    use tallybook_core::settings::Settings;

    use super::*;
    use crate::node::configured_nodes;
    use crate::severity::Severity;

    #[test]
    fn what_leaves_the_machine_should_be_encrypted_and_the_server_be_known() {
        for (url, is_encrypted, expected) in [
            ("postgresql://127.0.0.1/d", false, None),
            ("postgresql:///d?host=/run/postgresql", false, None),
            ("postgresql://10.0.0.7/d", false, Some(Severity::Warning)),
            ("postgresql://db.example/d", true, Some(Severity::Note)),
            ("postgresql://db.example/d?sslmode=verify-full", true, None),
        ] {
            let settings = Settings::new(url).unwrap();
            let found = evaluate(&configured_nodes(&settings)[0], is_encrypted);
            assert_eq!(found.map(|finding| finding.severity), expected, "{url}");
        }
    }
}
