//! The settings of a session that its server reports whenever they change, ahead of the end of an answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Error};

/// The half of a connection that is carried by a task, over whatever stream.
pub(super) trait Carried: Send {
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>>;

    /// A setting as the server reported it last.
    fn parameter(&self, name: &str) -> Option<&str>;
}

impl<S, T> Carried for tokio_postgres::Connection<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> {
        self.poll_message(context)
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameter(name)
    }
}

/// Reported from PostgreSQL 14 on.
const READ_ONLY: &str = "default_transaction_read_only";

/// Those that a session can change. A server reports those that it knows.
const SETTINGS: [&str; 10] = [
    READ_ONLY,
    "session_authorization",
    "is_superuser",
    "search_path",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "client_encoding",
    "standard_conforming_strings",
    "application_name",
];

/// What a server reported. A connection that was cut has ended, and tells nothing.
pub(super) struct Reported {
    connection: Weak<Mutex<dyn Carried>>,
    at_start: [Option<String>; SETTINGS.len()],
}

impl Reported {
    pub(super) fn new(connection: &Arc<Mutex<dyn Carried>>) -> Self {
        Self { connection: Arc::downgrade(connection), at_start: Default::default() }
    }

    /// Takes what is in effect now for what each session begins with.
    pub(super) fn remember(&mut self) {
        if let Some(connection) = self.connection.upgrade() {
            let connection = lock(&connection);
            self.at_start = SETTINGS.map(|name| connection.parameter(name).map(str::to_owned));
        }
    }

    /// Whether transactions only read unless they say otherwise.
    pub(super) fn is_read_only(&self) -> bool {
        self.connection
            .upgrade()
            .is_some_and(|connection| lock(&connection).parameter(READ_ONLY) == Some("on"))
    }

    /// Whether a setting is another than at the start.
    pub(super) fn have_changed(&self) -> bool {
        let Some(connection) = self.connection.upgrade() else { return false };
        let connection = lock(&connection);
        let mut settings = SETTINGS.iter().zip(&self.at_start);
        settings.any(|(name, at_start)| connection.parameter(name) != at_start.as_deref())
    }
}

/// Held for moments only: nobody waits while holding it.
pub(super) fn lock(connection: &Mutex<dyn Carried>) -> MutexGuard<'_, dyn Carried + 'static> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
