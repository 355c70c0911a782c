//! Encryption of a connection, by rustls.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use rustls::CertificateError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::spawn_blocking;
use tokio_postgres::Socket;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::bounded::{Bounded, Watched};
use super::cancel::UntilClosed;
use super::certificates::client_config;
use crate::settings::Ssl;

const CLEAR: u8 = 0;
const BEGUN: u8 = 1;
const DONE: u8 = 2;

/// The request for encryption: its length and its code.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const NOT_OFFERED: &str = "server does not support TLS";

type Maker = MakeRustlsConnect;
type Encrypted<S> = <Maker as MakeTlsConnect<S>>::Stream;

/// What encrypts a connection and its cancel requests, and knows whether it did.
///
/// tokio-postgres is told that encryption begins at once (`sslnegotiation=direct`), and leaves to this whether there is
/// any; so every connection, one in clear as well, runs over a stream of ours, which bounds what a server may send.
#[derive(Clone)]
pub(super) struct Tls {
    maker: Maker,
    mode: SslMode,
    negotiation: SslNegotiation,
    /// How far the handshake has come. Only this tells: the connection does not say what it runs over.
    progress: Arc<AtomicU8>,
    watched: Watched,
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
    watched: Watched,
}

/// A connection, encrypted or in clear.
pub(super) enum Stream<S>
where
    Maker: MakeTlsConnect<S>,
{
    Clear(S),
    Encrypted(Box<Encrypted<S>>),
}

impl Tls {
    /// Reads the files that are asked for; the problem names the one that cannot be read.
    pub(super) async fn load(ssl: &Ssl, negotiation: SslNegotiation) -> Result<Self, String> {
        let (ssl, mode) = (ssl.clone(), ssl.mode);
        // The system's authorities are some hundred files.
        let config =
            spawn_blocking(move || client_config(&ssl)).await.map_err(|error| error.to_string())??;
        let (progress, watched) = Default::default();
        Ok(Self { maker: Maker::new(config), mode, negotiation, progress, watched })
    }

    /// The same for another connection.
    pub(super) fn fresh(&self, mode: SslMode) -> Self {
        Self { mode, progress: Arc::default(), watched: Watched::default(), ..self.clone() }
    }

    /// The same for another connection of the same kind.
    pub(super) fn again(&self) -> Self {
        self.fresh(self.mode)
    }

    /// The handshake of a cancel request.
    pub(super) fn other(&self, domain: &str) -> Handshake<UntilClosed> {
        self.handshake(domain)
    }

    /// What is known of its stream.
    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress.load(Ordering::Relaxed) == DONE
    }

    /// The handshake was begun and came to no end.
    pub(super) fn has_failed(&self) -> bool {
        self.progress.load(Ordering::Relaxed) == BEGUN
    }

    fn handshake<S>(&self, domain: &str) -> Handshake<S>
    where
        Maker: MakeTlsConnect<S, Error = std::convert::Infallible>,
    {
        let Ok(inner) = MakeTlsConnect::<S>::make_tls_connect(&mut self.maker.clone(), domain);
        let (mode, negotiation) = (self.mode, self.negotiation);
        Handshake { inner, mode, negotiation, progress: self.progress.clone(), watched: self.watched.clone() }
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Bounded<Stream<Socket>>;
    type TlsConnect = Handshake<Socket>;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake<Socket>, Self::Error> {
        // A name may have several addresses, one of them in clear.
        self.progress.store(CLEAR, Ordering::Relaxed);
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
    type Stream = Bounded<Stream<S>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Stream>> + Send>>;

    fn connect(self, mut stream: S) -> Self::Future {
        Box::pin(async move {
            let stream = if asks(self.mode, self.negotiation, &mut stream).await? {
                self.progress.store(BEGUN, Ordering::Relaxed);
                let encrypted = self.inner.connect(stream).await?;
                self.progress.store(DONE, Ordering::Relaxed);
                Stream::Encrypted(Box::new(encrypted))
            } else {
                Stream::Clear(stream)
            };
            Ok(Bounded::new(stream, self.watched))
        })
    }
}

/// Whether the connection is to be encrypted: by the settings, and by what the server says to them.
async fn asks<S: AsyncRead + AsyncWrite + Unpin>(
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
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
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
            Self::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
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
            Self::Clear(_) => ChannelBinding::none(),
            Self::Encrypted(stream) => stream.channel_binding(),
        }
    }
}

/// What to say of a failed handshake, if that is what it is.
pub(super) fn explain(cause: &(dyn Error + 'static)) -> Option<String> {
    if cause.to_string() == NOT_OFFERED {
        return Some(format!("the {NOT_OFFERED}, and sslmode asks for it"));
    }
    let inner = cause.downcast_ref::<io::Error>()?.get_ref()?;
    Some(match inner.downcast_ref::<rustls::Error>()? {
        // The second, if the authority only has the name of one that is trusted.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "the server's certificate is not of an authority that is trusted; name yours by sslrootcert"
            .to_owned(),
        error => format!("TLS: {error}"),
    })
}
