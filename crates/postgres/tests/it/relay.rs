//! A relay between a client and a server that delivers what passes in pieces, and cuts connections.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, yield_now};

/// Bytes that the relay itself holds in each direction.
const CHUNK: usize = 16 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// A relay to a port of this machine. It runs on the runtime of its test, and ends when it is dropped.
///
/// After each piece it lets all other tasks run, so on a runtime of one thread a client sees every piece by itself.
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    server: u16,
    /// Size of the buffers of all sockets, if it is not the system's.
    buffers: Option<u32>,
    /// Bytes delivered at a time.
    piece: AtomicUsize,
    /// Bytes of each connection that pass before it is cut, to the server and to the client.
    limits: [AtomicU64; 2],
    /// Bytes delivered on the last connection.
    delivered: [AtomicU64; 2],
    /// Last bytes that went to the client: a ReadyForQuery, if the server waits for a request.
    last: Mutex<[u8; 6]>,
}

impl Relay {
    pub(crate) async fn start(server: u16) -> Self {
        Self::start_with(server, None).await
    }

    /// Starts a relay whose sockets have buffers of `bytes` on both sides, as the system counts them.
    pub(crate) async fn with_buffers(server: u16, bytes: u32) -> Self {
        Self::start_with(server, Some(bytes)).await
    }

    async fn start_with(server: u16, buffers: Option<u32>) -> Self {
        let shared = Arc::new(Shared {
            server,
            buffers,
            piece: AtomicUsize::new(usize::MAX),
            limits: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
            delivered: Default::default(),
            last: Mutex::default(),
        });
        // Connections inherit the buffers of the listener; set later they would not bound the window.
        let listener = socket(buffers).unwrap();
        listener.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = listener.listen(64).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, task: tokio::spawn(Arc::clone(&shared).accept(listener)), shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Delivers so many bytes at a time from now on.
    pub(crate) fn deliver(&self, piece: usize) {
        self.shared.piece.store(piece, SeqCst);
    }

    /// Cuts each new connection once so many bytes have passed in one direction.
    pub(crate) fn cut_after(&self, direction: Direction, bytes: u64) {
        self.shared.limits[direction as usize].store(bytes, SeqCst);
    }

    /// Returns the number of bytes that were delivered on the last connection.
    pub(crate) fn delivered(&self, direction: Direction) -> u64 {
        self.shared.delivered[direction as usize].load(SeqCst)
    }

    /// Returns the state of the last connection, if the last message was ReadyForQuery: `I` without a transaction.
    pub(crate) fn status(&self) -> Option<char> {
        match *self.shared.last.lock().unwrap() {
            [b'Z', 0, 0, 0, 5, status] => Some(status.into()),
            _ => None,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn socket(buffers: Option<u32>) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = buffers {
        socket.set_send_buffer_size(bytes)?;
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

impl Shared {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&self).relay(client));
        }
    }

    async fn relay(self: Arc<Self>, client: TcpStream) -> io::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.server));
        let server = socket(self.buffers)?.connect(address).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        self.delivered.iter().for_each(|delivered| delivered.store(0, SeqCst));
        let limit = |direction: Direction| self.limits[direction as usize].load(SeqCst);
        let limits = [limit(Direction::ToServer), limit(Direction::ToClient)];
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // The first direction that ends, or reaches its limit, ends both.
        tokio::select! {
            ended = self.pump(Direction::ToServer, from_client, to_server, limits[0]) => ended,
            ended = self.pump(Direction::ToClient, from_server, to_client, limits[1]) => ended,
        }
    }

    async fn pump(
        &self,
        direction: Direction,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        mut left: u64,
    ) -> io::Result<()> {
        let mut chunk = vec![0; if self.buffers.is_some() { 4096 } else { CHUNK }];
        while left > 0 {
            let length = from.read(&mut chunk).await?;
            if length == 0 {
                return Ok(());
            }
            let mut bytes = &chunk[..length];
            while !bytes.is_empty() && left > 0 {
                let piece =
                    self.piece.load(SeqCst).min(bytes.len()).min(usize::try_from(left).unwrap_or(usize::MAX));
                if direction == Direction::ToClient {
                    self.remember(&bytes[..piece]);
                }
                to.write_all(&bytes[..piece]).await?;
                self.delivered[direction as usize].fetch_add(piece as u64, SeqCst);
                left -= piece as u64;
                bytes = &bytes[piece..];
                if !bytes.is_empty() {
                    yield_now().await;
                }
            }
        }
        Ok(())
    }

    fn remember(&self, bytes: &[u8]) {
        let mut last = self.last.lock().unwrap();
        let all = [&last[..], bytes].concat();
        last.copy_from_slice(&all[all.len() - 6..]);
    }
}
