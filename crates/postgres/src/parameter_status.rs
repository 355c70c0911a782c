//! Parameter status: settings that the server reports when they change, before the end of the answer.

use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use tallybook_sql::lock::lock;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Error};

/// The half of a connection that a task drives, over any stream. It is behind a lock that nobody holds while waiting.
pub(super) trait DrivenConnection: Send {
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>>;

    /// Returns the last reported value of a setting.
    fn parameter(&self, name: &str) -> Option<&str>;
}

impl<S, T> DrivenConnection for tokio_postgres::Connection<S, T>
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

/// PostgreSQL reports it since version 14.
const READ_ONLY: &str = "default_transaction_read_only";

/// Reported settings that a session can change. A server reports those that it knows.
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

/// The reported settings of a connection. After the connection has ended, none are known.
pub(super) struct ParameterStatus {
    connection: Weak<Mutex<dyn DrivenConnection>>,
    at_start: [Option<String>; SETTINGS.len()],
}

impl ParameterStatus {
    pub(super) fn new(connection: &Arc<Mutex<dyn DrivenConnection>>) -> Self {
        Self { connection: Arc::downgrade(connection), at_start: Default::default() }
    }

    /// Remembers the current values as the values at the start of each session.
    pub(super) fn remember(&mut self) {
        if let Some(connection) = self.connection.upgrade() {
            let connection = lock(&connection);
            self.at_start = SETTINGS.map(|name| connection.parameter(name).map(str::to_owned));
        }
    }

    /// Returns whether transactions are read-only unless they say otherwise.
    pub(super) fn is_read_only(&self) -> bool {
        self.connection
            .upgrade()
            .is_some_and(|connection| lock(&connection).parameter(READ_ONLY) == Some("on"))
    }

    /// Returns whether a setting differs from its value at the start.
    pub(super) fn have_changed(&self) -> bool {
        let Some(connection) = self.connection.upgrade() else { return false };
        let connection = lock(&connection);
        let mut settings = SETTINGS.iter().zip(&self.at_start);
        settings.any(|(name, at_start)| connection.parameter(name) != at_start.as_deref())
    }
}
