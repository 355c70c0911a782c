//! A way to a server on which things go wrong.

mod connection;
mod counts;
mod line;
mod listener;
mod mode;
mod pump;

pub use counts::Counts;
pub use mode::Mode;

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle, time::sleep};

use self::{counts::Counters, listener::Listener};
use crate::Error;

/// A relay from a port of its own to a server of this machine. What becomes of
/// connections can be changed at any time, see [`Mode`].
///
/// It runs on the runtime of the test that starts it. When it is dropped, it
/// stops listening and closes all its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listening: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

/// What the proxy shares with the tasks of its connections.
#[derive(Debug)]
struct Shared {
    server: u16,
    counts_turns: bool,
    mode: watch::Sender<Mode>,
    counters: Counters,
}

impl Proxy {
    /// Relays to a port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If no port is left to listen on.
    pub async fn start(server: u16) -> Self {
        Self::try_start(server, false).await.expect("a proxy finds a free port")
    }

    /// The same, and counts [`turns`](Self::turns). For that it holds back an
    /// answer until both sides were quiet for a tenth of a second: whoever
    /// sends everything at once is not disturbed by it, and whoever waits for
    /// an answer before sending more is seen to turn.
    ///
    /// # Panics
    ///
    /// If no port is left to listen on.
    pub async fn counting_turns(server: u16) -> Self {
        Self::try_start(server, true).await.expect("a proxy finds a free port")
    }

    async fn try_start(server: u16, counts_turns: bool) -> Result<Self, Error> {
        let (mode, counters) = (watch::Sender::default(), Counters::default());
        let shared = Arc::new(Shared { server, counts_turns, mode, counters });
        let listener = Listener::bind(Arc::clone(&shared)).await?;
        let (port, listening) = (listener.port(), listener.listening());
        Ok(Self { port, shared, listening, task: tokio::spawn(listener.run()) })
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database, by way of this proxy instead of directly.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replace(&format!(":{}/", self.shared.server), &format!(":{}/", self.port))
    }

    /// Changes what becomes of connections. When it returns, it has come
    /// about: the port is closed or open again, connections are reset, or
    /// have lost the server.
    pub async fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
        // It does not fail: the other end is the task's, which ends with the proxy.
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

    /// What went through so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// How often a client sent something and then waited for the answer, since
    /// the last call. Only a proxy that
    /// [`counts turns`](Self::counting_turns) knows.
    ///
    /// # Panics
    ///
    /// If this one does not.
    #[must_use = "this starts the count anew"]
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
