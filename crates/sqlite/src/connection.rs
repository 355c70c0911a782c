//! A connection to SQLite and its thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection as Sqlite, ErrorCode, InterruptHandle};
use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::lock::lock;
use tokio::pin;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::authorizer::SessionAuthorizer;
use super::checked_results::CheckedResults;
use super::checkpoint::leave_checkpoints;
use super::error::convert;
use super::file::DatabaseFile;
use super::group::DeferredKeys;
use super::inline_budget::{InlineBudget, SlowBatches};
use super::journal_mode::{enable_wal, left_wal_mode};
use super::wal::{PendingFlush, Wal};

/// Interval of interrupts until abandoned work ends.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(10);

type Job = Box<dyn FnOnce(&mut Sqlite) + Send>;

/// A connection. SQLite runs on a thread of its own, which ends when this is dropped.
pub struct Connection {
    thread: WorkerHandle,
    /// Connection for work on the caller's thread. Its own thread holds the lock while it works.
    pub(super) sqlite: Weak<Mutex<Sqlite>>,
    pub(super) inline_budget: Arc<InlineBudget>,
    authorizer: SessionAuthorizer,
    pub(super) slow_batches: SlowBatches,
    /// Shared with the pipelines on the connection's thread.
    pub(super) checked: Arc<CheckedResults>,
    /// What is known of the schema, shared like `checked`.
    pub(super) deferred_keys: Arc<DeferredKeys>,
    interrupt: InterruptHandle,
    join: JoinHandle<()>,
    /// `None` for a database in memory.
    file: Option<Arc<DatabaseFile>>,
    /// Time that it waits for a lock of another connection.
    busy_timeout: Duration,
    /// True for a file, until the first write through this connection.
    wants_wal: bool,
    /// Flushes its commits, unless SQLite does.
    log: Option<Wal>,
    /// True while its commits leave checkpoints to [`shorten`](super::checkpoint::shorten).
    leaves_checkpoints: bool,
}

/// Makes commits durable.
#[derive(Clone)]
pub(super) struct Durability {
    file: Option<Arc<DatabaseFile>>,
    log: Option<Wal>,
}

/// The flush of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// The commit is durable.
    Done,
    /// Another thread flushes it, so that the connection can be used again at once.
    Due,
}

/// The parts of a new connection that its thread returns.
struct OpenedConnection {
    sqlite: Weak<Mutex<Sqlite>>,
    inline_budget: Arc<InlineBudget>,
    authorizer: SessionAuthorizer,
    interrupt: InterruptHandle,
}

impl Connection {
    /// Opens a connection on a new thread. `wants_wal` is true for a file that is written to.
    pub(super) async fn spawn(
        file: Option<Arc<DatabaseFile>>,
        wants_wal: bool,
        busy_timeout: Duration,
        role: Role,
        open: impl FnOnce() -> Result<Sqlite> + Send + 'static,
    ) -> Result<Self> {
        let (work, inbox) = mpsc::channel::<Job>();
        let (ready, opened) = oneshot::channel();
        let join = thread::Builder::new()
            .name("tallybook-sqlite".to_owned())
            .spawn(move || match open().and_then(|sqlite| share(sqlite, busy_timeout, role)) {
                Ok((sqlite, opened)) => {
                    // Without a receiver, opening was abandoned, and the inbox is closed too.
                    let _ = ready.send(Ok(opened));
                    while let Ok(work) = inbox.recv() {
                        work(&mut lock(&sqlite));
                    }
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            })
            .map_err(|error| {
                Error::connect("an SQLite database", "no thread could be started").with_source(error)
            })?;
        let OpenedConnection { sqlite, inline_budget, authorizer, interrupt } =
            opened.await.map_err(|_| Error::new(ErrorDetail::Lost))??;
        let (thread, slow_batches) = (WorkerHandle(work), SlowBatches::default());
        Ok(Self {
            thread,
            sqlite,
            inline_budget,
            authorizer,
            slow_batches,
            checked: Arc::default(),
            deferred_keys: Arc::default(),
            interrupt,
            join,
            busy_timeout,
            file,
            wants_wal,
            log: None,
            leaves_checkpoints: false,
        })
    }

    /// Returns whether the connection can't be used any more: its thread has panicked, a flush has failed, or its file
    /// is gone.
    pub fn is_closed(&self) -> bool {
        self.join.is_finished()
            || self.log.as_ref().is_some_and(Wal::has_failed)
            || self.file.as_ref().is_some_and(|file| file.gone().is_some())
    }

    /// Returns whether a session left state on it: settings, temporary tables, attached files.
    pub fn has_session_state(&self) -> bool {
        self.authorizer.has_session_state()
    }

    /// Checks that its file is still there, unless that was done just before `now`.
    pub(super) fn check_file(&self, now: Instant) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.check_at(now))
    }

    /// Returns whether [`prepare_write`](Self::prepare_write) has work to do.
    pub(super) fn is_unprepared(&self) -> bool {
        self.wants_wal || self.should_leave_checkpoints() != self.leaves_checkpoints
    }

    fn should_leave_checkpoints(&self) -> bool {
        self.log.is_some() && self.file.as_ref().is_some_and(|file| file.has_backlog())
    }

    /// Prepares for a write to a file: enables WAL mode, and assigns the checkpoints.
    pub(super) async fn prepare_write(&mut self) -> Result<()> {
        self.enable_wal().await?;
        let leave = self.should_leave_checkpoints();
        if leave != self.leaves_checkpoints {
            self.thread.call(move |sqlite| leave_checkpoints(sqlite, leave).map_err(convert)).await??;
            self.leaves_checkpoints = leave;
        }
        self.authorizer.forget();
        Ok(())
    }

    async fn enable_wal(&mut self) -> Result<()> {
        if let Some(file) = self.file.clone().filter(|_| self.wants_wal) {
            let busy_timeout = self.busy_timeout;
            self.log = self.thread.call(move |sqlite| enable_wal(sqlite, &file, busy_timeout)).await??;
            self.wants_wal = false;
        }
        Ok(())
    }

    pub(super) fn durability(&self) -> Durability {
        Durability { file: self.file.clone(), log: self.log.clone() }
    }

    /// Closes the connection, and returns once it is closed. Waits for running flushes first: the last connection to a
    /// file moves the log into it and deletes it, which a running flush would mistake for a loss.
    pub async fn close(self) {
        let Self { thread, join, log, .. } = self;
        if let Some(log) = log {
            log.settled().await;
        }
        drop(thread);
        let _ = tokio::task::spawn_blocking(move || join.join()).await;
    }

    /// Commits. The next transaction may begin at once; this one is durable when the returned [`PendingFlush`] has completed.
    /// Without one it is durable already: if no writer of `waiting` waits for the connection, the flush is done in the same
    /// hop.
    pub async fn commit(&mut self, waiting: &Arc<AtomicUsize>) -> Result<Option<PendingFlush>> {
        let (durability, waiting) = (self.durability(), Arc::clone(waiting));
        let commit = move |sqlite: &mut Sqlite| {
            check_transaction(sqlite)?;
            sqlite.execute_batch("COMMIT").map_err(convert)?;
            durability.flush(waiting.load(Ordering::Relaxed) > 0)
        };
        let flush = self.thread.call(commit).await??;
        Ok(self.flush_of(flush))
    }

    /// Starts the flush of a commit, if it is due.
    pub(super) fn flush_of(&self, flush: Flush) -> Option<PendingFlush> {
        match flush {
            Flush::Done => None,
            Flush::Due => self.log.as_ref().map(Wal::written),
        }
    }

    /// Executes a text of several statements. Inside a transaction, it must not end it.
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        self.check_file(Instant::now())?;
        let (sql, durability) = (sql.to_owned(), self.durability());
        let script = move |sqlite: &mut Sqlite| {
            let was_open = !sqlite.is_autocommit();
            sqlite.execute_batch(&sql).map_err(convert)?;
            if was_open {
                check_transaction(sqlite)?;
            }
            let left_wal_mode = durability.log.is_some()
                && sqlite.is_autocommit()
                && left_wal_mode(sqlite).map_err(convert)?;
            if !left_wal_mode {
                durability.settle(sqlite)?;
            }
            Ok::<_, Error>(left_wal_mode)
        };
        if Box::pin(self.thread.call(script)).await?? {
            self.log = None;
            self.wants_wal = true;
        }
        Ok(())
    }

    /// Rolls back a transaction in which no statement failed.
    pub async fn roll_back(&mut self) -> Result<()> {
        let roll_back = |sqlite: &mut Sqlite| {
            check_transaction(sqlite)?;
            roll_back(sqlite)
        };
        self.thread.call(roll_back).await?
    }

    /// Interrupts abandoned work, and rolls back the transaction it left open.
    pub async fn clean(&mut self) -> Result<()> {
        let done = self.thread.start(roll_back)?.wait();
        pin!(done);
        loop {
            // Repeat: abandoned work may not have begun yet or be between two statements, where an interrupt has no
            // effect.
            self.interrupt.interrupt();
            if let Ok(answer) = timeout(INTERRUPT_INTERVAL, &mut done).await {
                return answer?;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn database_file(&self) -> Option<&DatabaseFile> {
        self.file.as_deref()
    }

    /// Returns the handle of its thread. A clone outlives a borrow of the connection.
    pub(super) fn thread(&self) -> &WorkerHandle {
        &self.thread
    }
}

impl Durability {
    /// Flushes a commit on this thread, which saves a hop. If other writers wait for the connection, they go first, and the
    /// flush remains due.
    pub(super) fn flush(&self, has_waiting: bool) -> Result<Flush> {
        if has_waiting && self.can_wait() {
            return Ok(Flush::Due);
        }
        self.settle_commit().map(|()| Flush::Done)
    }

    /// Returns whether a commit is flushed apart from it.
    pub(super) fn can_wait(&self) -> bool {
        self.log.is_some()
    }

    /// Makes a commit durable, on this thread.
    pub(super) fn settle_commit(&self) -> Result<()> {
        match (&self.log, &self.file) {
            (Some(log), _) => log.sync_now(),
            (None, Some(file)) => file.check_commit(),
            (None, None) => Ok(()),
        }
    }

    /// Makes the transaction of a pipeline durable, if it has committed, before the pipeline is answered.
    pub(super) fn settle(&self, sqlite: &Sqlite) -> Result<()> {
        if sqlite.is_autocommit() { self.settle_commit() } else { Ok(()) }
    }
}

/// Prepares a new connection for its thread and its handle.
fn share(
    sqlite: Sqlite,
    busy_timeout: Duration,
    role: Role,
) -> Result<(Arc<Mutex<Sqlite>>, OpenedConnection)> {
    let inline_budget = InlineBudget::new(&sqlite, busy_timeout).map_err(convert)?;
    let authorizer = SessionAuthorizer::watch(&sqlite, role).map_err(convert)?;
    let interrupt = sqlite.get_interrupt_handle();
    let sqlite = Arc::new(Mutex::new(sqlite));
    let opened = OpenedConnection { sqlite: Arc::downgrade(&sqlite), inline_budget, authorizer, interrupt };
    Ok((sqlite, opened))
}

/// Checks that the transaction is still open. Outside of one, SQLite commits each statement at once.
pub(super) fn check_transaction(sqlite: &Sqlite) -> Result<()> {
    match sqlite.is_autocommit() {
        true => Err(Error::new(ErrorDetail::TransactionEnded)),
        false => Ok(()),
    }
}

/// Rolls back, if a transaction is open.
pub(super) fn roll_back(sqlite: &mut Sqlite) -> Result<()> {
    while !sqlite.is_autocommit() {
        match sqlite.execute_batch("ROLLBACK") {
            // The interrupt was meant for earlier work.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {}
            outcome => return outcome.map_err(convert),
        }
    }
    Ok(())
}

/// Sends work to a connection's thread.
#[derive(Clone)]
pub(super) struct WorkerHandle(mpsc::Sender<Job>);

impl WorkerHandle {
    /// Runs `work` on the connection's thread. It runs to its end even if this future is dropped.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sqlite) -> T + Send + 'static,
    ) -> Result<T> {
        self.start(work)?.wait().await
    }

    /// Queues `work` on the connection's thread.
    pub(super) fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sqlite) -> T + Send + 'static,
    ) -> Result<PendingResult<T>> {
        self.start_abandonable(|sqlite, _| work(sqlite))
    }

    /// Queues `work`, which can ask whether nobody waits for its result any more.
    pub(super) fn start_abandonable<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Sqlite, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<PendingResult<T>> {
        let (reply, answer) = oneshot::channel();
        let work: Job = Box::new(move |sqlite| {
            let result = work(sqlite, &|| reply.is_closed());
            let _ = reply.send(result);
        });
        self.0.send(work).map_err(|_| Error::new(ErrorDetail::Lost))?;
        Ok(PendingResult(answer))
    }
}

/// The pending result of queued work.
pub(super) struct PendingResult<T>(oneshot::Receiver<T>);

impl<T> PendingResult<T> {
    pub(super) async fn wait(self) -> Result<T> {
        // The thread ends without an answer only if the work panicked.
        self.0.await.map_err(|_| Error::new(ErrorDetail::Lost))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use tallybook_sql::driver::Role;
    use tallybook_sql::error::{Error, ErrorDetail, GoneTransaction};
    use tallybook_sql::params;
    use tallybook_sql::query::{Batch, execute, one};
    use tallybook_sql::transaction::{Begin, End, TransactionFraming};

    use super::Connection;
    use crate::config::{FileAccess, OpenMode, SqliteLocation};
    use crate::connect::Connector;

    fn connector(path: &Path) -> Connector {
        let access = FileAccess { mode: OpenMode::Create, ..FileAccess::to_look() };
        Connector::new(&SqliteLocation::File(path.to_owned()), access)
    }

    async fn run<B: Batch>(connection: &mut Connection, batch: B, framing: TransactionFraming) -> B {
        let executed = connection.execute(batch, framing, None).await;
        executed.outcome.unwrap();
        executed.batch.unwrap()
    }

    /// Returns a connection in WAL mode, and a time before its last check of the file: a batch said to start then does
    /// not check again first.
    async fn with_log(path: &Path) -> (Connection, Instant) {
        let mut connection = connector(path).connect(Role::Migrate).await.unwrap();
        let before = Instant::now();
        let framing = TransactionFraming {
            begin: Some(Begin::Write),
            end: Some(End::Commit),
            ..TransactionFraming::default()
        };
        run(&mut connection, execute("CREATE TABLE notes (id integer)", params![]), framing).await;
        // The thread answers before it releases the lock. Only then may the caller's thread run something.
        drop(connection.sqlite.upgrade().unwrap().lock().unwrap());
        (connection, before)
    }

    /// A writer that waits, so that a flush is left to the caller.
    fn waiting() -> Arc<AtomicUsize> {
        Arc::new(AtomicUsize::new(1))
    }

    /// Returns whether the check after the commit found the file elsewhere.
    fn is_of_a_commit(error: &Error) -> bool {
        matches!(error.detail(), ErrorDetail::FileGone { transaction: GoneTransaction::WithTheFile, .. })
    }

    /// A flush checks that its file is still there, so a missing file shows whether there was a flush.
    #[tokio::test]
    async fn every_commit_is_flushed_before_it_is_answered() {
        let in_a_batch = TransactionFraming {
            begin: Some(Begin::Write),
            end: Some(End::Commit),
            ..TransactionFraming::default()
        };
        let by_itself = TransactionFraming::default();
        let [insert, update] = ["INSERT INTO notes VALUES (1)", "UPDATE notes SET id = 1"];
        for (sql, framing) in
            [(insert, in_a_batch), (update, in_a_batch), (insert, by_itself), (update, by_itself)]
        {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("flushed.db");
            let (mut connection, before) = with_log(&path).await;
            fs::rename(&path, directory.path().join("elsewhere.db")).unwrap();
            let executed = connection.execute(execute(sql, params![]), framing, Some(before)).await;
            assert!(executed.outcome.is_err_and(|error| is_of_a_commit(&error)), "{sql}, {framing:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flushed.db");
        let (mut connection, before) = with_log(&path).await;
        let framing = TransactionFraming { begin: Some(Begin::Write), ..TransactionFraming::default() };
        connection.execute(execute(insert, params![]), framing, Some(before)).await.outcome.unwrap();
        fs::rename(&path, directory.path().join("elsewhere.db")).unwrap();
        let committed = connection.commit(&waiting()).await.unwrap();
        let flush = committed.expect("its flush was asked for");
        assert!(flush.wait().await.is_err_and(|error| is_of_a_commit(&error)));
    }

    #[tokio::test]
    async fn a_connection_whose_log_could_not_be_flushed_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("closed.db");
        let (mut connection, _) = with_log(&path).await;
        let framing = TransactionFraming { begin: Some(Begin::Write), ..TransactionFraming::default() };
        run(&mut connection, execute("INSERT INTO notes VALUES (1)", params![]), framing).await;
        // A flush fails on another connection; this one must not assume that its own would succeed.
        connection.file.as_ref().unwrap().flush_failed();
        assert!(!connection.is_closed(), "nobody has tried to flush here");
        let committed = connection.commit(&waiting()).await.unwrap();
        let is_used_up = connection.sqlite.upgrade().unwrap().lock().unwrap().is_autocommit();
        assert!(is_used_up, "it can be given back before the flush");
        assert!(
            committed
                .expect("its flush was asked for")
                .wait()
                .await
                .is_err_and(|error| error.is_commit_unknown())
        );
        assert!(connection.is_closed(), "so that the pool replaces it");
    }

    #[tokio::test]
    async fn a_change_of_the_journal_mode_removes_the_log_properly() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let connector = connector(&path);
        let mut connection = connector.connect(Role::Migrate).await.unwrap();
        let framing = TransactionFraming {
            begin: Some(Begin::Write),
            end: Some(End::Commit),
            ..TransactionFraming::default()
        };
        run(&mut connection, execute("CREATE TABLE notes (id integer)", params![]), framing).await;
        let log = directory.path().join("journal.db-wal");
        for _ in 0..2 {
            assert!(log.exists());
            connection.script("PRAGMA journal_mode = DELETE").await.unwrap();
            assert!(!log.exists());
            let flushes = one::<(i64,)>("PRAGMA synchronous", params![]);
            let mut flushes = run(&mut connection, flushes, TransactionFraming::default()).await;
            assert_eq!(flushes.finish().unwrap(), (2,), "SQLite flushes this journal itself");
            // The next write enables WAL mode again.
            run(&mut connection, execute("INSERT INTO notes VALUES (1)", params![]), framing).await;
        }
        assert_eq!(connector.fault(), None);
        connection.close().await;
    }
}
