//! Options of a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::run::progress::Progress;

/// Receives the progress events of a run.
type Listener = Arc<dyn Fn(&Progress) + Send + Sync>;

/// The default time limit of a run.
const WITHIN: Duration = Duration::from_secs(3600);

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) within: Duration,
    pub(crate) force: bool,
    pub(crate) listener: Option<Listener>,
}

impl Default for Options {
    fn default() -> Self {
        Self { within: WITHIN, force: false, listener: None }
    }
}

impl Options {
    pub(crate) fn emit(&self, progress: &Progress) {
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
