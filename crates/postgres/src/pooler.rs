//! Poolers between client and server.
//!
//! A pooler gives clients cancel keys of its own, so the process id in the key is not that of the backend. By default,
//! PgBouncer and others also drop the start-up options.
//!
//! - In session mode, each session keeps its server connection. The settings are then set after connecting, and
//!   verified.
//! - In any other mode, sessions are refused: their settings and prepared statements would leak into other sessions.
//!
//! The mode is probed when connecting. No probe can prove session mode, so each transaction begins with a fence: a
//! statement that fails on any other server connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tallybook_sql::error::Error;
use tallybook_sql::replication::Identity;
use tokio::time::timeout;

use super::client::Client;
use super::error::{Refusal, sql_state};
use super::server_info::{ServerInfo, backend, identify};
use super::startup::{self, Startup};

/// Time limit for a second session, for which the pooler may have no server connection.
const LIMIT: Duration = Duration::from_secs(1);

pub(super) const NOT_KEPT: &str = "a pooler in between gives each transaction another connection of the server, where \
     settings and prepared statements are those of other programs; set `pool_mode = session` for this database in \
     pgbouncer.ini (or what your pooler calls it), or connect to the server directly";

const DIRECTLY: &str = "a pooler in between changes them; connect to the server directly";

/// The pooler that a connection goes through.
pub(super) struct Pooler {
    /// Statement that fails unless the expected backend runs it. Returns no rows.
    fence: String,
    /// Target in messages.
    target: String,
    /// True once sessions were seen to keep their server connections; shared by all connections.
    keeps: Arc<AtomicBool>,
}

impl Pooler {
    /// Verifies that a pooler keeps a server connection for the session of `client`, for which it may open a second
    /// session, and applies the settings that the start-up options did not. Returns it, and the identity of the server
    /// behind it.
    pub(super) async fn verify(
        client: &Client,
        startup: &Startup,
        server_info: &ServerInfo,
        keeps: &Arc<AtomicBool>,
        target: &str,
        second: impl AsyncFnOnce() -> Option<Client>,
    ) -> Result<(Self, Identity), Refusal> {
        if !keeps.load(Ordering::Relaxed) {
            if is_shared(client, server_info.identity.pid, second).await {
                return Err(Refusal::new(NOT_KEPT.to_owned()));
            }
            keeps.store(true, Ordering::Relaxed);
        }
        client.simple(&startup.set_sql()).await?;
        let now = identify(client, startup).await?;
        if now.identity.pid != server_info.identity.pid {
            return Err(Refusal::new(NOT_KEPT.to_owned()));
        }
        if !now.mismatches.is_empty() {
            let mismatches = startup::describe(&now.mismatches);
            return Err(Refusal::new(format!("settings do not take effect: {mismatches}; {DIRECTLY}")));
        }
        Ok((Self::new(now.identity.pid, target, keeps), now.identity))
    }

    fn new(backend: i64, target: &str, keeps: &Arc<AtomicBool>) -> Self {
        let fence = format!(
            "SELECT WHERE CASE WHEN pg_backend_pid() = {backend} THEN false \
             ELSE ('process ' || pg_backend_pid() || ' instead of {backend}')::boolean END"
        );
        Self { fence, target: target.to_owned(), keeps: Arc::clone(keeps) }
    }

    /// Returns the statement that follows a BEGIN, and fails if the session was moved.
    pub(super) fn fence(&self) -> &str {
        &self.fence
    }

    /// Explains a failed BEGIN, if the fence failed.
    pub(super) fn explain(&self, error: Error) -> Error {
        if error.code() != Some(sql_state::INVALID_TEXT_REPRESENTATION) {
            return error;
        }
        self.keeps.store(false, Ordering::Relaxed);
        Error::connect(&self.target, NOT_KEPT).with_source(error)
    }
}

/// Returns whether two sessions were seen to share server connections. While the second is in a transaction, the first
/// must still be on its backend and the second on another. A pooler that does not answer in time proves nothing.
async fn is_shared(first: &Client, process: i64, second: impl AsyncFnOnce() -> Option<Client>) -> bool {
    let look = async {
        let Some(second) = second().await else { return false };
        let other = match backend(&second, "BEGIN; ").await {
            Ok(other) => other,
            // In statement mode there are no transactions.
            Err(error) => return error.code() == Some(sql_state::PROTOCOL_VIOLATION),
        };
        let own = backend(first, "").await.unwrap_or(process);
        other == process || own != process
    };
    timeout(LIMIT, look).await.unwrap_or(false)
}
