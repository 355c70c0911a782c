//! One connection to SQLite and its thread.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection as Sqlite, ErrorCode, InterruptHandle};
use tokio::pin;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::convert;
use crate::error::{Error, Kind, Result};

/// How often something abandoned is interrupted, until it ends.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(10);

type Work = Box<dyn FnOnce(&mut Sqlite) + Send>;

/// The handle of a connection; the connection itself lives on its thread, and ends with this.
pub(crate) struct Connection {
    thread: Handle,
    interrupt: InterruptHandle,
    join: JoinHandle<()>,
    /// It has a file, and nothing was written through it yet.
    pub(super) wants_wal: bool,
}

impl Connection {
    /// Opens a connection on a new thread; one to a file keeps a write-ahead log.
    pub(super) async fn spawn(
        wants_wal: bool,
        open: impl FnOnce() -> Result<Sqlite> + Send + 'static,
    ) -> Result<Self> {
        let (work, inbox) = mpsc::channel::<Work>();
        let (ready, opened) = oneshot::channel();
        let join = thread::Builder::new()
            .name("tallybook-sqlite".to_owned())
            .spawn(move || match open() {
                Ok(mut sqlite) => {
                    // The receiver is gone if the opening was abandoned; then the inbox is closed too.
                    let _ = ready.send(Ok(sqlite.get_interrupt_handle()));
                    while let Ok(work) = inbox.recv() {
                        work(&mut sqlite);
                    }
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            })
            .map_err(|error| {
                Error::connect("an SQLite database", "no thread could be started").with_source(error)
            })?;
        let interrupt = opened.await.map_err(|_| Error::new(Kind::Lost))??;
        Ok(Self { thread: Handle(work), interrupt, join, wants_wal })
    }

    /// Whether the thread ended, which only a panic on it does.
    pub(crate) fn is_closed(&self) -> bool {
        self.join.is_finished()
    }

    /// Closes it and waits until it is closed: the last connection to a file moves its log into it.
    pub(crate) async fn close(self) {
        let Self { thread, join, .. } = self;
        drop(thread);
        let _ = tokio::task::spawn_blocking(move || join.join()).await;
    }

    pub(crate) async fn commit(&mut self) -> Result<()> {
        self.thread.call(|sqlite| sqlite.execute_batch("COMMIT").map_err(convert)).await?
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        let sql = sql.to_owned();
        self.thread.call(move |sqlite| sqlite.execute_batch(&sql).map_err(convert)).await?
    }

    /// Stops what is running and rolls back what it left open.
    pub(crate) async fn clean(&mut self) -> Result<()> {
        let done = self.thread.start(roll_back)?.wait();
        pin!(done);
        loop {
            // Again and again: what was abandoned may not have begun yet, or be between two statements, and
            // then an interrupt does nothing.
            self.interrupt.interrupt();
            if let Ok(answer) = timeout(INTERRUPT_INTERVAL, &mut done).await {
                return answer?;
            }
        }
    }

    /// The way to its thread; a clone outlives a borrow of the connection.
    pub(super) fn thread(&self) -> &Handle {
        &self.thread
    }
}

/// Rolls back, if anything is open.
fn roll_back(sqlite: &mut Sqlite) -> Result<()> {
    while !sqlite.is_autocommit() {
        match sqlite.execute_batch("ROLLBACK") {
            // It was meant for what came before.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {}
            outcome => return outcome.map_err(convert),
        }
    }
    Ok(())
}

/// Sends work to a connection's thread.
#[derive(Clone)]
pub(super) struct Handle(mpsc::Sender<Work>);

impl Handle {
    /// Runs `work` on the connection's thread. It runs to its end even if this future is dropped.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sqlite) -> T + Send + 'static,
    ) -> Result<T> {
        self.start(work)?.wait().await
    }

    /// Begins `work` on the connection's thread, behind what was begun before.
    pub(super) fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sqlite) -> T + Send + 'static,
    ) -> Result<Answer<T>> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |sqlite| {
            let _ = reply.send(work(sqlite));
        });
        self.0.send(work).map_err(|_| Error::new(Kind::Lost))?;
        Ok(Answer(answer))
    }
}

/// What work that was begun will return.
pub(super) struct Answer<T>(oneshot::Receiver<T>);

impl<T> Answer<T> {
    pub(super) async fn wait(self) -> Result<T> {
        // The thread ends without an answer only when the work panicked.
        self.0.await.map_err(|_| Error::new(Kind::Lost))
    }
}
