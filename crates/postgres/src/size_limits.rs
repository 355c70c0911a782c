//! Limits on the data that a server may send.
//!
//! tokio-postgres buffers a message until it is complete, whatever length its header announces, and keeps everything
//! that arrives before the session is open. So the sizes are checked where the bytes arrive.

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

const HEADER_BYTES: usize = 5;
/// Longest message before the session is open, and longest parameter status at any time, in bytes.
const MAX_SMALL: u64 = 64 << 10;
/// Bytes of all messages before the session is open.
const MAX_STARTUP: u64 = 1 << 20;
/// Longest row or part of a COPY, in bytes. PostgreSQL's own limit is 1 GiB.
const MAX_ROW: u64 = 256 << 20;
/// Longest message of any other kind, in bytes: an error, a notice, the columns of a result.
const MAX_OTHER: u64 = 16 << 20;
/// Parameters that a server may report. tokio-postgres keeps them by name.
const MAX_SETTINGS: usize = 256;
/// Hashes of the password that authentication may request; each costs the client CPU time. PostgreSQL's default is
/// 4096.
const MAX_SCRAM_ITERATIONS: u64 = 1_000_000;

/// The state of a stream, shared with the code that opens its session.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamState(Arc<SharedState>);

#[derive(Debug, Default)]
struct SharedState {
    /// True once the server has authenticated the client and identified itself.
    is_open: AtomicBool,
    /// The limit that the server exceeded.
    problem: OnceLock<String>,
}

impl StreamState {
    /// Marks the session as open.
    pub(super) fn open(&self) {
        self.0.is_open.store(true, Ordering::Relaxed);
    }

    /// Returns the limit that the server exceeded. tokio-postgres reports it to the task that drives the connection,
    /// but not to callers waiting for an answer.
    pub(super) fn problem(&self) -> Option<&str> {
        self.0.problem.get().map(String::as_str)
    }

    fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Relaxed)
    }
}

/// A stream that fails when the server exceeds a limit.
pub(super) struct LimitedStream<S> {
    stream: S,
    messages: MessageScanner,
}

/// Splits a stream into messages and checks their sizes.
struct MessageScanner {
    stream_state: StreamState,
    /// Bytes of an incomplete header.
    header: Vec<u8>,
    /// Bytes of the current body still to come.
    left: u64,
    tag: u8,
    /// The current body, for kinds of messages whose content is checked.
    body: Option<Vec<u8>>,
    /// Bytes received before the session is open.
    startup: u64,
    /// Hashes of the names of reported parameters.
    settings: HashSet<u64, FixedState>,
}

impl<S> LimitedStream<S> {
    pub(super) fn new(stream: S, stream_state: StreamState) -> Self {
        let messages = MessageScanner {
            stream_state,
            header: Vec::with_capacity(HEADER_BYTES),
            left: 0,
            tag: 0,
            body: None,
            startup: 0,
            settings: HashSet::default(),
        };
        Self { stream, messages }
    }
}

impl MessageScanner {
    /// Checks the next bytes of the stream.
    fn scan(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if !self.stream_state.is_open() {
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
                let [tag, a, b, c, d] = match bytes.split_first_chunk::<HEADER_BYTES>() {
                    Some((header, rest)) if self.header.is_empty() => {
                        bytes = rest;
                        *header
                    }
                    _ => {
                        let taken = bytes.len().min(HEADER_BYTES - self.header.len());
                        self.header.extend_from_slice(&bytes[..taken]);
                        bytes = &bytes[taken..];
                        let Ok(header) = <[u8; HEADER_BYTES]>::try_from(&self.header[..]) else { continue };
                        self.header.clear();
                        header
                    }
                };
                self.begin_message(tag, u32::from_be_bytes([a, b, c, d]).into())?;
            }
            if self.left == 0
                && let Some(body) = self.body.take()
            {
                self.end_message(&body)?;
            }
        }
        Ok(())
    }

    /// Begins a message. `length` includes itself but not the tag.
    fn begin_message(&mut self, tag: u8, length: u64) -> io::Result<()> {
        let limit = match tag {
            _ if !self.stream_state.is_open() => MAX_SMALL,
            b'S' => MAX_SMALL,
            b'D' | b'd' => MAX_ROW,
            _ => MAX_OTHER,
        };
        if length > limit {
            return refuse(format!(
                "the server sends a message of {length} bytes where at most {limit} are taken"
            ));
        }
        self.tag = tag;
        self.left = length.saturating_sub(4);
        self.body = matches!(tag, b'R' | b'S').then(Vec::new);
        Ok(())
    }

    fn end_message(&mut self, body: &[u8]) -> io::Result<()> {
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

/// Returns the number of hashes that a SCRAM challenge (`r=…,s=…,i=4096`) requests.
fn scram_iterations(body: &[u8]) -> u64 {
    let Some([0, 0, 0, 11]) = body.first_chunk() else { return 0 };
    let text = String::from_utf8_lossy(&body[4..]);
    let iterations = text.split(',').find_map(|part| part.strip_prefix("i="));
    iterations.map_or(0, |number| number.parse().unwrap_or(u64::MAX))
}

fn refuse(problem: String) -> io::Result<()> {
    Err(io::Error::new(ErrorKind::InvalidData, problem))
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, messages } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(stream).poll_read(context, buffer))?;
        Poll::Ready(messages.scan(&buffer.filled()[before..]).inspect_err(|error| {
            let _ = messages.stream_state.0.problem.set(error.to_string());
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LimitedStream<S> {
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

impl<S: TlsStream + Unpin> TlsStream for LimitedStream<S> {
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

    /// Scans bytes in pieces of a given size.
    fn scan(bytes: &[u8], piece: usize, is_open: bool) -> io::Result<()> {
        let stream_state = StreamState::default();
        if is_open {
            stream_state.open();
        }
        let mut bounded = LimitedStream::new((), stream_state);
        bytes.chunks(piece).try_for_each(|piece| bounded.messages.scan(piece))
    }

    fn problem(bytes: &[u8], is_open: bool) -> String {
        let problems: Vec<_> =
            [1, 3, 4096].map(|piece| scan(bytes, piece, is_open).unwrap_err().to_string()).into();
        assert!(problems.iter().all(|problem| *problem == problems[0]), "{problems:?}");
        problems[0].clone()
    }

    #[test]
    fn a_length_is_refused_by_its_header_alone() {
        for (bytes, is_open, limit) in [
            (&b"HTTP/1.1 400"[..], false, MAX_SMALL),
            (b"D\x7f\xff\xff\xff", true, MAX_ROW),
            (b"E\x7f\xff\xff\xff", true, MAX_OTHER),
            (b"S\x00\x01\x00\x01", true, MAX_SMALL),
            (b"E\x00\x01\x00\x01", false, MAX_SMALL),
        ] {
            assert!(problem(bytes, is_open).ends_with(&format!("where at most {limit} are taken")));
        }
        assert!(scan(b"D\x0f\xff\xff\xff", 1, true).is_ok(), "a row of 256 MiB");
    }

    #[test]
    fn messages_before_a_session_are_limited_as_a_whole() {
        let notices = message(b'N', b"SNOTICE\0\0").repeat(MAX_STARTUP as usize / 14 + 1);
        assert!(problem(&notices, false).contains("before a session begins"));
        assert!(scan(&notices, 4096, true).is_ok(), "later they are taken one by one");
    }

    #[test]
    fn the_settings_of_a_server_are_counted_by_name() {
        let setting = |name: &str| message(b'S', format!("{name}\0on\0").as_bytes());
        assert!(scan(&setting("TimeZone").repeat(100_000), 4096, true).is_ok());
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
        assert!(scan(&challenge("4096"), 7, false).is_ok());
        for iterations in ["1000001", "4294967295", "99999999999999999999999"] {
            assert!(problem(&challenge(iterations), false).contains("scram_iterations"));
        }
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes_gives_the_same_result(bytes: Vec<u8>, piece in 1..9_usize, is_open: bool) {
            let text = |result: io::Result<()>| result.map_err(|error| error.to_string());
            prop_assert_eq!(text(scan(&bytes, piece, is_open)), text(scan(&bytes, 1, is_open)));
        }
    }
}
