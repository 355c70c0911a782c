//! Looking at a database over a connection of one's own, with a deadline.

use std::time::Duration;

use tokio::time::timeout;

use super::elsewhere::elsewhere;
use super::history::{self, History};
use super::migrator::Migrator;
use super::patience;
use super::privileges::{MissingPrivilege, Needs, refuse};
use super::progress::Progress;
use super::run::Run;
use crate::driver::Connection;
use crate::error::Result;
use crate::waiting::{Blocker, Deadline};

/// What ending a connection may take behind the deadline.
const GRACE: Duration = Duration::from_millis(200);

impl Migrator<'_> {
    /// The end of the time that what begins now has.
    pub(super) fn deadline(&self) -> Deadline {
        Deadline::after(self.options.within)
    }

    /// Does work until the deadline, and tells whom it waits for.
    pub(super) async fn until<T>(
        &self,
        deadline: &Deadline,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let tell = |blockers: &[Blocker]| {
            let what = "a lock that others hold".to_owned();
            self.options.emit(&Progress::Waiting { what, blockers: blockers.to_vec() });
        };
        self.db.until(deadline, tell, work).await
    }

    /// Changes the database until the deadline, over connections that keep other runners out; refuses first what this
    /// user lacks of the needs.
    pub(super) async fn run<T>(
        &self,
        deadline: &Deadline,
        needs: Needs,
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
            run.end_all().await;
        }
        outcome
    }

    /// What is recorded, if anything is or nothing is anywhere.
    ///
    /// # Errors
    /// When the tables are in another schema.
    pub(super) async fn read(&self, connection: &mut Connection) -> Result<History> {
        let history = history::read(connection, self.name, self.revisions).await?;
        if history.traces() == 0
            && let Some(elsewhere) = elsewhere(connection, self.revisions).await?
        {
            elsewhere.refuse()?;
        }
        Ok(history)
    }

    /// Looks at the database until the deadline; refuses first if this user may not read what is recorded.
    pub(super) async fn look<T>(
        &self,
        deadline: &Deadline,
        look: impl AsyncFnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let url = &self.db.settings().database_url;
        let look = async |connection: &mut Connection| {
            refuse(&Needs::to_look().missing(connection, url).await?)?;
            look(connection).await
        };
        self.over_connection(deadline, look).await
    }

    /// What of these needs this user lacks.
    pub(super) async fn lacks(&self, needs: Needs) -> Result<Vec<MissingPrivilege>> {
        let url = &self.db.settings().database_url;
        let look = async |connection: &mut Connection| needs.missing(connection, url).await;
        self.over_connection(&self.deadline(), look).await
    }

    /// Uses a connection of its own until the deadline.
    async fn over_connection<T>(
        &self,
        deadline: &Deadline,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T>,
    ) -> Result<T> {
        let mut opened = None;
        let work = Box::pin(async { work(opened.insert(patience::connect(self.db).await?)).await });
        let outcome = self.until(deadline, work).await;
        if let Some(connection) = opened {
            end(connection).await;
        }
        outcome
    }
}

/// Ends a connection: on PostgreSQL what is under way is cancelled, on SQLite the last connection removes the log.
pub(super) async fn end(mut connection: Connection) {
    let is_clean = connection.is_clean() || matches!(timeout(GRACE, connection.clean()).await, Ok(Ok(())));
    if is_clean {
        connection.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::goal::Goal;
    use super::*;

    fn send(_: impl Send) {}

    /// Compiled, never run: callers may spawn all of it.
    #[expect(dead_code, reason = "it is only compiled")]
    fn every_future_may_go_to_another_thread(migrator: &Migrator<'_>) {
        send(migrator.upgrade(&Goal::Head));
        send(migrator.downgrade(&Goal::Base));
        send(migrator.current());
        send(migrator.history());
        send(migrator.check());
        send(migrator.plan(&Goal::Head));
        send(migrator.missing_privileges(&Goal::Head));
        send(migrator.adoption(&[]));
        send(migrator.adopt(&[]));
        send(migrator.release(&[]));
        send(migrator.repair(""));
    }
}
