//! A warning about plaintext connections.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Server;

/// Warns once about plaintext connections that others could read.
#[derive(Debug, Default)]
pub(super) struct PlaintextWarning(AtomicBool);

impl PlaintextWarning {
    /// Reports a plaintext connection; `described` is its target in messages.
    pub(super) fn connected(&self, server: &Server, described: &str, reason: &str) {
        // A local connection can't be read by others.
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
