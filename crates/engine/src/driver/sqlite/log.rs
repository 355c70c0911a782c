//! The write-ahead log of a file, and what makes commits last.
//!
//! SQLite's own `synchronous=FULL` flushes the log for each commit while the next writer waits. Here a commit only
//! writes to the log (`NORMAL`), the next writer begins, and all commits that were written before a flush are
//! acknowledged by it. Each is a transaction of its own, so none can hurt another.
//!
//! A flush proves something only if the file is still the one that others will open, so their paths are looked at after it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::file::{DatabaseFile, Gone, Pinned};
use crate::error::{Error, Kind, Result};

/// Bytes that are written again in one piece.
const PART: usize = 1 << 20;

/// The log. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    /// The same file, by its path.
    pinned: Pinned,
    database: Arc<DatabaseFile>,
    /// Flushes that had failed before it was opened. One that fails later, on another connection too, ends it.
    failed_before: u64,
    state: Mutex<State>,
    /// The commits that last.
    synced: watch::Sender<Synced>,
}

#[derive(Debug, Default)]
struct State {
    /// Commits that were written.
    written: u64,
    is_syncing: bool,
}

#[derive(Clone, Debug, Default)]
struct Synced {
    /// The last commit that is on disk.
    commit: u64,
    /// Why no later one ever will be: after a flush that failed, one that succeeds proves nothing.
    failure: Option<Failure>,
}

impl Synced {
    /// Nothing later lasts; the first reason is the one that is told.
    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }
}

#[derive(Clone, Debug)]
enum Failure {
    Flush(Arc<str>),
    Gone(Gone),
}

impl Failure {
    fn error(&self) -> Error {
        match self {
            Failure::Flush(why) => {
                Error::new(Kind::CommitUnknown).with_source(io::Error::other(why.to_string()))
            }
            Failure::Gone(gone) => gone.commit_error(),
        }
    }
}

impl Log {
    /// The log of a database, which is open for writing at `path`. So many flushes of it had failed before.
    pub(super) fn new(
        file: File,
        path: PathBuf,
        database: Arc<DatabaseFile>,
        failed_before: u64,
    ) -> io::Result<Self> {
        let pinned = Pinned::open(path, &file)?;
        let (state, synced) = (Mutex::default(), watch::Sender::new(Synced::default()));
        Ok(Self(Arc::new(Shared { file, pinned, database, failed_before, state, synced })))
    }

    /// A commit was written; what it takes to make it last begins now.
    pub(super) fn written(&self) -> Sync {
        let mut state = self.0.lock();
        state.written += 1;
        let sync = Sync { commit: state.written, synced: self.0.synced.subscribe() };
        if !state.is_syncing {
            state.is_syncing = true;
            let shared = Arc::clone(&self.0);
            spawn_blocking(move || shared.sync_all());
        }
        sync
    }

    /// Waits until nothing that was written is left to flush, whatever comes of it.
    pub(super) async fn settled(&self) {
        let commit = self.0.lock().written;
        let _ = Sync { commit, synced: self.0.synced.subscribe() }.wait().await;
    }

    /// Makes all that was written last, on this thread.
    pub(super) fn sync_now(&self) -> Result<()> {
        self.0.flush().map_err(|failure| {
            let error = failure.error();
            // The system tells of a failure once: the next flush, perhaps of others' commits, would succeed.
            self.0.synced.send_modify(|synced| synced.fail(failure));
            error
        })
    }

    /// Whether a flush failed, so that nothing that is written can be known to last.
    pub(super) fn has_failed(&self) -> bool {
        self.0.synced.borrow().failure.is_some()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Flushes what was written so far, and sees that it went where others will look for it.
    fn flush(&self) -> Result<(), Failure> {
        if let Err(error) = self.file.sync_data() {
            self.database.flush_failed();
            return Err(Failure::Flush(error.to_string().into()));
        }
        if self.database.failed_flushes() > self.failed_before {
            return Err(Failure::Flush("a flush failed on another connection".into()));
        }
        self.database.look().map_err(|gone| Failure::Gone(gone.clone()))?;
        match self.pinned.look("the log ") {
            Ok(_) => Ok(()),
            Err(gone) => Err(Failure::Gone(self.database.lose(gone.of_the_log()).clone())),
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

/// Writes all of a log again, over itself, and flushes it. After a flush that failed, systems take what they could not
/// write for written: no later flush would bring it to the disk, and of a log nothing counts behind a gap.
///
/// Nobody else may write to the log meanwhile.
pub(super) fn write_again(file: &File) -> io::Result<()> {
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

/// A commit that was written and may not last yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct Sync {
    commit: u64,
    synced: watch::Receiver<Synced>,
}

impl Sync {
    /// Waits until it lasts.
    ///
    /// # Errors
    /// Unknown, when the log could not be flushed: others see the transaction, a power failure may lose it. That the file
    /// is gone.
    pub(crate) async fn wait(mut self) -> Result<()> {
        let commit = self.commit;
        let done = |synced: &Synced| synced.commit >= commit || synced.failure.is_some();
        let synced = self.synced.wait_for(done).await.map_err(|_| Error::new(Kind::CommitUnknown))?;
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

    /// A log at a path of its own; a pipe, which can't be flushed, if that is wanted.
    fn log(directory: &tempfile::TempDir, can_be_flushed: bool) -> Log {
        let path = directory.path().join("a.db-wal");
        if !can_be_flushed {
            let status = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(status.success());
        }
        let file = File::options().read(true).write(true).create(can_be_flushed).open(&path).unwrap();
        Log::new(file, path, Arc::new(DatabaseFile::new(directory.path().join("a.db"))), 0).unwrap()
    }

    impl Log {
        /// That of a connection to the same database which is made now.
        fn of_another_connection(&self) -> Self {
            let Shared { file, database, .. } = &*self.0;
            let path = database.path().with_extension("db-wal");
            Log::new(file.try_clone().unwrap(), path, Arc::clone(database), database.failed_flushes())
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
    async fn after_a_flush_that_failed_no_commit_is_taken_to_last() {
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
    async fn a_flush_that_failed_on_one_connection_fails_the_commits_of_those_beside_it() {
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
    async fn a_flush_that_succeeds_beside_one_that_failed_acknowledges_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, true);
        let written = log.written();
        // The system tells one of them only.
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
        let mut waiting = Box::pin(Sync { commit: 2, synced: log.0.synced.subscribe() }.wait());
        log.0.synced.send_modify(|synced| synced.commit = 1);
        assert!(waiting.as_mut().now_or_never().is_none());
        log.0.synced.send_modify(|synced| synced.commit = 2);
        log.0.synced.send_modify(|synced| synced.fail(Failure::Flush("a later one".into())));
        waiting.await.expect("its own flush succeeded");
        let later = Sync { commit: 3, synced: log.0.synced.subscribe() };
        assert!(later.wait().await.unwrap_err().is_commit_unknown());
    }

    #[tokio::test]
    async fn a_flush_that_failed_for_a_batch_fails_it_for_the_commits_beside_it_too() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(&directory, false);
        assert!(log.sync_now().unwrap_err().is_commit_unknown());
        assert!(log.has_failed());
    }
}
