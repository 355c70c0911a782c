//! Servers that send garbage: a client reads little of it and says why it stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tallybook::{Database, Result, Settings};
use tallybook_testkit::postgres;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::log::keep;
use crate::support::{eventually, read, try_read};

/// Bytes that a rogue server sends if nobody hangs up.
const FLOOD: u64 = 256 << 20;
/// Bytes that fit into buffers between two programs without being read, plus what a client may read.
const MAX_TAKEN: u64 = 24 << 20;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn welcome() -> Vec<u8> {
    message(b'R', &[0; 4])
}

/// Writes `piece` repeatedly; `taken` counts the bytes.
async fn flood(stream: &mut (impl AsyncWrite + Unpin), piece: impl Fn(u64) -> Vec<u8>, taken: &AtomicU64) {
    let mut number = 0;
    while taken.load(Ordering::Relaxed) < FLOOD {
        let bytes: Vec<u8> = (number..number + 64).flat_map(&piece).collect();
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        taken.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        number += 64;
    }
}

#[derive(Clone, Copy, Debug)]
enum Rogue {
    Web,
    LongMessage,
    Notices,
    Settings,
    Rows,
    Hashes,
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, rogue: Rogue, taken: &AtomicU64) {
    let zeros = |_| vec![0; 16 << 10];
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await;
    let start = match rogue {
        Rogue::Web => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        Rogue::LongMessage => b"R\x7f\xff\xff\xff".to_vec(),
        Rogue::Notices | Rogue::Settings => welcome(),
        Rogue::Rows => [welcome(), message(b'Z', b"I")].concat(),
        Rogue::Hashes => message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
    };
    let _ = stream.write_all(&start).await;
    match rogue {
        Rogue::Web | Rogue::LongMessage => flood(&mut stream, zeros, taken).await,
        Rogue::Notices => flood(&mut stream, |_| message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"), taken).await,
        Rogue::Settings => {
            flood(&mut stream, |number| message(b'S', format!("s{number}\0on\0").as_bytes()), taken).await;
        }
        Rogue::Rows => {
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(&message(b'T', b"\0\0")).await;
            flood(&mut stream, |_| message(b'D', b"\0\0"), taken).await;
        }
        Rogue::Hashes => {
            let read = stream.read(&mut request).await.unwrap_or(0);
            let first = String::from_utf8_lossy(&request[..read]).into_owned();
            let nonce = first.split("r=").nth(1).unwrap_or_default();
            let challenge = format!("r={nonce}x,s=c2FsdHNhbHQ=,i=4294967295");
            let _ = stream.write_all(&message(b'R', &[b"\0\0\0\x0b", challenge.as_bytes()].concat())).await;
            let _ = stream.read(&mut request).await;
        }
    }
}

/// Opens a database on a rogue server. Returns why that failed, and how many bytes it read.
async fn refusal(rogue: Rogue, over_socket: bool) -> (String, u64) {
    let taken = Arc::new(AtomicU64::new(0));
    let directory = tempfile::tempdir().unwrap();
    let (url, counted) = if over_socket {
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let (url, counted) =
            (format!("postgresql://u:p@/d?host={}", directory.path().display()), Arc::clone(&taken));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, rogue, &counted).await;
            }
        });
        (url, taken)
    } else {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counted = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, rogue, &counted).await;
            }
        });
        (format!("postgresql://u:p@127.0.0.1:{port}/d?sslmode=disable"), taken)
    };
    let error = Database::open(Settings::new(&url).unwrap()).await.expect_err("it is no database");
    (error.to_string(), counted.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread")]
async fn before_a_session_a_server_is_heard_for_a_mebibyte_at_most() {
    for over_socket in [false, true] {
        for (rogue, message) in [
            (Rogue::Web, "where at most 65536 are taken"),
            (Rogue::LongMessage, "where at most 65536 are taken"),
            (Rogue::Notices, "more than 1048576 bytes before a session begins"),
            (Rogue::Settings, "reports more than 256 settings"),
            (Rogue::Rows, "more than 1048576 bytes before a session begins"),
            (Rogue::Hashes, "more than 1000000 hashes of the password"),
        ] {
            let (error, taken) = refusal(rogue, over_socket).await;
            assert!(taken < MAX_TAKEN, "{rogue:?} sent {taken} bytes: {error}");
            assert!(error.contains(message), "{rogue:?}: {error}");
        }
    }
}

/// A proxy in front of a real server that answers by itself once it is told to.
struct Between {
    url: String,
    is_rogue: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
}

async fn between(
    url: &str,
    start: &'static [u8],
    piece: impl Fn(u64) -> Vec<u8> + Copy + Send + Sync + 'static,
) -> Between {
    let (credentials, place) = url.rsplit_once('@').unwrap();
    let (server, rest) = place.split_once('/').unwrap();
    let server = server.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let separator = if rest.contains('?') { '&' } else { '?' };
    let url = format!("{credentials}@127.0.0.1:{port}/{rest}{separator}sslmode=disable");
    let (is_rogue, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (rogue, counted) = (Arc::clone(&is_rogue), Arc::clone(&taken));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
            let (rogue, counted) = (Arc::clone(&rogue), Arc::clone(&counted));
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
                    if rogue.load(Ordering::Relaxed) {
                        let _ = to_client.write_all(start).await;
                        return flood(&mut to_client, piece, &counted).await;
                    }
                    let _ = to_client.write_all(&bytes[..read]).await;
                }
            });
        }
    });
    Between { url, is_rogue, taken }
}

impl Between {
    /// Returns the outcome of a read when the server turns rogue.
    async fn read(&self) -> (Result<Vec<(i64,)>>, u64) {
        let mut settings = Settings::new(&self.url).unwrap();
        settings.pool.pre_ping = false;
        let db = Database::open(settings).await.unwrap();
        read::<(i64,)>(&db, "SELECT 1::bigint").await;
        self.is_rogue.store(true, Ordering::Relaxed);
        let read = try_read(&db, "SELECT 2::bigint").await;
        (read, self.taken.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_message_longer_than_any_row_may_be_ends_the_connection_and_is_warned_of() {
    let database = postgres().await.database("rogue_row").await;
    let (kept, _guard) = keep();
    let between = between(database.url(), b"D\x3f\xff\xff\xff", |_| vec![0; 16 << 10]).await;
    let (read, taken) = between.read().await;
    assert!(read.unwrap_err().is_connection_lost());
    assert!(taken < MAX_TAKEN, "{taken}");
    // The task that drives the connection says so after the read has failed.
    eventually("it is warned of", async || !kept.lines("gave a connection up").is_empty()).await;
    let line = kept.lines("gave a connection up").concat();
    assert!(
        line.contains("a message of 1073741823 bytes where at most 268435456 are taken"),
        "{}",
        kept.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_remembers_so_many_settings_and_no_more() {
    let database = postgres().await.database("rogue_settings").await;
    let setting = |number: u64| message(b'S', format!("s{number}\0{}\0", "x".repeat(6_000)).as_bytes());
    let between = between(database.url(), b"", setting).await;
    let (read, taken) = between.read().await;
    assert!(read.unwrap_err().is_connection_lost());
    assert!(taken < MAX_TAKEN + (256 * 6_000), "{taken}");
}
