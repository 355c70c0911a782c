//! Handles Ctrl-C and similar signals, so that temporary objects are removed.

use std::future::Future;

use anyhow::{Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask the program to end. While this exists they do not end it at once.
pub(crate) struct Interrupt([Signal; 3]);

impl Interrupt {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Waits for a signal.
    pub(crate) async fn any(mut self) {
        let [interrupted, terminated, hung_up] = &mut self.0;
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
    }

    /// Waits for `work`. A signal drops it and returns an error.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let [interrupted, terminated, hung_up] = &mut self.0;
        tokio::select! {
            done = work => done,
            _ = interrupted.recv() => bail!("interrupted"),
            _ = terminated.recv() => bail!("terminated"),
            _ = hung_up.recv() => bail!("the terminal was closed"),
        }
    }
}
