//! The idempotency keys of the requests that run now.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::request::{Kind, Problem};

type Keys = HashSet<(i64, String)>;

/// The keys of the requests that run in this process. In another process the unique index of the journal decides, and the
/// later request waits for the earlier one.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunningKeys(Arc<Mutex<Keys>>);

/// The key of a running request; dropping it ends that.
pub(crate) struct RunningKey {
    keys: RunningKeys,
    key: (i64, String),
}

impl RunningKeys {
    /// Notes that a request with this key of a client runs.
    pub(crate) fn begin(&self, token_id: i64, key: &str) -> Result<RunningKey, Problem> {
        let key = (token_id, key.to_owned());
        if !self.keys().insert(key.clone()) {
            let detail = "wait for its answer; send it again if there is none";
            return Err(Problem::new(Kind::KEY_RUNNING, detail).retry_after(1));
        }
        Ok(RunningKey { keys: self.clone(), key })
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningKey {
    fn drop(&mut self) {
        self.keys.keys().remove(&self.key);
    }
}
