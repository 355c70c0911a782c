//! TLS by rustls.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use rustls::CertificateError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::spawn_blocking;
use tokio_postgres::Socket;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::certificates::client_config;
use super::size_limits::{LimitedStream, StreamState};
use crate::config::{Server, Ssl};

const NOT_STARTED: u8 = 0;
const STARTED: u8 = 1;
const SUCCEEDED: u8 = 2;

/// `SSLRequest`: its length and its code.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const NOT_OFFERED: &str = "server does not support TLS";

type Maker = MakeRustlsConnect;
type Encrypted<S> = <Maker as MakeTlsConnect<S>>::Stream;

/// The TLS connector of a connection and its cancel requests. It knows whether the connection is encrypted.
///
/// tokio-postgres is configured for TLS without negotiation (`sslnegotiation=direct`), and this connector negotiates
/// itself. So every connection, in plaintext too, runs over a stream of ours, which limits the data that a server may
/// send.
#[derive(Clone)]
pub(super) struct Tls {
    maker: Maker,
    mode: SslMode,
    negotiation: SslNegotiation,
    /// Progress of the handshake. The connection itself does not expose whether it is encrypted.
    progress: Arc<AtomicU8>,
    stream_state: StreamState,
}

/// The handshake of one connection over `S`.
pub(super) struct Handshake<S>
where
    Maker: MakeTlsConnect<S>,
{
    inner: <Maker as MakeTlsConnect<S>>::TlsConnect,
    mode: SslMode,
    negotiation: SslNegotiation,
    progress: Arc<AtomicU8>,
    stream_state: StreamState,
}

/// A stream, encrypted or in plaintext.
pub(super) enum Stream<S>
where
    Maker: MakeTlsConnect<S>,
{
    Plain(S),
    Encrypted(Box<Encrypted<S>>),
}

impl Tls {
    /// Reads the certificate files. An error names the file that can't be read.
    pub(super) async fn load(ssl: &Ssl, negotiation: SslNegotiation) -> Result<Self, String> {
        let (ssl, mode) = (ssl.clone(), ssl.mode);
        // The system's store has some hundred files.
        let config =
            spawn_blocking(move || client_config(&ssl)).await.map_err(|error| error.to_string())??;
        let (progress, stream_state) = Default::default();
        Ok(Self { maker: Maker::new(config), mode, negotiation, progress, stream_state })
    }

    /// Returns the connector for another connection, with another mode.
    pub(super) fn for_connection(&self, mode: SslMode) -> Self {
        Self { mode, progress: Arc::default(), stream_state: StreamState::default(), ..self.clone() }
    }

    /// Returns the connector for another connection of the same mode.
    pub(super) fn for_same_mode(&self) -> Self {
        self.for_connection(self.mode)
    }

    /// Returns the state of its stream.
    pub(super) fn stream_state(&self) -> &StreamState {
        &self.stream_state
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress.load(Ordering::Relaxed) == SUCCEEDED
    }

    /// Returns whether the handshake began and did not succeed.
    pub(super) fn has_failed(&self) -> bool {
        self.progress.load(Ordering::Relaxed) == STARTED
    }

    /// Returns the handshake of a connection or a cancel request.
    pub(super) fn handshake<S>(&self, domain: &str) -> Handshake<S>
    where
        Maker: MakeTlsConnect<S, Error = std::convert::Infallible>,
    {
        let Ok(inner) = MakeTlsConnect::<S>::make_tls_connect(&mut self.maker.clone(), domain);
        let (mode, negotiation) = (self.mode, self.negotiation);
        Handshake {
            inner,
            mode,
            negotiation,
            progress: self.progress.clone(),
            stream_state: self.stream_state.clone(),
        }
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = LimitedStream<Stream<Socket>>;
    type TlsConnect = Handshake<Socket>;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake<Socket>, Self::Error> {
        // A name may have several addresses, and each has its own handshake.
        self.progress.store(NOT_STARTED, Ordering::Relaxed);
        Ok(self.handshake(domain))
    }
}

impl<S> TlsConnect<S> for Handshake<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Maker: MakeTlsConnect<S>,
    <Maker as MakeTlsConnect<S>>::TlsConnect:
        TlsConnect<S, Stream = Encrypted<S>, Error = io::Error, Future: Send> + Send + 'static,
{
    type Stream = LimitedStream<Stream<S>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, mut stream: S) -> Self::Future {
        Box::pin(async move {
            let stream = if negotiate(self.mode, self.negotiation, &mut stream).await? {
                self.progress.store(STARTED, Ordering::Relaxed);
                let encrypted = self.inner.connect(stream).await?;
                self.progress.store(SUCCEEDED, Ordering::Relaxed);
                Stream::Encrypted(Box::new(encrypted))
            } else {
                Stream::Plain(stream)
            };
            Ok(LimitedStream::new(stream, self.stream_state))
        })
    }
}

/// Negotiates encryption: returns whether the settings and the server's answer ask for it.
async fn negotiate<S: AsyncRead + AsyncWrite + Unpin>(
    mode: SslMode,
    negotiation: SslNegotiation,
    stream: &mut S,
) -> io::Result<bool> {
    match (mode, negotiation) {
        (SslMode::Disable, _) => return Ok(false),
        (SslMode::Prefer, SslNegotiation::Direct) => {
            return Err(io::Error::other("sslnegotiation=direct goes with sslmode=require and above"));
        }
        (_, SslNegotiation::Direct) => return Ok(true),
        _ => {}
    }
    stream.write_all(&REQUEST).await?;
    match (stream.read_u8().await?, mode) {
        (b'S', _) => Ok(true),
        (_, SslMode::Prefer) => Ok(false),
        _ => Err(io::Error::other(NOT_OFFERED)),
    }
}

impl<S> AsyncRead for Stream<S>
where
    S: AsyncRead + Unpin,
    Maker: MakeTlsConnect<S>,
{
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl<S> AsyncWrite for Stream<S>
where
    S: AsyncWrite + Unpin,
    Maker: MakeTlsConnect<S>,
{
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl<S> TlsStream for Stream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
    Maker: MakeTlsConnect<S>,
{
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Self::Plain(_) => ChannelBinding::none(),
            Self::Encrypted(stream) => stream.channel_binding(),
        }
    }
}

/// Explains a failed handshake, if `cause` is one.
pub(super) fn explain(cause: &(dyn Error + 'static)) -> Option<String> {
    if cause.to_string() == NOT_OFFERED {
        return Some(format!("the {NOT_OFFERED}, and sslmode asks for it"));
    }
    let inner = cause.downcast_ref::<io::Error>()?.get_ref()?;
    Some(match inner.downcast_ref::<rustls::Error>()? {
        // `BadSignature` if the authority only has the same name as a trusted one.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "the server's certificate is not of an authority that is trusted; name yours by sslrootcert"
            .to_owned(),
        error => format!("TLS: {error}"),
    })
}

/// Warns once about plaintext connections that others could read.
#[derive(Debug, Default)]
pub(super) struct PlaintextWarning(AtomicBool);

impl PlaintextWarning {
    /// Reports a plaintext connection; `described` is its target in messages.
    pub(super) fn connected(&self, server: &Server, described: &str, reason: &str) {
        // A local connection can't be read by others.
        if server.is_local() || self.0.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            target: "tallybook::pool",
            server = described,
            reason,
            "connected in clear; sslmode=require would insist on TLS, sslmode=disable not ask for it"
        );
    }
}
