//! The process id in a connection's cancel key.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tallybook_sql::lock::lock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Length and code precede the process id of a cancel request; the secret follows it.
const REQUEST: usize = 16;
const PID: std::ops::Range<usize> = 8..12;

/// Returns the process id in the connection's cancel key. tokio-postgres does not expose it, but writes it into cancel
/// requests: this one is captured and goes nowhere.
pub(super) async fn pid(client: &Client) -> Option<i64> {
    let captured = Arc::default();
    client
        .cancel_token()
        .cancel_query_raw(CapturedRequest(Arc::clone(&captured)), NoEncryption)
        .await
        .ok()?;
    let captured = lock(&captured);
    let request = captured.get(captured.len().checked_sub(REQUEST)?..)?;
    Some(i32::from_be_bytes(request[PID].try_into().ok()?).into())
}

/// Captures everything captured, and accepts encryption if that is requested.
struct CapturedRequest(Arc<Mutex<Vec<u8>>>);

/// A TLS connector that does not encrypt.
struct NoEncryption;

impl TlsConnect<CapturedRequest> for NoEncryption {
    type Stream = CapturedRequest;
    type Error = Infallible;
    type Future = Ready<Result<CapturedRequest, Infallible>>;

    fn connect(self, stream: CapturedRequest) -> Self::Future {
        ready(Ok(stream))
    }
}

impl TlsStream for CapturedRequest {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for CapturedRequest {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"S");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CapturedRequest {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.0).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
