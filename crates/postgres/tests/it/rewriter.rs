//! A relay in plaintext that takes the server's messages apart, changes them, and adds its own.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A message of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) tag: u8,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        message(self.tag, &self.body)
    }
}

/// Returns a message as it is sent.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    with_length(tag, body.len() as u32 + 4, body)
}

/// Returns an AuthenticationRequest of a type.
pub(crate) fn authentication(kind: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], rest].concat())
}

/// Returns a message with a length that need not be true.
pub(crate) fn with_length(tag: u8, length: u32, body: &[u8]) -> Vec<u8> {
    [&[tag], &length.to_be_bytes()[..], body].concat()
}

type Rule = Box<dyn FnMut(Message) -> Vec<u8> + Send>;

/// The relay. It passes everything until it is given a rule.
pub(crate) struct Rewriter {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    /// Returns the bytes that are sent in place of a message.
    rule: Mutex<Option<Rule>>,
    /// The last connection to a client, to send something that nobody asked for.
    client: AsyncMutex<Option<Arc<AsyncMutex<OwnedWriteHalf>>>>,
    sent: AtomicU64,
    /// Sent again and again in place of the next message.
    flood: Mutex<Option<Vec<u8>>>,
}

impl Rewriter {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&state).relay(client, server));
            }
        });
        Self { port, shared, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sends what `rule` returns in place of each message from now on.
    pub(crate) fn rewrite(&self, rule: impl FnMut(Message) -> Vec<u8> + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Some(Box::new(rule));
    }

    /// Sends `piece` without end in place of the next message, as long as somebody takes it.
    pub(crate) fn flood(&self, piece: &[u8]) {
        *self.shared.flood.lock().unwrap() = Some(piece.repeat((16 << 10) / piece.len() + 1));
    }

    /// Passes everything again.
    pub(crate) fn pass(&self) {
        *self.shared.rule.lock().unwrap() = None;
    }

    /// Sends bytes to the client of the last connection, which nobody asked for.
    pub(crate) async fn inject(&self, bytes: &[u8]) {
        let client = self.shared.client.lock().await.clone().expect("a client has connected");
        client.lock().await.write_all(bytes).await.unwrap();
    }

    /// Returns the number of bytes that clients took.
    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(SeqCst)
    }
}

impl Drop for Rewriter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn relay(self: Arc<Self>, client: TcpStream, server: u16) -> io::Result<()> {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_client, to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let to_client = Arc::new(AsyncMutex::new(to_client));
        *self.client.lock().await = Some(Arc::clone(&to_client));
        let back = async {
            loop {
                let mut header = [0; 5];
                from_server.read_exact(&mut header).await?;
                let [tag, length @ ..] = header;
                let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
                from_server.read_exact(&mut body).await?;
                let message = Message { tag, body };
                let flood = self.flood.lock().unwrap().take();
                if let Some(pieces) = flood {
                    loop {
                        to_client.lock().await.write_all(&pieces).await?;
                        self.sent.fetch_add(pieces.len() as u64, SeqCst);
                        // Both sides may share a thread with a timer.
                        sleep(Duration::from_millis(1)).await;
                    }
                }
                let bytes = match &mut *self.rule.lock().unwrap() {
                    Some(rule) => rule(message),
                    None => message.bytes(),
                };
                // In pieces, so that what a client takes is counted.
                for piece in bytes.chunks(64 << 10) {
                    to_client.lock().await.write_all(piece).await?;
                    self.sent.fetch_add(piece.len() as u64, SeqCst);
                }
            }
        };
        let ended: io::Result<()> = tokio::select! {
            ended = back => ended,
            ended = copy(&mut from_client, &mut to_server) => ended.map(drop),
        };
        *self.client.lock().await = None;
        ended
    }
}
