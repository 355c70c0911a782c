//! A socket in the file system. tokio-postgres opens one itself only without a stream of ours around it.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The socket, or why there is none: the first use of it fails so, which makes that an error of tokio-postgres.
pub(super) struct Local(io::Result<UnixStream>);

impl Local {
    /// Connects to the server of a directory and a port.
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

impl AsyncRead for Local {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Local {
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
