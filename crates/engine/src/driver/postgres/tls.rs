//! Encryption of a connection, by rustls.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustls::CertificateError;
use tokio::task::spawn_blocking;
use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::cancel::UntilClosed;
use super::certificates::client_config;
use crate::settings::Ssl;

const CLEAR: u8 = 0;
const BEGUN: u8 = 1;
const DONE: u8 = 2;

type Maker = MakeRustlsConnect;
pub(super) type Stream = <Maker as MakeTlsConnect<Socket>>::Stream;

/// What encrypts a connection and its cancel requests, and knows whether it did.
#[derive(Clone)]
pub(super) struct Tls {
    maker: Maker,
    /// How far the handshake has come. Only this tells: the connection does not say what it runs over.
    progress: Arc<AtomicU8>,
}

/// The handshake of one connection.
pub(super) struct Handshake {
    inner: <Maker as MakeTlsConnect<Socket>>::TlsConnect,
    progress: Arc<AtomicU8>,
}

impl Tls {
    /// Reads the files that are asked for; the problem names the one that cannot be read.
    pub(super) async fn load(ssl: &Ssl) -> Result<Self, String> {
        let ssl = ssl.clone();
        // The system's authorities are some hundred files.
        let config =
            spawn_blocking(move || client_config(&ssl)).await.map_err(|error| error.to_string())??;
        Ok(Self { maker: Maker::new(config), progress: Arc::default() })
    }

    /// The same for another connection.
    pub(super) fn fresh(&self) -> Self {
        Self { maker: self.maker.clone(), progress: Arc::default() }
    }

    /// The handshake of a cancel request.
    pub(super) fn other(&self, domain: &str) -> <Maker as MakeTlsConnect<UntilClosed>>::TlsConnect {
        let Ok(handshake) = MakeTlsConnect::<UntilClosed>::make_tls_connect(&mut self.maker.clone(), domain);
        handshake
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress.load(Ordering::Relaxed) == DONE
    }

    /// The handshake was begun and came to no end.
    pub(super) fn has_failed(&self) -> bool {
        self.progress.load(Ordering::Relaxed) == BEGUN
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Stream;
    type TlsConnect = Handshake;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Self::Error> {
        // A name may have several addresses, one of them in clear.
        self.progress.store(CLEAR, Ordering::Relaxed);
        let inner = MakeTlsConnect::<Socket>::make_tls_connect(&mut self.maker, domain)?;
        Ok(Handshake { inner, progress: self.progress.clone() })
    }
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            self.progress.store(BEGUN, Ordering::Relaxed);
            let stream = self.inner.connect(socket).await?;
            self.progress.store(DONE, Ordering::Relaxed);
            Ok(stream)
        })
    }
}

/// What to say of a failed handshake, if that is what it is.
pub(super) fn explain(cause: &(dyn Error + 'static)) -> Option<String> {
    if cause.to_string() == "server does not support TLS" {
        return Some("the server does not support TLS, and sslmode asks for it".to_owned());
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
