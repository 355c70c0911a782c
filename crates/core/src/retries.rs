//! Retries of transactions that others got in the way of.

use std::future::Future;
use std::time::{Duration, Instant};

use tallybook_sql::error::{Error, ErrorKind};
use tokio::time::sleep;

use crate::random::random;

/// Decides whether a transaction runs again, and waits before it does. Ask it in a loop around the whole transaction, with
/// everything that the transaction reads.
///
/// ```
/// use tallybook::{Database, Result, Retries, execute, one, params};
///
/// async fn transfer(db: &Database, from: i64, to: i64) -> Result<()> {
///     let mut session = db.begin_with(tallybook::IsolationLevel::Serializable).await?;
///     let balance = one::<(i64,)>("SELECT balance FROM accounts WHERE id = $1", params![from]);
///     if session.run(balance).await?.0 >= 5 {
///         session.run(execute("UPDATE accounts SET balance = balance - 5 WHERE id = $1", params![from])).await?;
///         session.run(execute("UPDATE accounts SET balance = balance + 5 WHERE id = $1", params![to])).await?;
///     }
///     session.commit().await.map(drop)
/// }
///
/// async fn transfer_surely(db: &Database, from: i64, to: i64) -> Result<()> {
///     let mut retries = Retries::new();
///     loop {
///         match transfer(db, from, to).await {
///             Err(error) if retries.again(&error).await => continue,
///             done => return done,
///         }
///     }
/// }
/// ```
///
/// It runs again after serialization failures and deadlocks, and while an SQLite file is locked: then nothing was committed, and
/// the same transaction may succeed. It does not run again after an
/// [unknown commit](tallybook_sql::Error::is_commit_unknown), which may have happened, nor after anything else.
///
/// Pauses double from 10 ms to 1 s, and each is a random part of that (full jitter), so that transactions that met once do not
/// meet again. It gives up after 10 tries or 30 s; the methods change that. The error of the last try is the caller's.
#[derive(Clone, Debug)]
#[must_use]
pub struct Retries {
    max_tries: u32,
    limit: Duration,
    first_pause: Duration,
    max_pause: Duration,
    since: Instant,
    /// Tries that failed.
    failed: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self::new()
    }
}

impl Retries {
    /// Returns retries with the default bounds. Their time begins now.
    pub fn new() -> Self {
        Self {
            max_tries: 10,
            limit: Duration::from_secs(30),
            first_pause: Duration::from_millis(10),
            max_pause: Duration::from_secs(1),
            since: Instant::now(),
            failed: 0,
        }
    }

    /// Sets the number of tries, the first one included.
    pub fn tries(self, max: u32) -> Self {
        Self { max_tries: max, ..self }
    }

    /// Sets the time after which no further try begins, counted from [`Retries::new`].
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Sets the bound of the first pause, which doubles up to `max`. The pauses themselves are random parts of that.
    pub fn pauses(self, first: Duration, max: Duration) -> Self {
        Self { first_pause: first, max_pause: max, ..self }
    }

    /// Returns the number of tries that failed so far.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// Waits and returns true if the transaction should run again after this error; otherwise returns false at once.
    ///
    /// Takes an `&Error`, or an `Option<&Error>` such as `error.database()` of an error of the book: without a database's error
    /// nothing runs again.
    pub fn again<'e>(&mut self, error: impl Into<Option<&'e Error>>) -> impl Future<Output = bool> + Send {
        let pause = self.pause_after(error.into());
        async move {
            match pause {
                Some(pause) => {
                    sleep(pause).await;
                    true
                }
                None => false,
            }
        }
    }

    /// Returns the pause before the next try, if there is one.
    fn pause_after(&mut self, error: Option<&Error>) -> Option<Duration> {
        self.failed += 1;
        if !error.is_some_and(is_in_the_way) || self.failed >= self.max_tries {
            return None;
        }
        let doublings = 2_u32.saturating_pow(self.failed - 1);
        let pause = self.first_pause.saturating_mul(doublings).min(self.max_pause).mul_f64(random());
        (self.since.elapsed() + pause <= self.limit).then_some(pause)
    }
}

/// Returns whether others were in the way, so that nothing was committed.
fn is_in_the_way(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::SerializationFailure | ErrorKind::Deadlock) || error.is_locked()
}

#[cfg(test)]
mod tests {
    use tallybook_sql::error::ErrorDetail;

    use super::*;

    fn locked() -> Error {
        Error::new(ErrorDetail::Database {
            dialect: tallybook_sql::Dialect::Sqlite,
            kind: ErrorKind::Locked,
            code: "5".to_owned(),
            condition: "database is locked",
            message: "database is locked".to_owned(),
            detail: None,
            constraint: None,
            table: None,
            column: None,
        })
    }

    #[test]
    fn pauses_are_random_parts_of_bounds_that_double() {
        let (first, max) = (Duration::from_millis(10), Duration::from_millis(70));
        let bounds = [10, 20, 40, 70, 70].map(Duration::from_millis);
        let mut longest = [Duration::ZERO; 5];
        for _ in 0..200 {
            let mut retries = Retries::new().pauses(first, max).tries(6);
            for (longest, bound) in longest.iter_mut().zip(bounds) {
                let pause = retries.pause_after(Some(&locked())).unwrap();
                assert!(pause <= bound, "{pause:?}");
                *longest = pause.max(*longest);
            }
            assert_eq!(retries.pause_after(Some(&locked())), None, "that was the sixth try");
            assert_eq!(retries.failed(), 6);
        }
        for (longest, bound) in longest.into_iter().zip(bounds) {
            assert!(longest > bound.mul_f64(0.8), "{longest:?} of {bound:?}");
        }
    }

    #[test]
    fn the_time_is_bounded() {
        let mut retries = Retries::new().within(Duration::ZERO);
        assert_eq!(retries.pause_after(Some(&locked())), None);
    }

    #[test]
    fn only_conflicts_are_tried_again() {
        for detail in [
            ErrorDetail::CommitUnknown,
            ErrorDetail::Lost,
            ErrorDetail::TransactionEnded,
            ErrorDetail::TransactionFailed { earlier: "40001".to_owned() },
        ] {
            assert_eq!(Retries::new().pause_after(Some(&Error::new(detail))), None);
        }
        assert_eq!(Retries::new().pause_after(None), None);
        let connect = Error::connect("a file", "it is locked").with_source(locked());
        assert!(Retries::new().pause_after(Some(&connect)).is_some());
    }
}
