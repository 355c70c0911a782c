//! Ctrl-C and its like, so that what was made is removed.

use std::future::Future;

use anyhow::{Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask the program to end. While it lives they don't end it at once.
pub(crate) struct Interrupt([Signal; 3]);

impl Interrupt {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Waits for `work`; a signal drops it and is an error.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let [interrupted, terminated, hung_up] = &mut self.0;
        tokio::select! {
            done = work => done,
            _ = interrupted.recv() => bail!("interrupted"),
            _ = terminated.recv() => bail!("terminated"),
            _ = hung_up.recv() => bail!("the terminal is gone"),
        }
    }
}
