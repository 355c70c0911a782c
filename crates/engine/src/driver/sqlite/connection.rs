//! One connection to SQLite and its thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection as Sqlite, ErrorCode, InterruptHandle};
use tokio::pin;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::checked_results::CheckedResults;
use super::checkpoint::leave_checkpoints;
use super::connect::{left_log, use_log};
use super::error::convert;
use super::file::DatabaseFile;
use super::flight::{check_transaction, run_all};
use super::guard::Guard;
use super::leash::{Leash, LongFlights, is_small};
use super::log::{Log, Sync};
use crate::driver::{Bounds, Role};
use crate::error::{Error, Kind, Result};
use crate::query::Query;

/// How often something abandoned is interrupted, until it ends.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(10);

type Work = Box<dyn FnOnce(&mut Sqlite) + Send>;

/// The handle of a connection; the connection itself lives on its thread, and ends with this.
pub(crate) struct Connection {
    thread: Handle,
    /// For what runs on the caller's thread; the connection's own holds it while it works.
    sqlite: Weak<Mutex<Sqlite>>,
    leash: Arc<Leash>,
    guard: Guard,
    long: LongFlights,
    /// Shared with the flights on the connection's own thread.
    checked: Arc<CheckedResults>,
    interrupt: InterruptHandle,
    join: JoinHandle<()>,
    /// None for a database in memory.
    file: Option<Arc<DatabaseFile>>,
    /// How long it waits for a lock that another holds.
    busy_timeout: Duration,
    /// It has a file, and nothing was written through it yet.
    wants_log: bool,
    /// Where its commits are flushed, if SQLite does not.
    log: Option<Log>,
    /// Its commits leave checkpoints to others.
    leaves_checkpoints: bool,
}

/// What makes a commit last.
#[derive(Clone)]
pub(super) struct Durability {
    file: Option<Arc<DatabaseFile>>,
    log: Option<Log>,
}

/// What the thread of a new connection hands out.
struct Opened {
    sqlite: Weak<Mutex<Sqlite>>,
    leash: Arc<Leash>,
    guard: Guard,
    interrupt: InterruptHandle,
}

impl Connection {
    /// Opens a connection on a new thread; one to a file keeps a write-ahead log.
    pub(super) async fn spawn(
        file: Option<Arc<DatabaseFile>>,
        wants_log: bool,
        busy_timeout: Duration,
        role: Role,
        open: impl FnOnce() -> Result<Sqlite> + Send + 'static,
    ) -> Result<Self> {
        let (work, inbox) = mpsc::channel::<Work>();
        let (ready, opened) = oneshot::channel();
        let join = thread::Builder::new()
            .name("tallybook-sqlite".to_owned())
            .spawn(move || match open().and_then(|sqlite| share(sqlite, busy_timeout, role)) {
                Ok((sqlite, opened)) => {
                    // The receiver is gone if the opening was abandoned; then the inbox is closed too.
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
        let Opened { sqlite, leash, guard, interrupt } =
            opened.await.map_err(|_| Error::new(Kind::Lost))??;
        let (thread, long) = (Handle(work), LongFlights::default());
        Ok(Self {
            thread,
            sqlite,
            leash,
            guard,
            long,
            checked: Arc::default(),
            interrupt,
            join,
            busy_timeout,
            file,
            wants_log,
            log: None,
            leaves_checkpoints: false,
        })
    }

    /// Whether the thread ended, which only a panic on it does, its log could not be flushed, or its file is known to be
    /// gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.join.is_finished()
            || self.log.as_ref().is_some_and(Log::has_failed)
            || self.file.as_ref().is_some_and(|file| file.gone().is_some())
    }

    /// Whether its session left something on it: settings, temporary tables, attached files.
    pub(crate) fn has_session_state(&self) -> bool {
        self.guard.has_session_state()
    }

    /// Looks whether its file is still there, unless that was done just before `now`.
    pub(super) fn check_file(&self, now: Instant) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.check_at(now))
    }

    /// Runs reads, or inserts that are the first of their transaction, on this thread, if they are short; none if they have
    /// to go to the connection's own, because they take long or have to wait for another process's lock. What was written
    /// before could not be written again.
    pub(super) fn run_here(
        &mut self,
        queries: &mut [&mut dyn Query],
        bounds: Bounds,
        since: Option<Instant>,
    ) -> Option<Result<()>> {
        if self.long.skips(queries) || !is_small(queries) {
            return None;
        }
        let shared = self.sqlite.upgrade()?;
        // What was abandoned may still run.
        let mut sqlite = shared.try_lock().ok()?;
        let taken = self.leash.take(&sqlite, since).ok()?;
        let outcome = run_all(&sqlite, &self.checked, queries, bounds, since, Some(&taken));
        if outcome.is_ok() {
            if taken.is_over() {
                self.long.suspect(queries);
            }
            return Some(outcome);
        }
        // A read that failed is tried again where it may wait for locks: SQLite says "no such table" too, when it could
        // not look whether its schema is still the right one.
        if taken.was_pulled() {
            self.long.add(queries);
        } else if !bounds.read_only && !sqlite.is_autocommit() {
            return Some(outcome);
        }
        drop(taken);
        queries.iter_mut().for_each(|query| query.reset());
        match bounds.begin {
            // Where SQLite has not done so.
            Some(_) => roll_back(&mut sqlite).err().map(Err),
            None => None,
        }
    }

    /// Whether there is something to do before a write.
    pub(super) fn is_unprepared(&self) -> bool {
        self.wants_log || self.should_leave_checkpoints() != self.leaves_checkpoints
    }

    fn should_leave_checkpoints(&self) -> bool {
        self.log.is_some() && self.file.as_ref().is_some_and(|file| file.has_backlog())
    }

    /// Before a write to a file: its log, and who moves that into the file.
    pub(super) async fn prepare_write(&mut self) -> Result<()> {
        self.use_log().await?;
        let leave = self.should_leave_checkpoints();
        if leave != self.leaves_checkpoints {
            self.thread.call(move |sqlite| leave_checkpoints(sqlite, leave).map_err(convert)).await??;
            self.leaves_checkpoints = leave;
        }
        self.guard.forget();
        Ok(())
    }

    async fn use_log(&mut self) -> Result<()> {
        if let Some(file) = self.file.clone().filter(|_| self.wants_log) {
            let busy_timeout = self.busy_timeout;
            self.log = self.thread.call(move |sqlite| use_log(sqlite, &file, busy_timeout)).await??;
            self.wants_log = false;
        }
        Ok(())
    }

    pub(super) fn checked(&self) -> Arc<CheckedResults> {
        Arc::clone(&self.checked)
    }

    pub(super) fn durability(&self) -> Durability {
        Durability { file: self.file.clone(), log: self.log.clone() }
    }

    /// Closes it and waits until it is closed: the last connection to a file moves its log into it, and deletes that,
    /// which a commit whose flush is under way would take for a loss.
    pub(crate) async fn close(self) {
        let Self { thread, join, log, .. } = self;
        if let Some(log) = log {
            log.settled().await;
        }
        drop(thread);
        let _ = tokio::task::spawn_blocking(move || join.join()).await;
    }

    /// Commits. The next transaction may begin; this one lasts when what is returned is over.
    pub(crate) async fn commit(&mut self) -> Result<Option<Sync>> {
        let commit = |sqlite: &mut Sqlite| {
            check_transaction(sqlite)?;
            sqlite.execute_batch("COMMIT").map_err(convert)
        };
        self.thread.call(commit).await??;
        match (&self.log, &self.file) {
            (Some(log), _) => Ok(Some(log.written())),
            // SQLite flushed it itself.
            (None, Some(file)) => file.check_commit().map(|()| None),
            (None, None) => Ok(None),
        }
    }

    /// Inside a transaction, the text must not end it.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        self.check_file(Instant::now())?;
        let (sql, durability) = (sql.to_owned(), self.durability());
        let script = move |sqlite: &mut Sqlite| {
            let was_open = !sqlite.is_autocommit();
            sqlite.execute_batch(&sql).map_err(convert)?;
            if was_open {
                check_transaction(sqlite)?;
            }
            let left_log =
                durability.log.is_some() && sqlite.is_autocommit() && left_log(sqlite).map_err(convert)?;
            if !left_log {
                durability.settle(sqlite)?;
            }
            Ok::<_, Error>(left_log)
        };
        if Box::pin(self.thread.call(script)).await?? {
            self.log = None;
            self.wants_log = true;
        }
        Ok(())
    }

    /// Rolls back a transaction in which nothing failed.
    pub(crate) async fn roll_back(&mut self) -> Result<()> {
        let roll_back = |sqlite: &mut Sqlite| {
            check_transaction(sqlite)?;
            roll_back(sqlite)
        };
        self.thread.call(roll_back).await?
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

impl Durability {
    /// What a flight committed itself lasts before it is answered.
    pub(super) fn settle(&self, sqlite: &Sqlite) -> Result<()> {
        match (&self.log, &self.file) {
            _ if !sqlite.is_autocommit() => Ok(()),
            (Some(log), _) => log.sync_now(),
            (None, Some(file)) => file.check_commit(),
            (None, None) => Ok(()),
        }
    }
}

/// What a connection shares with its handle.
fn share(sqlite: Sqlite, busy_timeout: Duration, role: Role) -> Result<(Arc<Mutex<Sqlite>>, Opened)> {
    let leash = Leash::new(&sqlite, busy_timeout).map_err(convert)?;
    let guard = Guard::watch(&sqlite, role).map_err(convert)?;
    let interrupt = sqlite.get_interrupt_handle();
    let sqlite = Arc::new(Mutex::new(sqlite));
    let opened = Opened { sqlite: Arc::downgrade(&sqlite), leash, guard, interrupt };
    Ok((sqlite, opened))
}

fn lock(sqlite: &Mutex<Sqlite>) -> MutexGuard<'_, Sqlite> {
    sqlite.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Instant;

    use crate::driver::{Begin, Bounds, Connection, Connector, End, Link, Role};
    use crate::error::{Error, GoneTransaction, Kind};
    use crate::params;
    use crate::query::{Batch, execute, one};
    use crate::settings::{FileAccess, OpenMode, SqliteLocation, Target};

    /// A connection that has a log, and a moment before its last look at its file: what is said to begin then does not
    /// look again first.
    async fn with_log(path: &Path) -> (Connection, Instant) {
        let access = FileAccess { mode: OpenMode::Create, ..FileAccess::to_look() };
        let connector = Connector::new(&Target::Sqlite(SqliteLocation::File(path.to_owned())), access);
        let mut connection = connector.connect(Role::Migrate).await.unwrap();
        let before = Instant::now();
        let bounds = Bounds { begin: Some(Begin::Write), end: Some(End::Commit), ..Bounds::default() };
        connection.fly(execute("CREATE TABLE notes (id integer)", params![]), bounds).await.unwrap();
        // The connection's thread answers before it lets go; only then does the caller's thread do what it may.
        let Link::Sqlite(sqlite) = &connection.link else { unreachable!("it is SQLite's") };
        drop(sqlite.sqlite.upgrade().unwrap().lock().unwrap());
        (connection, before)
    }

    /// The file was found to be elsewhere by what came after the commit.
    fn is_of_a_commit(error: &Error) -> bool {
        matches!(error.kind(), Kind::FileGone { transaction: GoneTransaction::WithTheFile, .. })
    }

    /// A flush looks whether its file is still there, so one that is gone shows whether there was a flush.
    #[tokio::test]
    async fn whatever_commits_is_flushed_before_it_is_answered() {
        let in_a_batch = Bounds { begin: Some(Begin::Write), end: Some(End::Commit), ..Bounds::default() };
        let by_itself = Bounds::default();
        let [insert, update] = ["INSERT INTO notes VALUES (1)", "UPDATE notes SET id = 1"];
        for (sql, bounds) in
            [(insert, in_a_batch), (update, in_a_batch), (insert, by_itself), (update, by_itself)]
        {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("flushed.db");
            let (mut connection, before) = with_log(&path).await;
            fs::rename(&path, directory.path().join("elsewhere.db")).unwrap();
            let flown = connection.fly_timed(execute(sql, params![]), bounds, Some(before)).await;
            assert!(flown.outcome.is_err_and(|error| is_of_a_commit(&error)), "{sql}, {bounds:?}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flushed.db");
        let (mut connection, before) = with_log(&path).await;
        let bounds = Bounds { begin: Some(Begin::Write), ..Bounds::default() };
        connection.fly_timed(execute(insert, params![]), bounds, Some(before)).await.outcome.unwrap();
        fs::rename(&path, directory.path().join("elsewhere.db")).unwrap();
        let committed = connection.commit().await.unwrap();
        assert!(committed.is_pending(), "its flush was asked for, and is waited for");
        assert!(committed.wait().await.is_err_and(|error| is_of_a_commit(&error)));
    }

    #[tokio::test]
    async fn a_connection_whose_log_could_not_be_flushed_is_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("closed.db");
        let (mut connection, _) = with_log(&path).await;
        let bounds = Bounds { begin: Some(Begin::Write), ..Bounds::default() };
        connection.fly(execute("INSERT INTO notes VALUES (1)", params![]), bounds).await.unwrap();
        let Link::Sqlite(sqlite) = &connection.link else { unreachable!("it is SQLite's") };
        // Another connection's flush fails; this one must not go on as if its own would succeed.
        sqlite.file.as_ref().unwrap().flush_failed();
        assert!(!connection.is_closed(), "nobody has tried to flush here");
        let committed = connection.commit().await.unwrap();
        assert!(connection.is_clean(), "it is given back before the flush");
        assert!(committed.wait().await.is_err_and(|error| error.is_commit_unknown()));
        assert!(connection.is_closed() && connection.is_lost(), "so that nobody is lent it");
    }

    #[tokio::test]
    async fn a_text_that_gives_the_file_another_journal_takes_the_log_away_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let access = FileAccess { mode: OpenMode::Create, ..FileAccess::to_look() };
        let connector = Connector::new(&Target::Sqlite(SqliteLocation::File(path.clone())), access);
        let mut connection = connector.connect(Role::Migrate).await.unwrap();
        let bounds = Bounds { begin: Some(Begin::Write), end: Some(End::Commit), ..Bounds::default() };
        connection.fly(execute("CREATE TABLE notes (id integer)", params![]), bounds).await.unwrap();
        let log = directory.path().join("journal.db-wal");
        for _ in 0..2 {
            assert!(log.exists());
            connection.script("PRAGMA journal_mode = DELETE").await.unwrap();
            assert!(!log.exists());
            let flushes = connection.fly(one::<(i64,)>("PRAGMA synchronous", params![]), Bounds::default());
            assert_eq!(flushes.await.unwrap().finish().unwrap(), (2,), "SQLite flushes this journal itself");
            // The next write has a log again.
            connection.fly(execute("INSERT INTO notes VALUES (1)", params![]), bounds).await.unwrap();
        }
        assert_eq!(connector.fault(), None);
        connection.close().await;
    }
}
