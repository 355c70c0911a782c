//! Finding blockers over a separate connection.

use std::time::Duration;

use tallybook_sql::driver::Role;
use tallybook_sql::error::Result;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::activity;
use super::blocker::Blocker;
use crate::driver::{Connection, Connector};
use crate::sqlite::lock_holders;

/// Time limit of a check. A server that does not answer reports no blockers.
const LIMIT: Duration = Duration::from_secs(1);

/// Finds out who blocks this program's connections to one server or file.
#[doc(hidden)]
pub struct BlockerLookup {
    connector: Connector,
    /// Kept from one check to the next.
    connection: Option<Connection>,
}

impl BlockerLookup {
    /// Creates one that connects on first use.
    pub fn new(connector: Connector) -> Self {
        Self { connector, connection: None }
    }

    /// Returns who blocks this program's connections now. Empty if nobody does or it cannot be determined.
    pub async fn look(&mut self) -> Vec<Blocker> {
        if let Some((path, is_writing)) = self.connector.lockable() {
            let path = path.to_owned();
            let holders = spawn_blocking(move || lock_holders(&path, is_writing)).await;
            return holders.unwrap_or_default().into_iter().map(Blocker::from).collect();
        }
        let pids = self.connector.backends();
        if pids.is_empty() {
            return Vec::new();
        }
        match timeout(LIMIT, self.ask(pids)).await {
            Ok(Ok(blockers)) => blockers,
            Ok(Err(_)) | Err(_) => {
                self.connection = None;
                Vec::new()
            }
        }
    }

    async fn ask(&mut self, pids: Vec<i64>) -> Result<Vec<Blocker>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.connector.connect(Role::Migrate).await?),
        };
        activity::blockers_of(connection, pids).await
    }
}
