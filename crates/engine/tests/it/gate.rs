//! A way to a PostgreSQL server that can be shut, and that can stop answering who comes anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes everything on as long as it is open; what came through stays connected when it is shut.
pub(crate) struct Gate {
    port: u16,
    server: u16,
    mute: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Gate {
    /// A gate before a port of this machine.
    pub(crate) async fn open(server: u16) -> Self {
        let mut gate = Self { port: 0, server, mute: Arc::default(), accepting: None };
        gate.reopen().await;
        gate
    }

    /// Lets connections through again.
    pub(crate) async fn reopen(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let (server, mute) = (self.server, Arc::clone(&self.mute));
        self.accepting = Some(tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Ok((mut client, _)) = listener.accept().await {
                if mute.load(Ordering::SeqCst) {
                    unanswered.push(client);
                    continue;
                }
                let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                // Either side may hang up at any time.
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await.ok() });
            }
        }));
    }

    /// Refuses new connections.
    pub(crate) async fn shut(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
    }

    /// Whether new connections are accepted but never answered.
    pub(crate) fn set_mute(&self, mute: bool) {
        self.mute.store(mute, Ordering::SeqCst);
    }

    /// The URL of a database by way of this gate.
    pub(crate) fn url(&self, database: &tallybook_testkit::Database) -> String {
        database.url().replace(&format!(":{}/", database.port()), &format!(":{}/", self.port))
    }
}
