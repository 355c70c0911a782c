//! How a run goes about its work.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::progress::Progress;

/// Hears what a run tells.
type Listener = Arc<dyn Fn(&Progress) + Send + Sync>;

/// A run ends after this, unless told otherwise.
const WITHIN: Duration = Duration::from_secs(3600);

#[derive(Clone)]
pub(super) struct Options {
    pub(super) within: Duration,
    pub(super) force: bool,
    pub(super) listener: Option<Listener>,
}

impl Default for Options {
    fn default() -> Self {
        Self { within: WITHIN, force: false, listener: None }
    }
}

impl Options {
    pub(super) fn emit(&self, progress: &Progress) {
        tracing::debug!(target: "tallybook::migrate", ?progress);
        if let Some(listener) = &self.listener {
            listener(progress);
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("within", &self.within).field("force", &self.force).finish()
    }
}
