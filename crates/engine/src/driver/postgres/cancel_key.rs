//! The process that a server said, when the connection was made, would serve it.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Length and code come before the process id of a cancel request, and its secret after it.
const REQUEST: usize = 16;
const PROCESS: std::ops::Range<usize> = 8..12;

/// The process of the connection's cancel key. tokio-postgres doesn't tell it, but writes it into cancel requests; this
/// one goes nowhere.
pub(super) async fn process(client: &Client) -> Option<i64> {
    let written = Arc::default();
    client.cancel_token().cancel_query_raw(Recorder(Arc::clone(&written)), InClear).await.ok()?;
    let written = written.lock().unwrap_or_else(PoisonError::into_inner);
    let request = written.get(written.len().checked_sub(REQUEST)?..)?;
    Some(i32::from_be_bytes(request[PROCESS].try_into().ok()?).into())
}

/// Keeps what is written, and accepts encryption where that is asked for.
struct Recorder(Arc<Mutex<Vec<u8>>>);

/// Encryption that is none.
struct InClear;

impl TlsConnect<Recorder> for InClear {
    type Stream = Recorder;
    type Error = Infallible;
    type Future = Ready<Result<Recorder, Infallible>>;

    fn connect(self, stream: Recorder) -> Self::Future {
        ready(Ok(stream))
    }
}

impl TlsStream for Recorder {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Recorder {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
