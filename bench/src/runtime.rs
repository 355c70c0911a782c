//! Where everything runs.

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};

/// Threads of the runtime that all contestants share.
const WORKERS: usize = 2;

/// A runtime with [`WORKERS`] threads.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?)
}
