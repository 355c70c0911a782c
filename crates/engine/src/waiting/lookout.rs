//! Looking whom connections wait for, from beside them.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::activity;
use super::blocker::Blocker;
use crate::driver::{Connection, Connector, Role, lock_holders};
use crate::error::Result;

/// A look that takes longer finds nobody: a server that does not answer names no one.
const LIMIT: Duration = Duration::from_secs(1);

/// Looks at the locks of one server or file.
pub(crate) struct Lookout {
    connector: Connector,
    /// Kept from one look to the next.
    connection: Option<Connection>,
}

impl Lookout {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector, connection: None }
    }

    /// Those that this program's connections wait for now. Empty when nobody is found, whatever the reason.
    pub(crate) async fn look(&mut self) -> Vec<Blocker> {
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
