//! A network on loopback: what goes through it arrives a little later, in both directions.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// How long everything is on its way.
const DELAY: Duration = Duration::from_millis(1);

/// A way to a port of this machine; it lasts as long as the process. It is made of threads, because a timer of tokio
/// counts in whole milliseconds.
pub(super) fn to(server: u16) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    spawn(move || {
        for client in listener.incoming().flatten() {
            // Either side may hang up whenever it likes.
            let _ = join(client, server);
        }
    });
    Ok(port)
}

fn join(client: TcpStream, server: u16) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pass(client.try_clone()?, server.try_clone()?);
    pass(server, client);
    Ok(())
}

/// Two threads, so that what comes is taken while what came before is still on its way.
fn pass(mut from: TcpStream, to: TcpStream) {
    let (sender, receiver) = channel();
    spawn(move || deliver(&receiver, to));
    spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = from.read(&mut buffer)
            && length > 0
        {
            if sender.send((Instant::now() + DELAY, buffer[..length].to_vec())).is_err() {
                break;
            }
        }
    });
}

fn deliver(receiver: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (due, bytes) in receiver {
        sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
