//! Unix sockets. tokio-postgres opens them itself, but leaves no way to wrap a stream around them.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A Unix socket, or the error of connecting to it. The first use returns that error, which makes it an error of
/// tokio-postgres.
pub(super) struct UnixSocket(io::Result<UnixStream>);

impl UnixSocket {
    /// Connects to the server with this socket directory and port.
    pub(super) async fn connect(directory: &Path, port: u16, limit: Option<Duration>) -> Self {
        let connecting = UnixStream::connect(directory.join(format!(".s.PGSQL.{port}")));
        Self(match limit {
            None => connecting.await,
            Some(limit) => {
                timeout(limit, connecting).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
            }
        })
    }

    fn stream(self: Pin<&mut Self>) -> io::Result<Pin<&mut UnixStream>> {
        match &mut self.get_mut().0 {
            Ok(stream) => Ok(Pin::new(stream)),
            Err(error) => Err(std::mem::replace(error, ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for UnixSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for UnixSocket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(context)
    }
}
