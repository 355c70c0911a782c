//! That a connection is in clear, where encryption was preferred.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::settings::Server;

/// Warns once of connections in clear that others could listen to.
#[derive(Debug, Default)]
pub(super) struct ClearWarning(AtomicBool);

impl ClearWarning {
    /// A connection to the server is in clear; `described` is how messages call where it leads.
    pub(super) fn connected(&self, server: &Server, described: &str, reason: &str) {
        // What stays on this machine is heard by nobody.
        if server.is_local() || self.0.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            target: "tallybook::pool",
            server = described,
            reason,
            "connected in clear; sslmode=require would insist on TLS, sslmode=disable not ask for it"
        );
    }
}
