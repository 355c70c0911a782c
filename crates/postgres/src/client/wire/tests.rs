//! Tests against a server of scripted bytes, over a pair of sockets.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::client::limits::{MAX_OTHER, MAX_ROW, MAX_SMALL};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Returns an open wire and the server's end.
fn pair() -> (Wire, UnixStream) {
    let (client, server) = UnixStream::pair().unwrap();
    let mut wire = Wire::new(Stream::Unix(client), "test:5432".to_owned());
    wire.set_logged_in();
    wire.set_open();
    (wire, server)
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[tag], &length[..], body].concat()
}

/// The answer to a request: rows with these texts.
fn answer(rows: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> = rows.iter().flat_map(|row| message(tag::ROW, row.as_bytes())).collect();
    bytes.extend(message(tag::COMMAND_COMPLETE, b"SELECT\0"));
    bytes.extend(message(tag::READY, b"I"));
    bytes
}

fn request(wire: &mut Wire) {
    wire.begin().unwrap();
    wire.sync();
}

/// Receives until nothing is owed. Returns the rows.
async fn rows(wire: &mut Wire) -> Result<Vec<String>, ClientError> {
    let mut rows = Vec::new();
    poll_fn(|context| {
        wire.poll_answers(context, &mut |message| {
            if message.tag == tag::ROW {
                rows.push(String::from_utf8_lossy(message.body).into_owned());
            }
            Ok(Flow::Continue)
        })
    })
    .await
    .map(|()| rows)
}

/// Polls once, as a future does that is dropped afterwards. Returns the rows it saw.
async fn poll_once(wire: &mut Wire) -> usize {
    let mut seen = 0;
    poll_fn(|context| {
        let _ = wire.poll_answers(context, &mut |message| {
            seen += usize::from(message.tag == tag::ROW);
            Ok(Flow::Continue)
        });
        Poll::Ready(())
    })
    .await;
    seen
}

fn problem(wire: &mut Wire) -> String {
    wire.begin().unwrap_err().to_string()
}

proptest! {
    #[test]
    fn answers_are_the_same_however_they_are_split(
        texts in prop::collection::vec("[a-z]{0,40}", 0..20),
        pieces in prop::collection::vec(1..50_usize, 1..10),
    ) {
        let expected = texts.clone();
        let seen = runtime().block_on(async move {
            let (mut wire, mut server) = pair();
            request(&mut wire);
            let bytes = answer(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            let (mut rest, mut sizes) = (&bytes[..], pieces.iter().cycle());
            let mut seen = Vec::new();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                server.write_all(piece).await.unwrap();
                rest = after;
                poll_fn(|context| {
                    let _ = wire.poll_answers(context, &mut |message| {
                        if message.tag == tag::ROW {
                            seen.push(String::from_utf8_lossy(message.body).into_owned());
                        }
                        Ok(Flow::Continue)
                    });
                    Poll::Ready(())
                })
                .await;
            }
            seen.extend(rows(&mut wire).await.unwrap());
            seen
        });
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn an_abandoned_answer_is_thrown_away_before_the_next_one() {
    runtime().block_on(async {
        let (mut wire, mut server) = pair();
        request(&mut wire);
        poll_once(&mut wire).await;
        let first = answer(&["first", "of the first"]);
        server.write_all(&first[..first.len() / 2]).await.unwrap();
        poll_once(&mut wire).await;
        request(&mut wire);
        server.write_all(&first[first.len() / 2..]).await.unwrap();
        server.write_all(&answer(&["second"])).await.unwrap();
        assert_eq!(rows(&mut wire).await.unwrap(), ["second"]);
        assert_eq!((wire.owed(), wire.status()), (0, TransactionStatus::Idle));
    });
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_taken_for_one() {
    runtime().block_on(async {
        for unasked in [answer(&["wrong"]), message(tag::READY, b"I"), message(tag::ROW, b"wrong")] {
            let (mut wire, mut server) = pair();
            server.write_all(&unasked).await.unwrap();
            request_after_arrival(&mut wire).await;
            assert!(problem(&mut wire).starts_with("the server "), "{}", problem(&mut wire));
        }
        let (mut wire, mut server) = pair();
        request(&mut wire);
        server.write_all(&[answer(&["right"]), answer(&["wrong"])].concat()).await.unwrap();
        assert_eq!(rows(&mut wire).await.unwrap(), ["right"]);
        assert_eq!(problem(&mut wire), "the server sends an answer that nobody asked for");
    });
}

/// Waits until the socket has something to read.
async fn request_after_arrival(wire: &mut Wire) {
    let Some(Stream::Unix(stream)) = &wire.stream else { unreachable!() };
    stream.readable().await.unwrap();
}

#[test]
fn reports_and_notices_come_at_any_time() {
    runtime().block_on(async {
        let (mut wire, mut server) = pair();
        let report = message(tag::PARAMETER_STATUS, b"default_transaction_read_only\0on\0");
        let notice = message(tag::NOTICE, b"SWARNING\0C25P01\0Mno transaction\0\0");
        server.write_all(&report).await.unwrap();
        request_after_arrival(&mut wire).await;
        request(&mut wire);
        assert!(wire.is_read_only_by_default());
        let others = [notice, message(tag::NOTIFICATION, b"\0\0\0\x01a\0b\0")].concat();
        server.write_all(&[others, answer(&["row"])].concat()).await.unwrap();
        assert_eq!(rows(&mut wire).await.unwrap(), ["row"]);
        assert!(wire.has_changed_settings());
    });
}

#[test]
fn a_server_that_hangs_up_is_noticed_without_a_request() {
    runtime().block_on(async {
        let (mut wire, mut server) = pair();
        assert!(!wire.is_lost());
        let farewell = message(tag::ERROR, b"SFATAL\0VFATAL\0C57P01\0Mterminated by an administrator\0\0");
        server.write_all(&farewell).await.unwrap();
        request_after_arrival(&mut wire).await;
        assert!(wire.is_lost());
        assert_eq!(problem(&mut wire), "FATAL: terminated by an administrator [57P01]");

        let (mut wire, server) = pair();
        drop(server);
        request_after_arrival(&mut wire).await;
        assert!(wire.is_lost());
        assert_eq!(problem(&mut wire), "the server closed the connection");
    });
}

#[test]
fn a_length_is_refused_by_its_header_alone() {
    runtime().block_on(async {
        for (bytes, is_open, limit) in [
            (&b"HTTP/1.1 400"[..], false, MAX_SMALL),
            (b"D\x7f\xff\xff\xff", true, MAX_ROW),
            (b"E\x7f\xff\xff\xff", true, MAX_OTHER),
            (b"S\x00\x01\x00\x01", true, MAX_SMALL),
            (b"E\x00\x01\x00\x01", false, MAX_SMALL),
            (b"D\x00\x00\x00\x03", true, MAX_ROW),
        ] {
            let (mut wire, mut server) = pair();
            request(&mut wire);
            wire.is_open = is_open;
            server.write_all(bytes).await.unwrap();
            let refused = rows(&mut wire).await.unwrap_err().to_string();
            assert!(refused.ends_with(&format!("where at most {limit} are taken")), "{refused}");
            assert!(wire.input.len() <= INPUT, "nothing was reserved for it");
        }
    });
}

#[test]
fn messages_before_a_session_are_limited_as_a_whole() {
    runtime().block_on(async {
        let (mut wire, mut server) = pair();
        wire.is_open = false;
        wire.owe();
        let notices = message(tag::NOTICE, b"SNOTICE\0\0").repeat(MAX_STARTUP / 14 + 1);
        let sending = tokio::spawn(async move { server.write_all(&notices).await });
        let refused = rows(&mut wire).await.unwrap_err().to_string();
        assert_eq!(refused, "the server sends more than 1048576 bytes before a session begins");
        drop(wire);
        let _ = sending.await.unwrap();
    });
}

#[test]
fn both_sides_write_more_than_their_sockets_hold() {
    const BYTES: usize = 8 << 20;
    runtime().block_on(async {
        let (mut wire, mut server) = pair();
        wire.begin().unwrap();
        wire.output().extend_from_slice(&vec![b'x'; BYTES]);
        wire.sync();
        let text = "y".repeat(BYTES);
        let large = answer(&[&text]);
        let other = tokio::spawn(async move {
            // It answers before it reads the rest, but for the end.
            let (most, end) = large.split_at(large.len() - 6);
            server.write_all(most).await.unwrap();
            let mut received = vec![0; BYTES + 5];
            server.read_exact(&mut received).await.unwrap();
            server.write_all(end).await.unwrap();
            received.len()
        });
        let received = rows(&mut wire).await.unwrap();
        assert!(received.len() == 1 && received[0] == text);
        assert_eq!(other.await.unwrap(), BYTES + 5);
        wire.make_room();
        assert_eq!(
            (wire.input.len(), wire.output.capacity() <= KEPT),
            (INPUT, true),
            "the memory is returned"
        );
    });
}

#[test]
fn a_copy_of_a_script_is_refused_and_leaves_nothing_owed() {
    runtime().block_on(async {
        let (mut wire, mut server) = pair();
        wire.begin().unwrap();
        wire.owe();
        server.write_all(&message(tag::COPY_IN, b"\0\0\0")).await.unwrap();
        let server_side = tokio::spawn(async move {
            let mut fail = vec![0; 5 + NO_COPY.len() + 1];
            server.read_exact(&mut fail).await.unwrap();
            server.write_all(&message(tag::ERROR, b"SERROR\0C57014\0Mrefused\0\0")).await.unwrap();
            server.write_all(&message(tag::READY, b"I")).await.unwrap();
            fail
        });
        let refused = poll_fn(|context| {
            wire.poll_answers(context, &mut |message| {
                Ok(if message.tag == tag::COPY_IN { Flow::RefuseCopy } else { Flow::Continue })
            })
        });
        refused.await.unwrap();
        assert_eq!(server_side.await.unwrap()[0], b'f');
        assert_eq!(wire.owed(), 0);
    });
}

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_abort_wakes_the_task_that_waits() {
    runtime().block_on(async {
        let (mut wire, _server) = pair();
        request(&mut wire);
        let count = Arc::new(Count::default());
        let waker = Arc::clone(&count).into();
        let mut context = Context::from_waker(&waker);
        let mut take = |_: Message<'_>| Ok(Flow::Continue);
        assert!(wire.poll_answers(&mut context, &mut take).is_pending());
        wire.abort();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        let Poll::Ready(Err(ClientError::Aborted)) = wire.poll_answers(&mut context, &mut take) else {
            panic!("it goes on");
        };
    });
}

#[test]
fn an_idle_connection_says_goodbye() {
    runtime().block_on(async {
        let (wire, mut server) = pair();
        drop(wire);
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, [b'X', 0, 0, 0, 4]);
    });
}
