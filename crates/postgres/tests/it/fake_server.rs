//! A server that says what its script tells it to, whatever the client says.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes that an endless server sends if nobody hangs up.
const FLOOD: u64 = 256 << 20;

/// One thing that the server does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Waits until the client has sent something.
    Hear,
    Say(Vec<u8>),
    /// Says it again and again.
    Flood(Vec<u8>),
    /// Keeps the connection open and reads until the client closes it.
    Stay,
}

/// The server. Every connection gets the same script, at whose end it is closed.
pub(crate) struct FakeServer {
    port: u16,
    sent: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl FakeServer {
    pub(crate) async fn start(script: Vec<Step>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let [sent, connections, heard] = [(); 3].map(|()| Arc::<AtomicU64>::default());
        let (counted, count, hears) = (Arc::clone(&sent), Arc::clone(&connections), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                let (script, sent, heard) = (script.clone(), Arc::clone(&counted), Arc::clone(&hears));
                tokio::spawn(async move { play(client, &script, &sent, &heard).await });
            }
        });
        Self { port, sent, connections, heard, task }
    }

    pub(crate) fn url(&self, parameters: &str) -> String {
        format!("postgresql://somebody:secret@127.0.0.1:{}/book?{parameters}", self.port)
    }

    /// Returns the number of bytes that clients took.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(SeqCst)
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(SeqCst)
    }

    /// Returns how often it waited for a client and heard something.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(SeqCst)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(
    mut client: TcpStream,
    script: &[Step],
    sent: &AtomicU64,
    heard: &AtomicU64,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut bytes = vec![0; 64 << 10];
    for step in script {
        match step {
            Step::Hear => {
                if client.read(&mut bytes).await? == 0 {
                    return Ok(());
                }
                heard.fetch_add(1, SeqCst);
            }
            Step::Say(bytes) => {
                client.write_all(bytes).await?;
                sent.fetch_add(bytes.len() as u64, SeqCst);
            }
            Step::Flood(piece) => {
                let many = piece.repeat((16 << 10) / piece.len().max(1) + 1);
                while sent.load(SeqCst) < FLOOD {
                    client.write_all(&many).await?;
                    sent.fetch_add(many.len() as u64, SeqCst);
                }
            }
            Step::Stay => while client.read(&mut bytes).await? > 0 {},
        }
    }
    Ok(())
}
