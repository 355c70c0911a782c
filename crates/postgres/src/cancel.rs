//! Cancel requests.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::Host;
use tokio_postgres::{CancelToken, NoTls};

use super::tls::Tls;
use super::unix_socket::UnixSocket;
use crate::config::Server;

/// Time limit for connecting to a Unix socket.
const LIMIT: Duration = Duration::from_secs(5);

/// Cancels the statement that runs on a connection. The request may arrive late.
pub(super) async fn cancel(
    token: &CancelToken,
    server: &Server,
    tls: &Tls,
    is_pooled: bool,
) -> Result<(), tokio_postgres::Error> {
    if !is_pooled {
        return match &server.host {
            Host::Tcp(_) => token.cancel_query(tls.clone()).await,
            Host::Unix(directory) => {
                token
                    .cancel_query_raw(UnixSocket::connect(directory, server.port, Some(LIMIT)).await, NoTls)
                    .await
            }
        };
    }
    let (token, server, tls) = (token.clone(), server.clone(), tls.clone());
    let sending = tokio::spawn(async move {
        match open(&server).await {
            Ok((stream, name)) => token.cancel_query_raw(UntilClosed(stream), tls.handshake(name)).await,
            Err(_) => token.cancel_query(tls).await,
        }
    });
    // The task does not panic; it only fails when the runtime shuts down.
    sending.await.unwrap_or(Ok(()))
}

/// Connects to the pooler for a cancel request.
///
/// tokio-postgres hangs up as soon as it has sent the request. PgBouncer then drops the request, and version 1.18
/// crashes if that happens while it forwards it. For the same reason the request runs in a task that is never dropped.
async fn open(server: &Server) -> io::Result<(Box<dyn Stream>, &str)> {
    let port = server.port;
    Ok(match (&server.host, server.address) {
        (Host::Unix(directory), _) => {
            (Box::new(UnixStream::connect(directory.join(format!(".s.PGSQL.{port}"))).await?), "")
        }
        (Host::Tcp(name), Some(address)) => (Box::new(TcpStream::connect((address, port)).await?), name),
        (Host::Tcp(name), None) => (Box::new(TcpStream::connect((&**name, port)).await?), name),
    })
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A stream whose shutdown waits until the other side closes it.
struct UntilClosed(Box<dyn Stream>);

impl AsyncRead for UntilClosed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for UntilClosed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut bytes = [0; 64];
            let mut buffer = ReadBuf::new(&mut bytes);
            // An error closes it as well.
            if ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer)).is_err()
                || buffer.filled().is_empty()
            {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
