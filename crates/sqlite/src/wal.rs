//! The write-ahead log of a file, and the durability of commits.
//!
//! With SQLite's own `synchronous=FULL`, each commit flushes the log while the next writer waits. Here, a commit only
//! writes the log (`NORMAL`) and the next writer begins. One flush then acknowledges all commits written before it.
//! Each is a transaction of its own, so none can break another.
//!
//! A flush proves something only if others will open the same files, so their paths are verified after it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::lock::lock;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::file::{DatabaseFile, FileFate, PinnedFile};

/// Bytes rewritten at a time.
const PART: usize = 1 << 20;

/// The log. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Wal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    /// The file and its path.
    pinned: PinnedFile,
    database: Arc<DatabaseFile>,
    /// Failed flushes before the log was opened. A later failure, on another connection too, ends this log.
    failed_before: u64,
    state: Mutex<State>,
    /// Progress of the flushes.
    synced: watch::Sender<Synced>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of commits written.
    written: u64,
    is_syncing: bool,
}

#[derive(Clone, Debug, Default)]
struct Synced {
    /// Number of the last commit on disk.
    commit: u64,
    /// Reason why no later commit will be durable: after a failed flush, a successful one proves nothing.
    failure: Option<Failure>,
}

impl Synced {
    /// Records a failure. The first one is reported.
    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}

#[derive(Clone, Debug)]
enum Failure {
    Flush(Arc<str>),
    FileFate(FileFate),
}

impl Failure {
    fn error(&self) -> Error {
        match self {
            Failure::Flush(why) => {
                Error::new(ErrorDetail::CommitUnknown).with_source(io::Error::other(why.to_string()))
            }
            Failure::FileFate(gone) => gone.commit_error(),
        }
    }
}

impl Wal {
    /// Returns the log of a database. `file` is open for writing at `path`; `failed_before` flushes of it had failed.
    pub(super) fn new(
        file: File,
        path: PathBuf,
        database: Arc<DatabaseFile>,
        failed_before: u64,
    ) -> io::Result<Self> {
        let pinned = PinnedFile::open(path, &file)?;
        let (state, synced) = (Mutex::default(), watch::Sender::new(Synced::default()));
        Ok(Self(Arc::new(Shared { file, pinned, database, failed_before, state, synced })))
    }

    /// Counts a written commit, and starts a flush for it unless one is running.
    pub(super) fn written(&self) -> PendingFlush {
        let mut state = self.0.lock();
        state.written += 1;
        let sync = PendingFlush { commit: state.written, synced: self.0.synced.subscribe() };
        if !state.is_syncing {
            state.is_syncing = true;
            let shared = Arc::clone(&self.0);
            spawn_blocking(move || shared.sync_all());
        }
        sync
    }

    /// Waits until every written commit is flushed or has failed.
    pub(super) async fn settled(&self) {
        let commit = self.0.lock().written;
        let _ = PendingFlush { commit, synced: self.0.synced.subscribe() }.wait().await;
    }

    /// Flushes everything written, on this thread.
    pub(super) fn sync_now(&self) -> Result<()> {
        self.0.flush().map_err(|failure| {
            let error = failure.error();
            // The system reports a failure once: the next flush, perhaps for other commits, would succeed.
            self.0.synced.send_modify(|synced| synced.fail(failure));
            error
        })
    }

    /// Returns whether a flush failed, so that no later commit can be durable.
    pub(super) fn has_failed(&self) -> bool {
        self.0.synced.borrow().failure.is_some()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Flushes everything written, and verifies that others will find it.
    fn flush(&self) -> Result<(), Failure> {
        if let Err(error) = self.file.sync_data() {
            self.database.flush_failed();
            return Err(Failure::Flush(error.to_string().into()));
        }
        if self.database.failed_flushes() > self.failed_before {
            return Err(Failure::Flush("a flush failed on another connection".into()));
        }
        self.database.verify().map_err(|gone| Failure::FileFate(gone.clone()))?;
        match self.pinned.verify("the log ") {
            Ok(_) => Ok(()),
            Err(gone) => Err(Failure::FileFate(self.database.mark_gone(gone.for_wal()).clone())),
        }
    }

    /// Flushes until nothing is left to flush.
    fn sync_all(&self) {
        loop {
            let written = self.lock().written;
            let outcome = self.flush();
            self.synced.send_modify(|synced| match outcome {
                Ok(()) if synced.failure.is_none() => synced.commit = written,
                Ok(()) => {}
                Err(failure) => synced.fail(failure),
            });
            let mut state = self.lock();
            if state.written == written {
                state.is_syncing = false;
                return;
            }
        }
    }
}

/// Rewrites the whole log in place, and flushes it.
///
/// After a failed flush, systems treat the pages that they could not write as written. No later flush would write them,
/// and SQLite ignores a log after a gap. Nobody else may write to the log meanwhile.
pub(super) fn rewrite(file: &File) -> io::Result<()> {
    let mut part = vec![0; PART];
    let mut offset = 0;
    loop {
        let length = file.read_at(&mut part, offset)?;
        if length == 0 {
            return file.sync_data();
        }
        file.write_all_at(&part[..length], offset)?;
        offset += length as u64;
    }
}

/// A written commit that may not be durable yet.
#[derive(Clone, Debug)]
#[must_use]
pub struct PendingFlush {
    commit: u64,
    synced: watch::Receiver<Synced>,
}

impl PendingFlush {
    /// Waits until the commit is durable.
    ///
    /// # Errors
    ///
    /// [`Error::is_commit_unknown`], if the log could not be flushed: other connections see the transaction, but a
    /// power failure may lose it. [`Error::is_file_gone`], if the file is gone.
    pub async fn wait(mut self) -> Result<()> {
        let commit = self.commit;
        let done = |synced: &Synced| synced.commit >= commit || synced.failure.is_some();
        let synced = self.synced.wait_for(done).await.map_err(|_| Error::new(ErrorDetail::CommitUnknown))?;
        match &synced.failure {
            Some(failure) if synced.commit < commit => Err(failure.error()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Returns a log at a path of its own; or on a pipe, which can't be flushed.
    fn log(directory: &tempfile::TempDir, can_be_flushed: bool) -> Wal {
        let path = directory.path().join("a.db-wal");
        if !can_be_flushed {
            let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(status.success());
        }
        let file = File::options().read(true).write(true).create(can_be_flushed).open(&path).unwrap();
        Wal::new(file, path, Arc::new(DatabaseFile::new(directory.path().join("a.db"))), 0).unwrap()
    }

    impl Wal {
        /// Returns the log of another connection to the same database, made now.
        fn of_another_connection(&self) -> Self {
            let Shared { file, database, .. } = &*self.0;
            let path = database.path().with_extension("db-wal");
            Wal::new(file.try_clone().unwrap(), path, Arc::clone(database), database.failed_flushes())
                .unwrap()
        }
    }

    #[tokio::test]
    async fn commits_share_a_flush_and_each_is_on_disk_when_it_is_acknowledged() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, true);
        let syncs: Vec<_> = (0..100).map(|_| log.written()).collect();
        for sync in syncs {
            let commit = sync.commit;
            sync.wait().await.unwrap();
            assert!(log.0.synced.borrow().commit >= commit);
        }
    }

    #[tokio::test]
    async fn after_a_failed_flush_no_commit_is_acknowledged() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, false);
        let (first, second) = (log.written(), log.written());
        assert!(first.wait().await.unwrap_err().is_commit_unknown());
        assert!(second.wait().await.unwrap_err().is_commit_unknown());
        assert!(log.has_failed());
        assert!(log.written().wait().await.unwrap_err().is_commit_unknown());
        assert!(log.sync_now().unwrap_err().is_commit_unknown());
    }

    #[tokio::test]
    async fn a_failed_flush_fails_the_commits_of_other_connections() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, true);
        let other = log.of_another_connection();
        other.written().wait().await.unwrap();
        log.0.database.flush_failed();
        assert!(other.written().wait().await.unwrap_err().is_commit_unknown());
        assert!(log.sync_now().unwrap_err().is_commit_unknown());
        assert!(log.has_failed() && other.has_failed());
        log.of_another_connection().written().wait().await.expect("it is opened after the failure");
    }

    #[tokio::test]
    async fn a_flush_that_succeeds_concurrently_with_a_failed_one_acknowledges_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, true);
        let written = log.written();
        // The system reports the failure to one of them only.
        log.0.synced.send_replace(Synced { commit: 0, failure: Some(Failure::Flush("the other".into())) });
        log.0.lock().written += 1;
        log.0.sync_all();
        assert!(log.has_failed());
        assert_eq!(log.0.synced.borrow().commit, 0);
        assert!(written.wait().await.unwrap_err().is_commit_unknown());
    }

    #[tokio::test]
    async fn a_flush_that_failed_is_counted_for_all_connections() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, false);
        assert!(log.sync_now().is_err());
        assert_eq!(log.0.database.failed_flushes(), 1);
    }

    #[tokio::test]
    async fn a_commit_is_acknowledged_by_the_flush_that_covers_it_and_by_none_before() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, true);
        let mut waiting = Box::pin(PendingFlush { commit: 2, synced: log.0.synced.subscribe() }.wait());
        log.0.synced.send_modify(|synced| synced.commit = 1);
        assert!(waiting.as_mut().now_or_never().is_none());
        log.0.synced.send_modify(|synced| synced.commit = 2);
        log.0.synced.send_modify(|synced| synced.fail(Failure::Flush("a later one".into())));
        waiting.await.expect("its own flush succeeded");
        let later = PendingFlush { commit: 3, synced: log.0.synced.subscribe() };
        assert!(later.wait().await.unwrap_err().is_commit_unknown());
    }

    #[tokio::test]
    async fn a_flush_that_failed_for_a_batch_fails_concurrent_commits_too() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, false);
        assert!(log.sync_now().unwrap_err().is_commit_unknown());
        assert!(log.has_failed());
    }
}
