//! Serving connections: TLS, limits for slow clients, and an end that cuts off no request.

mod connection;
mod ending;
mod settings;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub(crate) use ending::Ending;
pub use settings::{ListenSettings, TlsFiles};

use connection::Connections;

/// The pause after an error of the system, such as no more file descriptors.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// A bound address, ready to serve.
pub struct Listener {
    socket: TcpListener,
    settings: ListenSettings,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Listener {
    /// Binds the address, and reads the files of TLS.
    ///
    /// # Errors
    /// If the address is taken or not ours, or a file is missing, unreadable or no certificate or key.
    pub async fn bind(settings: ListenSettings) -> io::Result<Self> {
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let socket = TcpListener::bind(settings.address).await?;
        Ok(Self { socket, settings, tls })
    }

    /// Returns the address, with the port that the system chose if it was 0.
    ///
    /// # Errors
    /// As the system reports them.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Serves the routes until `stopped` ends; then takes no new connection, finishes the requests that run, and returns.
///
/// Returns whether all were finished within [`ListenSettings::shutdown_limit`]; others are cut off.
pub async fn serve(listener: Listener, routes: Router, stopped: impl Future<Output = ()> + Send) -> bool {
    let Listener { socket, settings, tls } = listener;
    let room = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = GracefulShutdown::new();
    let (end, ending) = Ending::new();
    let connections = Connections::new(routes, tls, settings.header_time_limit, ending);
    let mut stopped = std::pin::pin!(stopped);
    loop {
        // While there is no room, new connections wait in the system's queue.
        let accepted = tokio::select! {
            () = &mut stopped => break,
            accepted = accept(&socket, &room) => accepted,
        };
        match accepted {
            Ok((stream, _, place)) => connections.serve(stream, place, &graceful),
            Err(error) => {
                tracing::warn!(target: "tallybook::server", reason = %error, "a connection was not accepted");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
    drop(socket);
    end.send_replace(true);
    timeout(settings.shutdown_limit, graceful.shutdown()).await.is_ok()
}

type Accepted = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

async fn accept(socket: &TcpListener, room: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, address, place))
}
