//! Connections and work that end at a deadline.

use std::time::Duration;

use tallybook_core::driver::Connection;
use tallybook_core::waiting::{Blocker, Deadline};
use tallybook_sql::error::Result;
use tokio::time::timeout;

use crate::catalog::other_schema::other_schema;
use crate::history::{self, History};
use crate::migrator::Migrator;
use crate::run::Run;
use crate::run::busy_retry;
use crate::run::privileges::{MissingPrivilege, RequiredPrivileges, refuse};
use crate::run::progress::Progress;

/// Time that ending a connection may take after the deadline.
const GRACE: Duration = Duration::from_millis(200);

impl Migrator<'_> {
    /// Returns the deadline of work that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.options.within)
    }

    /// Runs work until the deadline, and reports the sessions that block it.
    pub(crate) async fn until<T>(
        &self,
        deadline: &Deadline,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let tell = |blockers: &[Blocker]| {
            let what = "a lock".to_owned();
            self.options.emit(&Progress::Waiting { what, blockers: blockers.to_vec() });
        };
        self.db.until(deadline, tell, work).await
    }

    /// Runs changes until the deadline, on connections that exclude other runners. Checks the privileges first.
    pub(crate) async fn run<T>(
        &self,
        deadline: &Deadline,
        needs: RequiredPrivileges,
        work: impl AsyncFnOnce(&mut Run<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut started = None;
        // On the heap: a run is a deep nest of futures, and callers have a stack of 2 MiB.
        let change = Box::pin(async {
            let run = Run::start(self.db, self.name, self.revisions, &self.options, deadline).await?;
            let run = started.insert(run);
            run.check_privileges(needs).await?;
            work(run).await
        });
        let outcome = self.until(deadline, change).await;
        if let Some(run) = started {
            run.close().await;
        }
        outcome
    }

    /// Reads the history.
    ///
    /// # Errors
    /// Returns an error if the history is empty and the tables are in another schema.
    pub(crate) async fn read(&self, connection: &mut Connection) -> Result<History> {
        let history = history::read(connection, self.name, self.revisions).await?;
        if history.begun() == 0
            && let Some(other_schema) = other_schema(connection, self.revisions).await?
        {
            other_schema.refuse()?;
        }
        Ok(history)
    }

    /// Reads the database until the deadline. Checks first that the user may read the history tables.
    pub(crate) async fn with_connection<T>(
        &self,
        deadline: &Deadline,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let url = &self.db.settings().database_url;
        let look = async |connection: &mut Connection| {
            refuse(&RequiredPrivileges::to_read().missing(connection, url).await?)?;
            work(connection).await
        };
        self.over_connection(deadline, look).await
    }

    /// Returns those of the privileges that the user lacks.
    pub(crate) async fn missing_of(&self, needs: RequiredPrivileges) -> Result<Vec<MissingPrivilege>> {
        let url = &self.db.settings().database_url;
        let look = async |connection: &mut Connection| needs.missing(connection, url).await;
        self.over_connection(&self.deadline(), look).await
    }

    /// Runs work on a connection of its own until the deadline.
    async fn over_connection<T>(
        &self,
        deadline: &Deadline,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let mut opened = None;
        let work = Box::pin(async { work(opened.insert(busy_retry::connect(self.db).await?)).await });
        let outcome = self.until(deadline, work).await;
        if let Some(connection) = opened {
            end(connection).await;
        }
        outcome
    }
}

/// Ends a connection. On PostgreSQL this cancels a running statement; on SQLite the last connection removes the
/// write-ahead log.
pub(crate) async fn end(mut connection: Connection) {
    let is_clean = connection.is_clean() || matches!(timeout(GRACE, connection.clean()).await, Ok(Ok(())));
    if is_clean {
        connection.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    fn send(_: impl Send) {}

    /// Compiled, never run: every future must be `Send`.
    #[expect(dead_code, reason = "it is only compiled")]
    fn every_future_may_go_to_another_thread(migrator: &Migrator<'_>) {
        send(migrator.upgrade(&Target::Head));
        send(migrator.downgrade(&Target::Base));
        send(migrator.current());
        send(migrator.history());
        send(migrator.check());
        send(migrator.plan(&Target::Head));
        send(migrator.missing_privileges(&Target::Head));
        send(migrator.adoption(&[]));
        send(migrator.adopt(&[]));
        send(migrator.release(&[]));
        send(migrator.repair(""));
    }
}
