//! Whether others can listen.

use super::Server;
use crate::doctor::finding::Finding;
use crate::doctor::node::Seat;
use crate::doctor::visit::Visit;
use crate::error::Result;

pub(super) const NAME: &str = "tls";

pub(super) async fn look(visit: &mut Visit<'_>, _server: &Server) -> Result<Vec<Finding>> {
    let is_encrypted = visit.connection.is_encrypted() == Some(true);
    Ok(judge(visit.seat, is_encrypted).into_iter().collect())
}

/// What stays on this machine needs no encryption.
fn judge(seat: &Seat, is_encrypted: bool) -> Option<Finding> {
    let variable = seat.configured.variable();
    if seat.is_local() || (is_encrypted && seat.verifies()) {
        return None;
    }
    Some(if is_encrypted {
        Finding::note(
            NAME,
            "the connection is encrypted, but the server's certificate is not checked",
            "somebody between here and there can pass for the server, and read and change all",
        )
        .advise(format!(
            "add sslmode=verify-full, and sslrootcert if the authority is your own, to \
            {variable}; docs/tls.md"
        ))
    } else {
        Finding::warning(
            NAME,
            "the connection goes over the network in clear",
            "whoever is on the way reads and can change everything that is asked and answered",
        )
        .sql("SHOW ssl; -- off: give the server a certificate (ssl_cert_file, ssl_key_file), ssl = on, and reload")
        .advise(format!("then add sslmode=verify-full to {variable}; docs/tls.md"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::node::seats;
    use crate::doctor::severity::Severity;
    use crate::settings::Settings;

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
            let found = judge(&seats(&settings)[0], is_encrypted);
            assert_eq!(found.map(|finding| finding.severity), expected, "{url}");
        }
    }
}
