//! A relay in front of a PostgreSQL server: it counts how often a client waited for an answer, can fall
//! silent, and can hang up.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An answer is held back until both sides were quiet for this long. Whoever sends everything at once is not
/// disturbed by that; whoever waits for an answer before sending more is seen to turn.
const QUIET: Duration = Duration::from_millis(100);

pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    turns: AtomicUsize,
    mode: Mutex<Mode>,
}

/// What happens to what a client sends.
#[derive(Clone, Copy, Default)]
pub(crate) enum Mode {
    #[default]
    Relay,
    /// It gets lost, and so does everything on that connection from then on.
    Silent,
    /// It gets lost and the connection is closed.
    HangUp,
}

impl Proxy {
    /// Relays to a port of this machine.
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let state = Arc::clone(&shared);
                // Either side may hang up at any time.
                tokio::spawn(async move { relay(client, server, &state).await.ok() });
            }
        });
        Self { port, state }
    }

    /// The URL of a database by way of this proxy.
    pub(crate) fn url(&self, database: &tallybook_testkit::Database) -> String {
        database.url().replace(&format!(":{}/", database.port()), &format!(":{}/", self.port))
    }

    /// How often a client sent something and then waited, since the last call.
    pub(crate) fn turns(&self) -> usize {
        self.state.turns.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, state: &State) -> io::Result<()> {
    let (mut request, mut chunk) = ([0; 8192], [0; 8192]);
    let (mut asked, mut answer) = (false, Vec::new());
    loop {
        tokio::select! {
            length = client.read(&mut request) => {
                let length = length?;
                let mode = *state.mode.lock().unwrap();
                match mode {
                    Mode::Relay if length > 0 => server.write_all(&request[..length]).await?,
                    Mode::Relay | Mode::HangUp => return Ok(()),
                    Mode::Silent => pending().await,
                }
                asked = true;
            }
            length = server.read(&mut chunk) => {
                let length = length?;
                if length == 0 {
                    return client.write_all(&answer).await;
                }
                answer.extend_from_slice(&chunk[..length]);
            }
            () = tokio::time::sleep(QUIET), if !answer.is_empty() => {
                state.turns.fetch_add(usize::from(asked), Ordering::SeqCst);
                asked = false;
                client.write_all(&answer).await?;
                answer.clear();
            }
        }
    }
}
