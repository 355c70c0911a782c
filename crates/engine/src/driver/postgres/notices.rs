//! What a server says beside its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::ready;

use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Connection, Error};

/// What the server of a connection said that matters.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    /// There was no transaction to end. The notice comes before the answer to the statement that was to end it.
    no_transaction: Arc<AtomicBool>,
}

impl Notices {
    /// Carries a connection to its end, and takes its notices.
    pub(super) async fn carry<S, T>(self, mut connection: Connection<S, T>) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: AsyncRead + AsyncWrite + Unpin,
    {
        poll_fn(|context| {
            loop {
                match ready!(connection.poll_message(context)) {
                    Some(Ok(AsyncMessage::Notice(notice))) => {
                        if *notice.code() == SqlState::NO_ACTIVE_SQL_TRANSACTION {
                            self.no_transaction.store(true, Ordering::Release);
                        }
                        // Its text may quote values: a function chooses what it raises.
                        let (severity, code) = (notice.severity(), notice.code().code());
                        tracing::debug!(target: "tallybook::pool", severity, code, "the server gave notice");
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error).into(),
                    None => return Ok(()).into(),
                }
            }
        })
        .await
    }

    /// Forgets what was said before.
    pub(super) fn clear(&self) {
        self.no_transaction.store(false, Ordering::Release);
    }

    /// Whether the server said since then that there was no transaction to end.
    pub(super) fn had_no_transaction(&self) -> bool {
        self.no_transaction.load(Ordering::Acquire)
    }
}
