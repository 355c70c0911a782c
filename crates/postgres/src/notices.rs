//! Notices of a server.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::ready;

use tallybook_sql::lock::lock;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Error};

use super::parameter_status::DrivenConnection;

/// The notices of one connection that matter to the driver.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    /// True if there was no transaction to end. The notice precedes the answer to the statement that should have ended
    /// it.
    no_transaction: Arc<AtomicBool>,
}

impl Notices {
    /// Drives a connection to its end, and collects its notices.
    pub(super) async fn drive(self, connection: Arc<Mutex<dyn DrivenConnection>>) -> Result<(), Error> {
        poll_fn(|context| {
            loop {
                // The lock is held while answers are delivered: a caller that has an answer and then locks sees every
                // earlier message.
                let message = lock(&connection).poll_message(context);
                match ready!(message) {
                    Some(Ok(AsyncMessage::Notice(notice))) => {
                        if *notice.code() == SqlState::NO_ACTIVE_SQL_TRANSACTION {
                            self.no_transaction.store(true, Ordering::Release);
                        }
                        // The text is not logged: it may quote values, since a function may raise any text.
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

    /// Forgets earlier notices.
    pub(super) fn clear(&self) {
        self.no_transaction.store(false, Ordering::Release);
    }

    /// Returns whether the server has reported, since [`clear`](Self::clear), that there was no transaction to end.
    pub(super) fn had_no_transaction(&self) -> bool {
        self.no_transaction.load(Ordering::Acquire)
    }
}
