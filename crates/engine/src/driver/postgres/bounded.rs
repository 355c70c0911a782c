//! How much a server may send. tokio-postgres keeps a message until it is whole, however long its header says that it is,
//! and what comes before a session begins until that begins; so both are measured where the bytes come in.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use foldhash::fast::FixedState;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

const HEADER: usize = 5;
/// A message before the session is open, and a setting that the server reports at any time.
const MAX_SMALL: u64 = 64 << 10;
/// All messages before the session is open.
const MAX_STARTUP: u64 = 1 << 20;
/// A row, and a part of a COPY. PostgreSQL itself ends at 1 GiB.
const MAX_ROW: u64 = 256 << 20;
/// Any other message: an error, a notice, the columns of a result.
const MAX_OTHER: u64 = 16 << 20;
/// Settings that a server reports: tokio-postgres remembers them by name.
const MAX_SETTINGS: usize = 256;
/// Each costs the client one hash of its password. PostgreSQL's own default is 4096.
const MAX_SCRAM_ITERATIONS: u64 = 1_000_000;

/// What is known of a stream by who waits for its session.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// The server let the client in, and said who it is.
    is_open: AtomicBool,
    /// What the server sent too much of.
    problem: OnceLock<String>,
}

impl Watched {
    /// The session is open.
    pub(super) fn open(&self) {
        self.0.is_open.store(true, Ordering::Relaxed);
    }

    /// What the server sent too much of. tokio-postgres tells only who waits for no answer.
    pub(super) fn problem(&self) -> Option<&str> {
        self.0.problem.get().map(String::as_str)
    }

    fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Relaxed)
    }
}

/// A stream of which no more is taken than a server that means well sends.
pub(super) struct Bounded<S> {
    stream: S,
    messages: Messages,
}

/// How far the messages of a server were read.
struct Messages {
    watched: Watched,
    /// The bytes of a header that have come.
    header: Vec<u8>,
    /// The bytes of a body that have not.
    left: u64,
    tag: u8,
    /// The body, of those that are looked at.
    body: Option<Vec<u8>>,
    /// All bytes before the session is open.
    startup: u64,
    /// The settings that were reported, by the hashes of their names.
    settings: HashSet<u64, FixedState>,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, watched: Watched) -> Self {
        let messages = Messages {
            watched,
            header: Vec::with_capacity(HEADER),
            left: 0,
            tag: 0,
            body: None,
            startup: 0,
            settings: HashSet::default(),
        };
        Self { stream, messages }
    }
}

impl Messages {
    /// Looks at the bytes that came next.
    fn examine(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if !self.watched.is_open() {
            self.startup += bytes.len() as u64;
            if self.startup > MAX_STARTUP {
                return refuse(format!(
                    "the server sends more than {MAX_STARTUP} bytes before a session begins"
                ));
            }
        }
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                if let Some(body) = &mut self.body {
                    body.extend_from_slice(&bytes[..taken]);
                }
                self.left -= taken as u64;
                bytes = &bytes[taken..];
            } else {
                let [tag, a, b, c, d] = match bytes.split_first_chunk::<HEADER>() {
                    Some((header, rest)) if self.header.is_empty() => {
                        bytes = rest;
                        *header
                    }
                    _ => {
                        let taken = bytes.len().min(HEADER - self.header.len());
                        self.header.extend_from_slice(&bytes[..taken]);
                        bytes = &bytes[taken..];
                        let Ok(header) = <[u8; HEADER]>::try_from(&self.header[..]) else { continue };
                        self.header.clear();
                        header
                    }
                };
                self.begin(tag, u32::from_be_bytes([a, b, c, d]).into())?;
            }
            if self.left == 0
                && let Some(body) = self.body.take()
            {
                self.end(&body)?;
            }
        }
        Ok(())
    }

    /// A message of this kind and length, which counts itself, begins.
    fn begin(&mut self, tag: u8, length: u64) -> io::Result<()> {
        let most = match tag {
            _ if !self.watched.is_open() => MAX_SMALL,
            b'S' => MAX_SMALL,
            b'D' | b'd' => MAX_ROW,
            _ => MAX_OTHER,
        };
        if length > most {
            return refuse(format!(
                "the server sends a message of {length} bytes where at most {most} are taken"
            ));
        }
        self.tag = tag;
        self.left = length.saturating_sub(4);
        self.body = matches!(tag, b'R' | b'S').then(Vec::new);
        Ok(())
    }

    fn end(&mut self, body: &[u8]) -> io::Result<()> {
        match self.tag {
            b'S' => {
                let name = body.split(|&byte| byte == 0).next().unwrap_or_default();
                self.settings.insert(FixedState::default().hash_one(name));
                if self.settings.len() > MAX_SETTINGS {
                    return refuse(format!("the server reports more than {MAX_SETTINGS} settings"));
                }
            }
            _ if scram_iterations(body) > MAX_SCRAM_ITERATIONS => {
                return refuse(format!(
                    "the server asks for more than {MAX_SCRAM_ITERATIONS} hashes of the password; see its \
                     scram_iterations"
                ));
            }
            _ => {}
        }
        Ok(())
    }
}

/// The hashes that a challenge of SCRAM (`r=…,s=…,i=4096`) asks for.
fn scram_iterations(body: &[u8]) -> u64 {
    let Some([0, 0, 0, 11]) = body.first_chunk() else { return 0 };
    let text = String::from_utf8_lossy(&body[4..]);
    let iterations = text.split(',').find_map(|part| part.strip_prefix("i="));
    iterations.map_or(0, |number| number.parse().unwrap_or(u64::MAX))
}

fn refuse(problem: String) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::InvalidData, problem))
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, messages } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(context, buffer))?;
        Poll::Ready(messages.examine(&buffer.filled()[before..]).inspect_err(|error| {
            let _ = messages.watched.0.problem.set(error.to_string());
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Bounded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 4).to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    /// Examines bytes in pieces of a size.
    fn examine(bytes: &[u8], piece: usize, is_open: bool) -> io::Result<()> {
        let watched = Watched::default();
        if is_open {
            watched.open();
        }
        let mut bounded = Bounded::new((), watched);
        bytes.chunks(piece).try_for_each(|piece| bounded.messages.examine(piece))
    }

    fn problem(bytes: &[u8], is_open: bool) -> String {
        let problems: Vec<_> =
            [1, 3, 4096].map(|piece| examine(bytes, piece, is_open).unwrap_err().to_string()).into();
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:?}");
        problems[0].clone()
    }

    #[test]
    fn a_length_is_refused_by_its_header_alone() {
        for (bytes, is_open, most) in [
            (&b"HTTP/1.1 400"[..], false, MAX_SMALL),
            (b"D\x7f\xff\xff\xff", true, MAX_ROW),
            (b"E\x7f\xff\xff\xff", true, MAX_OTHER),
            (b"S\x00\x01\x00\x01", true, MAX_SMALL),
            (b"E\x00\x01\x00\x01", false, MAX_SMALL),
        ] {
            assert!(problem(bytes, is_open).ends_with(&format!("where at most {most} are taken")));
        }
        assert!(examine(b"D\x0f\xff\xff\xff", 1, true).is_ok(), "a row of 256 MiB");
    }

    #[test]
    fn what_comes_before_a_session_is_bounded_as_a_whole() {
        let notices = message(b'N', b"SNOTICE\0\0").repeat(MAX_STARTUP as usize / 14 + 1);
        assert!(problem(&notices, false).contains("before a session begins"));
        assert!(examine(&notices, 4096, true).is_ok(), "later they are taken one by one");
    }

    #[test]
    fn the_settings_of_a_server_are_counted_by_name() {
        let setting = |name: &str| message(b'S', format!("{name}\0on\0").as_bytes());
        assert!(examine(&setting("TimeZone").repeat(100_000), 4096, true).is_ok());
        let many: Vec<u8> = (0..=MAX_SETTINGS).flat_map(|number| setting(&number.to_string())).collect();
        assert!(problem(&many, true).contains("more than 256 settings"));
    }

    #[test]
    fn a_challenge_may_not_keep_the_client_hashing() {
        let challenge = |iterations: &str| {
            message(
                b'R',
                &[&[0, 0, 0, 11], format!("r=abc,s=QSXCR+Q6sek8bf92,i={iterations}").as_bytes()].concat(),
            )
        };
        assert!(examine(&challenge("4096"), 7, false).is_ok());
        for iterations in ["1000001", "4294967295", "99999999999999999999999"] {
            assert!(problem(&challenge(iterations), false).contains("scram_iterations"));
        }
    }

    proptest! {
        #[test]
        fn any_pieces_of_any_bytes_lead_to_the_same_end(bytes: Vec<u8>, piece in 1..9_usize, is_open: bool) {
            let told = |result: io::Result<()>| result.map_err(|error| error.to_string());
            prop_assert_eq!(told(examine(&bytes, piece, is_open)), told(examine(&bytes, 1, is_open)));
        }
    }
}
