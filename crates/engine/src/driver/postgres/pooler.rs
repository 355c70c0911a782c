//! A pooler between this program and the server.
//!
//! A pooler gives clients cancel keys of its own, so the process that the key names is not the one that answers.
//! PgBouncer by default, and others, also drop the start-up options. Where each session keeps its server connection,
//! the settings are set afterwards, and verified. Where it does not, sessions are refused: what one sets or prepares
//! would be another's. That is looked for when connecting; and as nothing there can prove the contrary, each
//! transaction begins with a fence that fails on any other server connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::Connection;
use super::connect::Refusal;
use super::observe::{Greeting, backend};
use super::startup::{self, Startup};
use crate::error::Error;

/// How long a second session may take to get a server connection, which a pooler may not have.
const LIMIT: Duration = Duration::from_secs(1);

pub(super) const NOT_KEPT: &str = "a pooler in between gives each transaction another connection of the server, where \
     settings and prepared statements are those of other programs; set `pool_mode = session` for this database in \
     pgbouncer.ini (or what your pooler calls it), or connect to the server directly";

const DIRECTLY: &str = "a pooler in between changes them; connect to the server directly";

/// What is known of the pooler that a connection goes through.
pub(super) struct Pooler {
    /// Fails unless the expected process runs it; has no rows.
    fence: String,
    /// For messages.
    target: String,
    /// Sessions were seen to keep their server connections; shared by all connections.
    keeps: Arc<AtomicBool>,
}

impl Pooler {
    pub(super) fn new(backend: i64, target: &str, keeps: &Arc<AtomicBool>) -> Self {
        let fence = format!(
            "SELECT WHERE CASE WHEN pg_backend_pid() = {backend} THEN false \
             ELSE ('process ' || pg_backend_pid() || ' instead of {backend}')::boolean END"
        );
        Self { fence, target: target.to_owned(), keeps: Arc::clone(keeps) }
    }

    /// The beginning of a transaction, with the fence in the same message.
    pub(super) fn fenced(&self, begin: &str) -> String {
        format!("{begin}; {}", self.fence)
    }

    /// What a beginning that failed says, if that was the fence.
    pub(super) fn judge(&self, error: Error) -> Error {
        if error.code() != Some(SqlState::INVALID_TEXT_REPRESENTATION.code()) {
            return error;
        }
        self.keeps.store(false, Ordering::Relaxed);
        Error::connect(&self.target, NOT_KEPT).with_source(error)
    }
}

impl Connection {
    /// Verifies that the pooler keeps a connection of the server for this session, for which it may open a second one,
    /// and sets there what the start-up options did not.
    pub(super) async fn go_through_pooler(
        &mut self,
        startup: &Startup,
        greeting: &Greeting,
        keeps: &Arc<AtomicBool>,
        target: &str,
        second: impl AsyncFnOnce() -> Option<Self>,
    ) -> Result<(), Refusal> {
        if !keeps.load(Ordering::Relaxed) {
            if is_shared(&self.client, greeting.identity.pid, second).await {
                return Err(Refusal::new(NOT_KEPT.to_owned()));
            }
            keeps.store(true, Ordering::Relaxed);
        }
        self.client.simple_query(&startup.set()).await?;
        let now = self.identify(startup).await?;
        if now.identity.pid != greeting.identity.pid {
            return Err(Refusal::new(NOT_KEPT.to_owned()));
        }
        if !now.lost.is_empty() {
            let lost = startup::describe(&now.lost);
            return Err(Refusal::new(format!("settings do not take effect: {lost}; {DIRECTLY}")));
        }
        // Where the pooler does not reset what it reuses, names of other sessions are still there.
        self.prepares = false;
        self.pooler = Some(Pooler::new(now.identity.pid, target, keeps));
        Ok(())
    }
}

/// Whether two sessions were seen to share their server connections: while the second is in a transaction, the first
/// must be where it was, and the second elsewhere. A pooler that says nothing in time shows nothing.
async fn is_shared(first: &Client, process: i64, second: impl AsyncFnOnce() -> Option<Connection>) -> bool {
    let look = async {
        let Some(second) = second().await else { return false };
        let other = match backend(&second.client, "BEGIN; ").await {
            Ok(other) => other,
            // Where each statement is alone, there are no transactions.
            Err(error) => return error.code() == Some(&SqlState::PROTOCOL_VIOLATION),
        };
        let own = backend(first, "").await.unwrap_or(process);
        other == process || own != process
    };
    timeout(LIMIT, look).await.unwrap_or(false)
}
