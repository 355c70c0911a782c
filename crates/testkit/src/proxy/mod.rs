//! A TCP proxy that injects faults.

mod connection;
mod counts;
mod listener;
mod mode;
mod pump;
mod state;

pub use counts::Counts;
pub use mode::Mode;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle, time::sleep};

use self::{counts::Counters, listener::Listener, state::ProxyState};
use crate::Error;

/// A TCP proxy from a port of its own to a server on this machine. Its [`Mode`], which decides how it treats
/// connections, can change at any time.
///
/// It runs on the runtime of the test that starts it. Dropping it closes the port and all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<ProxyState>,
    listening: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to a port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If no port is free to listen on.
    pub async fn start(server: u16) -> Self {
        Self::try_start(server, false).await.expect("a proxy finds a free port")
    }

    /// As [`start`](Self::start), and counts [`turns`](Self::turns). It holds back each answer until both sides
    /// were quiet for a tenth of a second. Clients that send everything at once are not affected; a client that
    /// waits for an answer before it sends more is seen to turn.
    ///
    /// # Panics
    ///
    /// If no port is free to listen on.
    pub async fn counting_turns(server: u16) -> Self {
        Self::try_start(server, true).await.expect("a proxy finds a free port")
    }

    async fn try_start(server: u16, counts_turns: bool) -> Result<Self, Error> {
        let (mode, counters) = (watch::Sender::default(), Counters::default());
        let shared = Arc::new(ProxyState { server, counts_turns, mode, counters });
        let listener = Listener::bind(Arc::clone(&shared)).await?;
        let (port, listening) = (listener.port(), listener.listening());
        Ok(Self { port, shared, listening, task: tokio::spawn(listener.run()) })
    }

    /// Returns the port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of a database through this proxy.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.shared.server), &format!(":{}/", self.port))
    }

    /// Changes the mode. When it returns, the change has taken effect: the port is closed or open again, and
    /// connections were reset or have lost the server.
    pub async fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
        // Cannot fail: the sender belongs to the listener, which lives as long as the proxy.
        let _ = self.listening.clone().wait_for(|&listens| listens != (mode == Mode::Refuse)).await;
        while !self.has_come_about(mode) {
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn has_come_about(&self, mode: Mode) -> bool {
        let counts = self.counts();
        match mode {
            Mode::Reset => counts.open == 0,
            Mode::HalfOpen => counts.joined == 0,
            _ => true,
        }
    }

    /// Returns the counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Returns how often a client sent something and then waited for the answer, since the last call. Needs a
    /// proxy that [`counts turns`](Self::counting_turns).
    ///
    /// # Panics
    ///
    /// If this one does not count.
    #[must_use = "this resets the count"]
    pub fn turns(&self) -> usize {
        assert!(self.shared.counts_turns, "this proxy does not count turns");
        self.shared.counters.turns.swap(0, SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
