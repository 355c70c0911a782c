//! Advisory locks: locks of numbers and names, which programs agree on.

use tallybook_sql::call_site::CallSite;
use tallybook_sql::error::Result;
use tallybook_sql::params;
use tallybook_sql::query::{Batch, One, one};
use tallybook_sql::statement::Statement;

use super::WriteSession;

/// The key of an advisory lock: a number, or a name.
///
/// PostgreSQL hashes a name by its function `hashtextextended(name, 0)`. Two names of one hash share their lock: they wait for
/// each other needlessly, and never less than they should. In SQL of your own the same lock is
/// `pg_advisory_xact_lock(hashtextextended('ledger', 0))`. Numbers and names share one space of 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AdvisoryKey {
    /// The number itself.
    Number(i64),
    /// A name, which is hashed.
    Name(String),
}

impl From<i64> for AdvisoryKey {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for AdvisoryKey {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for AdvisoryKey {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

/// On SQLite these statements take no lock: they begin the transaction, which excludes all others.
const LOCK_NUMBER: Statement =
    Statement::per_dialect("SELECT pg_advisory_xact_lock($1)::text", "SELECT CAST($1 AS text)");
const LOCK_NAME: Statement = Statement::per_dialect(
    "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text",
    "SELECT CAST($1 AS text)",
);
const TRY_NUMBER: Statement =
    Statement::per_dialect("SELECT pg_try_advisory_xact_lock($1)", "SELECT $1 IS NOT NULL");
const TRY_NAME: Statement = Statement::per_dialect(
    "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))",
    "SELECT $1 IS NOT NULL",
);

impl WriteSession {
    /// Takes an advisory lock, and waits for it. It is held until the transaction ends; there is no unlock. One round trip.
    ///
    /// Transactions that take the same key run one after the other, from there to their ends, whatever rows they use.
    /// Programs must agree on the keys. A lock taken inside a savepoint that is rolled back is released with it.
    ///
    /// - **PostgreSQL**: `pg_advisory_xact_lock`. Two transactions that wait for each other are a deadlock: one of them fails,
    ///   and its error is retryable. Waiting is subject to `lock_timeout` and `statement_timeout`. At
    ///   [`RepeatableRead`](tallybook_sql::IsolationLevel::RepeatableRead) and above the lock should be the first statement,
    ///   and still the snapshot may be older than the end of the transaction that was waited for: use the default
    ///   level with advisory locks.
    /// - **SQLite**: nothing is locked, since a write transaction is the only one anyway. The call begins the transaction if it
    ///   has not begun, so that from there on it excludes all others, whatever their key.
    ///
    /// ```
    /// # use tallybook::{Database, Result, Settings, execute, params};
    /// # #[tokio::main]
    /// # async fn main() -> Result<()> {
    /// # let db = Database::open(Settings::new("sqlite::memory:")?).await?;
    /// db.write(async |session| -> Result<()> {
    ///     session.advisory_lock("ledger of portfolio 7").await?;
    ///     // One transaction at a time gets here.
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`WriteSession::run`].
    #[track_caller]
    pub fn advisory_lock(&mut self, key: impl Into<AdvisoryKey>) -> impl Future<Output = Result<()>> + Send {
        let lock: One<(Option<String>,)> = match key.into() {
            AdvisoryKey::Number(number) => one(&LOCK_NUMBER, params![number]),
            AdvisoryKey::Name(name) => one(&LOCK_NAME, params![name]),
        };
        let locking = self.run(lock.called(CallSite::here()));
        async move { locking.await.map(drop) }
    }

    /// Takes an advisory lock like [`advisory_lock`](Self::advisory_lock) if it is free, and returns whether it did. One round
    /// trip.
    ///
    /// On SQLite the answer is true: whoever has a write transaction has the database. To get there, the call waits for other
    /// writers like every first statement.
    ///
    /// # Errors
    /// As [`WriteSession::run`].
    #[track_caller]
    pub fn try_advisory_lock(
        &mut self,
        key: impl Into<AdvisoryKey>,
    ) -> impl Future<Output = Result<bool>> + Send {
        let lock: One<(bool,)> = match key.into() {
            AdvisoryKey::Number(number) => one(&TRY_NUMBER, params![number]),
            AdvisoryKey::Name(name) => one(&TRY_NAME, params![name]),
        };
        let locking = self.run(lock.called(CallSite::here()));
        async move { locking.await.map(|(is_taken,)| is_taken) }
    }
}
