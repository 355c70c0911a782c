//! The write-ahead log of a file, and what makes commits last.
//!
//! SQLite's own `synchronous=FULL` flushes the log for each commit while the next writer waits. Here a commit only
//! writes to the log (`NORMAL`), the next writer begins, and all commits that were written before a flush are
//! acknowledged by it. Each is a transaction of its own, so none can hurt another.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::error::{Error, Kind, Result};

/// The log. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
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
    failure: Option<Arc<str>>,
}

impl Log {
    pub(super) fn new(file: File) -> Self {
        let synced = watch::Sender::new(Synced::default());
        Self(Arc::new(Shared { file, state: Mutex::default(), synced }))
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

    /// Makes all that was written last, on this thread.
    pub(super) fn sync_now(&self) -> Result<()> {
        self.0.file.sync_data().map_err(|error| Error::new(Kind::CommitUnknown).with_source(error))
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

    /// Flushes until nothing is left to flush.
    fn sync_all(&self) {
        loop {
            let written = self.lock().written;
            let outcome = self.file.sync_data();
            self.synced.send_modify(|synced| match outcome {
                Ok(()) if synced.failure.is_none() => synced.commit = written,
                Ok(()) => {}
                Err(error) => synced.failure = Some(error.to_string().into()),
            });
            let mut state = self.lock();
            if state.written == written {
                state.is_syncing = false;
                return;
            }
        }
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
    /// Unknown, when the log could not be flushed: others see the transaction, a power failure may lose it.
    pub(crate) async fn wait(mut self) -> Result<()> {
        let commit = self.commit;
        let done = |synced: &Synced| synced.commit >= commit || synced.failure.is_some();
        let synced = self.synced.wait_for(done).await.map_err(|_| Error::new(Kind::CommitUnknown))?;
        match &synced.failure {
            Some(failure) if synced.commit < commit => {
                Err(Error::new(Kind::CommitUnknown).with_source(std::io::Error::other(failure.to_string())))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commits_share_a_flush_and_each_is_on_disk_when_it_is_acknowledged() {
        let log = Log::new(tempfile::tempfile().unwrap());
        let syncs: Vec<_> = (0..100).map(|_| log.written()).collect();
        for sync in syncs {
            let commit = sync.commit;
            sync.wait().await.unwrap();
            assert!(log.0.synced.borrow().commit >= commit);
        }
    }

    #[tokio::test]
    async fn after_a_flush_that_failed_no_commit_is_taken_to_last() {
        // A pipe can't be flushed.
        let (_reader, writer) = std::io::pipe().unwrap();
        let log = Log::new(File::from(std::os::fd::OwnedFd::from(writer)));
        let (first, second) = (log.written(), log.written());
        assert!(first.wait().await.unwrap_err().is_commit_unknown());
        assert!(second.wait().await.unwrap_err().is_commit_unknown());
        assert!(log.has_failed());
        assert!(log.written().wait().await.unwrap_err().is_commit_unknown());
        assert!(log.sync_now().unwrap_err().is_commit_unknown());
    }
}
