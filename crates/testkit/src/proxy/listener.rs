use std::{io, net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

use super::{connection::Connection, mode::Mode, state::ProxyState};
use crate::{Error, port::free_port};

/// Accepts or refuses connections, and owns the tasks of the open ones.
pub(super) struct Listener {
    port: u16,
    socket: Option<TcpListener>,
    shared: Arc<ProxyState>,
    /// Reports whether the port is open, for callers that change the mode.
    listening: watch::Sender<bool>,
    connections: JoinSet<io::Result<()>>,
}

impl Listener {
    pub(super) async fn bind(shared: Arc<ProxyState>) -> Result<Self, Error> {
        let port = free_port()?;
        let socket = listen(port).await.map_err(|error| Error::new(format!("port {port}: {error}")))?;
        let (listening, connections) = (watch::Sender::new(true), JoinSet::new());
        Ok(Self { port, socket: Some(socket), shared, listening, connections })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn listening(&self) -> watch::Receiver<bool> {
        self.listening.subscribe()
    }

    pub(super) async fn run(mut self) {
        let mut modes = self.shared.mode.subscribe();
        loop {
            let mode = *modes.borrow_and_update();
            self.open_or_close(mode).await;
            tokio::select! {
                changed = modes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                client = accept(self.socket.as_ref()) => self.serve(client),
                // Removes connections that have ended.
                Some(_) = self.connections.join_next() => {}
            }
        }
    }

    async fn open_or_close(&mut self, mode: Mode) {
        match (mode == Mode::Refuse, &self.socket) {
            (true, Some(_)) => self.socket = None,
            (false, None) => self.socket = Some(listen_again(self.port).await),
            _ => {}
        }
        self.listening.send_replace(self.socket.is_some());
    }

    fn serve(&mut self, client: io::Result<TcpStream>) {
        // A client that has hung up already is ignored.
        if let Ok(client) = client {
            self.connections.spawn(Connection::new(client, &self.shared).run());
        }
    }
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Nothing else uses the port: see [`free_port`].
async fn listen_again(port: u16) -> TcpListener {
    loop {
        match listen(port).await {
            Ok(socket) => return socket,
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn accept(socket: Option<&TcpListener>) -> io::Result<TcpStream> {
    match socket {
        Some(socket) => Ok(socket.accept().await?.0),
        None => std::future::pending().await,
    }
}
