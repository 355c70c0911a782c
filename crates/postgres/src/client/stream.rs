//! The byte stream to a server: TCP, encrypted or not, or a Unix socket.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::error::ClientError;
use crate::config::{Host, Server, TcpOptions};

/// A stream to a server.
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Stream {
    /// Connects to a server, without encryption. A name with several addresses stands for the first that accepts the
    /// connection. `connect_timeout` is the limit for each.
    pub(super) async fn connect(server: &Server, options: &TcpOptions) -> Result<Self, ClientError> {
        let limit = options.connect_timeout;
        match (&server.host, server.address) {
            (Host::Unix(directory), _) => {
                let path = directory.join(format!(".s.PGSQL.{}", server.port));
                within(limit, UnixStream::connect(path)).await.map(Self::Unix)
            }
            (Host::Tcp(_), Some(address)) => {
                connect_tcp(SocketAddr::new(address, server.port), options).await.map(Self::Tcp)
            }
            (Host::Tcp(name), None) => {
                let mut failure =
                    io::Error::new(ErrorKind::AddrNotAvailable, "the name of the host has no address");
                for address in within(limit, lookup_host((name.as_str(), server.port))).await? {
                    match connect_tcp(address, options).await {
                        Ok(stream) => return Ok(Self::Tcp(stream)),
                        Err(ClientError::Connect(error)) => failure = error,
                        Err(error) => return Err(error),
                    }
                }
                Err(ClientError::Connect(failure))
            }
        }
    }

    /// Returns whether it is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Returns the certificate of the server of an encrypted stream, in DER.
    pub(super) fn server_certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(stream) => Some(stream.get_ref().1.peer_certificates()?.first()?),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }
}

async fn connect_tcp(address: SocketAddr, options: &TcpOptions) -> Result<TcpStream, ClientError> {
    let stream = within(options.connect_timeout, TcpStream::connect(address)).await?;
    set_options(&stream, options).map_err(ClientError::Connect)?;
    Ok(stream)
}

fn set_options(stream: &TcpStream, options: &TcpOptions) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(options.user_timeout)?;
    if options.keepalives {
        let keepalive = TcpKeepalive::new()
            .with_time(options.keepalives_idle)
            .with_interval(options.keepalives_interval)
            .with_retries(options.keepalives_count);
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

/// Awaits a step of connecting.
async fn within<T>(
    limit: Option<Duration>,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, ClientError> {
    let result = match limit {
        None => step.await,
        Some(limit) => timeout(limit, step).await.unwrap_or_else(|_| Err(timed_out())),
    };
    result.map_err(ClientError::Connect)
}

/// Returns the error of a step that took longer than `connect_timeout`.
fn timed_out() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "connection timed out")
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
