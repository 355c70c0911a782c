//! That a connection is in clear, where encryption was preferred.

use tokio_postgres::config::Host;

use crate::settings::Server;

/// How loudly it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// It never leaves the machine by a socket in the file system.
    Needless,
    /// It stays on this machine.
    Quiet,
    Loud,
}

impl Notice {
    pub(super) fn of(server: &Server) -> Self {
        match &server.host {
            Host::Unix(_) => Self::Needless,
            Host::Tcp(_) if server.is_local() => Self::Quiet,
            Host::Tcp(_) => Self::Loud,
        }
    }

    pub(super) fn log(self, server: &str, reason: &str) {
        const TOLD: &str =
            "connected in clear; sslmode=require would insist on TLS, sslmode=disable not ask for it";
        match self {
            Self::Needless => {}
            Self::Quiet => tracing::info!(target: "tallybook::pool", server, reason, "{TOLD}"),
            Self::Loud => tracing::warn!(target: "tallybook::pool", server, reason, "{TOLD}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_aloud_if_others_could_listen() {
        for (host, address, expected) in [
            (Host::Tcp("db.example".into()), None, Notice::Loud),
            (Host::Tcp("10.0.0.7".into()), None, Notice::Loud),
            (Host::Tcp("localhost".into()), Some("10.0.0.7"), Notice::Loud),
            (Host::Tcp("localhost".into()), None, Notice::Quiet),
            (Host::Tcp("127.0.0.1".into()), None, Notice::Quiet),
            (Host::Tcp("::1".into()), None, Notice::Quiet),
            (Host::Unix("/run/postgresql".into()), None, Notice::Needless),
        ] {
            let address = address.map(|address| address.parse().unwrap());
            let server = Server { host, address, port: 5432 };
            assert_eq!(Notice::of(&server), expected, "{server:?}");
        }
    }
}
