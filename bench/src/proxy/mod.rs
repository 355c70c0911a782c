//! A proxy on loopback to a PostgreSQL server, which counts the bytes and messages that pass.

mod messages;
mod passed;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use messages::Messages;
pub(crate) use passed::{Direction, Passed};

/// How long nothing may go through before the line counts as quiet.
const QUIET: Duration = Duration::from_millis(100);
const PATIENCE: u32 = 100;

/// It ends when it is dropped; connections through it end when their sides do.
pub(crate) struct Proxy {
    port: u16,
    passed: Arc<Mutex<Passed>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// To a port of this machine. Connections must not ask for TLS: its messages can't be told apart.
    pub(crate) async fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let passed = Arc::<Mutex<Passed>>::default();
        let counted = Arc::clone(&passed);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    // Either side may hang up whenever it likes.
                    let _ = join(client, server, counted).await;
                });
            }
        });
        Ok(Self { port, passed, accepting })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until nothing passes; returns all that passed so far.
    pub(crate) async fn settled(&self) -> Result<Passed> {
        let mut before = self.passed();
        for _ in 0..PATIENCE {
            sleep(QUIET).await;
            let now = self.passed();
            if now == before {
                return Ok(now);
            }
            before = now;
        }
        bail!("the connections never came to rest")
    }

    fn passed(&self) -> Passed {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn join(client: TcpStream, server: u16, passed: Arc<Mutex<Passed>>) -> Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        pass(from_client, to_server, Direction::ToServer, &passed),
        pass(from_server, to_client, Direction::ToClient, &passed)
    )?;
    Ok(())
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: Direction,
    passed: &Mutex<Passed>,
) -> Result<()> {
    let mut messages = Messages::of(direction);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(to.shutdown().await?);
        }
        let kinds = messages.begun_in(&buffer[..length]);
        passed.lock().unwrap_or_else(PoisonError::into_inner).add(direction, length, &kinds);
        to.write_all(&buffer[..length]).await?;
    }
}
