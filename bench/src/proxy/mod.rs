//! A proxy on loopback that counts what goes through it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How long nothing may go through before the line counts as quiet.
const QUIET: Duration = Duration::from_millis(100);
const PATIENCE: u32 = 100;

/// It ends when it is dropped; connections through it end when their sides do.
pub(super) struct Proxy {
    port: u16,
    bytes: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// To a port of this machine.
    pub(super) async fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    // Either side may hang up whenever it likes.
                    let _ = join(client, server, counted).await;
                });
            }
        });
        Ok(Self { port, bytes, accepting })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until nothing goes through; the bytes of both directions so far.
    pub(super) async fn settled(&self) -> Result<u64> {
        let mut before = self.bytes.load(Ordering::Relaxed);
        for _ in 0..PATIENCE {
            sleep(QUIET).await;
            let now = self.bytes.load(Ordering::Relaxed);
            if now == before {
                return Ok(now);
            }
            before = now;
        }
        bail!("the connections never came to rest")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn join(client: TcpStream, server: u16, bytes: Arc<AtomicU64>) -> Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(pass(from_client, to_server, &bytes), pass(from_server, to_client, &bytes))?;
    Ok(())
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    bytes: &AtomicU64,
) -> Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        bytes.fetch_add(length as u64, Ordering::Relaxed);
        to.write_all(&buffer[..length]).await?;
    }
}
