//! What a server says beside its answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::ready;

use std::future::poll_fn;

use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Error};

use super::reported::{Carried, lock};

/// What the server of a connection said that matters.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    /// There was no transaction to end. The notice comes before the answer to the statement that was to end it.
    no_transaction: Arc<AtomicBool>,
}

impl Notices {
    /// Carries a connection to its end, and takes its notices.
    pub(super) async fn carry(self, connection: Arc<Mutex<dyn Carried>>) -> Result<(), Error> {
        poll_fn(|context| {
            loop {
                // Locked while answers are handed out: whoever has one, and then locks, sees what came before it.
                let message = lock(&connection).poll_message(context);
                match ready!(message) {
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
