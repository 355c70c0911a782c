use std::{io, net::Ipv4Addr, sync::Arc};

use tokio::{io::AsyncReadExt, net::TcpStream};

use super::{
    mode::Mode,
    pump::{Direction, Pump},
    state::{ConnectionState, ProxyState},
};

/// A client's connection through the proxy.
pub(super) struct Connection {
    client: TcpStream,
    shared: Arc<ProxyState>,
}

impl Connection {
    pub(super) fn new(client: TcpStream, shared: &Arc<ProxyState>) -> Self {
        Self { client, shared: Arc::clone(shared) }
    }

    pub(super) async fn run(mut self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let _open = shared.counters.open();
        let mode = *shared.mode.borrow();
        if !mode.connects() {
            return self.leave().await;
        }
        match TcpStream::connect((Ipv4Addr::LOCALHOST, shared.server)).await {
            Ok(server) => match self.relay(server).await? {
                Outcome::Ended => Ok(()),
                Outcome::Left => self.leave().await,
            },
            // A server that is down resets connection attempts.
            Err(_) => self.client.set_zero_linger(),
        }
    }

    /// Relays both directions until either side closes or the mode ends the connection.
    async fn relay(&mut self, mut server: TcpStream) -> io::Result<Outcome> {
        let _joined = self.shared.counters.joined();
        let state = ConnectionState::new(Arc::clone(&self.shared));
        self.client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut modes = self.shared.mode.subscribe();
        let (from_client, to_client) = self.client.split();
        let (from_server, to_server) = server.split();
        let there = Pump { direction: Direction::ToServer, from: from_client, to: to_server, state: &state };
        let back = Pump { direction: Direction::ToClient, from: from_server, to: to_client, state: &state };
        tokio::select! {
            outcome = there.run() => return outcome.map(|()| Outcome::Ended),
            outcome = back.run() => return outcome.map(|()| Outcome::Ended),
            _ = modes.wait_for(|mode| matches!(mode, Mode::Reset | Mode::HalfOpen)) => {}
        }
        if *modes.borrow() == Mode::Reset {
            server.set_zero_linger()?;
        }
        Ok(Outcome::Left)
    }

    /// Keeps a client without a server: discards what it sends until it closes the connection or is reset.
    async fn leave(mut self) -> io::Result<()> {
        let mut modes = self.shared.mode.subscribe();
        let mut chunk = [0; 8192];
        loop {
            tokio::select! {
                _ = modes.wait_for(|&mode| mode == Mode::Reset) => return self.client.set_zero_linger(),
                length = self.client.read(&mut chunk) => {
                    if length? == 0 {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// The state in which a relay leaves both sides.
enum Outcome {
    Ended,
    /// The client's side is still open.
    Left,
}
