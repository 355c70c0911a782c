//! Cancel requests.

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::CancelKey;
use super::error::ClientError;
use super::session::encrypted;
use super::tls::Tls;
use crate::config::{PostgresTarget, Server, SslMode};

const CODE: i32 = 80_877_102;

/// Cancels the statement that runs in a session. The request has no answer and may arrive late.
///
/// It waits until the server hangs up, as libpq does: PgBouncer drops a request whose sender has left, and version 1.18
/// crashes if that happens while it forwards it. For the same reason the request runs in a task that is never dropped.
pub(crate) async fn cancel(
    target: &PostgresTarget,
    server: &Server,
    tls: &Tls,
    mode: SslMode,
    key: &CancelKey,
) -> Result<(), ClientError> {
    let (target, server, tls, key) = (target.clone(), server.clone(), tls.clone(), key.clone());
    let sending = tokio::spawn(async move {
        let mut stream = encrypted(&target, &server, &tls, mode).await?;
        stream.write_all(&request(&key)).await.map_err(ClientError::Io)?;
        stream.flush().await.map_err(ClientError::Io)?;
        // An error closes it as well. A server has nothing to say here.
        let _ = stream.read(&mut [0; 1]).await;
        Ok(())
    });
    // The task does not panic; it only fails when the runtime shuts down.
    sending.await.unwrap_or(Ok(()))
}

fn request(key: &CancelKey) -> BytesMut {
    let mut request = BytesMut::new();
    request.put_i32((12 + key.secret.len()) as i32);
    request.put_i32(CODE);
    request.put_i32(key.process);
    request.put_slice(&key.secret);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_the_session() {
        let key = CancelKey { process: 7, secret: vec![1, 2, 3, 4] };
        assert_eq!(request(&key)[..], [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 7, 1, 2, 3, 4]);
    }
}
