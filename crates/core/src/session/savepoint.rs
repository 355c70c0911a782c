//! Savepoints: parts of a write transaction that can be undone by themselves.

use std::fmt;
use std::mem;
use std::ops::{AsyncFnOnce, Deref, DerefMut};

use tallybook_sql::error::{Error, Result};

use super::WriteSession;
use super::write::State;

/// A part of a write transaction, from [`WriteSession::begin_savepoint`]. It is used like the session itself, and may hold
/// further savepoints.
///
/// If it is dropped before its end, the session rolls back to where it began, ahead of its next statement or commit.
pub struct Savepoint<'s> {
    session: &'s mut WriteSession,
    number: u32,
    is_over: bool,
}

impl WriteSession {
    /// Runs `work` as a part of the transaction that can be undone by itself: `Ok` keeps it, `Err` rolls back to where
    /// it began, and the transaction goes on. Savepoints nest to any depth.
    ///
    /// It takes two round trips beside those of `work`. On both dialects a statement that fails makes the session refuse
    /// all others; inside a savepoint, that is undone with the savepoint.
    ///
    /// If the future is dropped between two statements of `work`, the session rolls back to where the savepoint began,
    /// ahead of its next statement or commit. If it is dropped while a statement runs, the whole transaction can only be
    /// rolled back, as after any dropped statement. In neither case is half of `work` committed.
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, execute, one, params};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// let committed = db.write(async |session| -> Result<i64> {
    ///     session.run(execute("CREATE TABLE notes (id integer PRIMARY KEY, title text UNIQUE)", params![])).await?;
    ///     let insert = |title: &str| execute("INSERT INTO notes (title) VALUES ($1)", params![title]);
    ///     session.run(insert("first")).await?;
    ///     let second = session.savepoint(async |inner| -> Result<u64> {
    ///         inner.run(insert("second")).await?;
    ///         inner.run(insert("first")).await // is taken
    ///     });
    ///     assert!(second.await.unwrap_err().is_unique_violation());
    ///     let (count,) = session.run(one::<(i64,)>("SELECT count(*) FROM notes", params![])).await?;
    ///     Ok(count)
    /// });
    /// assert_eq!(committed.await?.into_value(), 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The error of `work`; [`Error::is_transaction_failed`] if a statement of `work` failed and `work` returned `Ok`;
    /// or the reason why the savepoint could not be set or released. A transaction that can't be rolled back to the
    /// savepoint can't be committed either.
    pub async fn savepoint<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut WriteSession) -> Result<T, E>,
        E: From<Error>,
    {
        let mut savepoint = self.begin_savepoint().await?;
        match work(&mut savepoint).await {
            Ok(value) => {
                savepoint.release().await?;
                Ok(value)
            }
            Err(error) => match savepoint.roll_back().await {
                Err(ended) if ended.is_transaction_ended() => Err(ended.into()),
                // The session refuses to go on, and the error of `work` is the one that matters.
                _ => Err(error),
            },
        }
    }

    /// Begins a savepoint that the caller ends, for code that does not fit into a closure. One round trip; a second one if
    /// it is the first request of the transaction.
    ///
    /// # Errors
    /// As [`WriteSession::run`].
    pub async fn begin_savepoint(&mut self) -> Result<Savepoint<'_>> {
        self.roll_back_dropped_savepoint().await?;
        self.begin_now().await?;
        let number = self.savepoints.open + 1;
        let set = self.connection.control(&format!("SAVEPOINT tallybook_{number}")).await;
        self.finish_statement(set)?;
        self.savepoints.open = number;
        Ok(Savepoint { session: self, number, is_over: false })
    }

    /// Rolls back to a savepoint that was dropped.
    pub(super) async fn roll_back_dropped_savepoint(&mut self) -> Result<()> {
        match self.savepoints.dropped.take() {
            // Boxed: it is rare, and would enlarge the future of every statement.
            Some(number) => Box::pin(self.roll_back_to(number)).await,
            None => Ok(()),
        }
    }

    /// Rolls back to a savepoint and removes it, also after a failed statement.
    async fn roll_back_to(&mut self, number: u32) -> Result<()> {
        if !matches!(self.state, State::Open | State::Failed(_)) {
            return self.check_state();
        }
        let before = mem::replace(&mut self.state, State::Pending);
        let name = format!("tallybook_{number}");
        let sql = format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}");
        match self.connection.control(&sql).await {
            Ok(()) => {
                self.savepoints.open = number - 1;
                self.state = State::Open;
                Ok(())
            }
            Err(error) => {
                // SQLite rolls back the whole transaction after some failures, such as a full disk.
                self.state = match before {
                    State::Failed(earlier) => State::Failed(earlier),
                    _ => State::Failed(error.to_string()),
                };
                Err(error)
            }
        }
    }
}

impl Savepoint<'_> {
    /// Keeps what was done since the savepoint began, as a part of the transaction. One round trip.
    ///
    /// # Errors
    /// [`Error::is_transaction_failed`] if a statement failed since then: the savepoint is rolled back.
    pub async fn release(mut self) -> Result<()> {
        self.session.roll_back_dropped_savepoint().await?;
        self.session.start_statement()?;
        let sql = format!("RELEASE SAVEPOINT tallybook_{}", self.number);
        let released = self.session.connection.control(&sql).await;
        self.session.finish_statement(released)?;
        self.session.savepoints.open = self.number - 1;
        self.is_over = true;
        Ok(())
    }

    /// Undoes everything since the savepoint began, failed statements included. One round trip.
    ///
    /// # Errors
    /// If the transaction is lost as a whole: the connection broke, or a statement was dropped while it ran.
    pub async fn roll_back(mut self) -> Result<()> {
        self.is_over = true;
        self.session.savepoints.dropped = None;
        self.session.roll_back_to(self.number).await
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.session.savepoints.dropped = Some(self.number);
        }
    }
}

impl Deref for Savepoint<'_> {
    type Target = WriteSession;

    fn deref(&self) -> &WriteSession {
        self.session
    }
}

impl DerefMut for Savepoint<'_> {
    fn deref_mut(&mut self) -> &mut WriteSession {
        self.session
    }
}

impl fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("number", &self.number).finish_non_exhaustive()
    }
}
