//! Servers that send what no server should: a clear error, bounded memory, no hang, and no answer that is another's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tallybook_postgres::Connection;
use tallybook_sql::{Error, all, execute, one, params};

use crate::fake_server::{FakeServer, Step};
use crate::rewriter::{Message, Rewriter, message, with_length};
use crate::server::Server;
use crate::support::{connect, full, goes_on, read, refused, run, try_connect, within};

/// Bytes that fit into buffers between two programs without being read, plus what a client may read.
const MAX_TAKEN: u64 = 24 << 20;

/// A caller's patience with an answer that never ends.
const SOON: Duration = Duration::from_secs(1);

fn say(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Say(bytes.into())
}

/// AuthenticationRequest of a type.
fn authentication(kind: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], rest].concat())
}

/// Returns the error of a connection attempt.
async fn refusal(script: Vec<Step>) -> String {
    refusal_with(script, "sslmode=disable").await
}

async fn refusal_with(script: Vec<Step>, parameters: &str) -> String {
    let server = FakeServer::start(script.clone()).await;
    let error = refused(&server.url(parameters)).await;
    assert!(error.is_connect(), "{error:?} of {script:?}");
    let text = full(&error);
    assert!(!text.contains("secret"), "{text}");
    assert!(server.sent() < MAX_TAKEN, "it took {} bytes: {text}", server.sent());
    assert!(server.connections() <= 2, "it asked {} times", server.connections());
    text
}

macro_rules! refusals {
    ($($name:ident: $script:expr => $expected:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let text = refusal($script).await;
            let expected: &[&str] = &$expected;
            let found = expected.iter().any(|part| text.to_lowercase().contains(part));
            assert!(found || expected.is_empty(), "{text}");
        }
    )*};
}

// What a server says to StartupMessage, before any session.
refusals! {
    a_server_that_closes_at_once: vec![] => ["is a server running there", "closed"];
    a_server_that_closes_after_the_request: vec![Step::Hear] => ["is a server running there", "closed"];
    a_server_that_closes_in_the_middle_of_a_message:
        vec![Step::Hear, say(with_length(b'R', 8, &[0, 0]))] => ["closed", "end of file", "eof", "remaining"];
    a_server_that_closes_after_letting_in:
        vec![Step::Hear, say(authentication(0, &[]))] => ["closed", "end of file", "early eof"];
    a_server_of_another_protocol:
        vec![Step::Hear, say(*b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), Step::Stay] => ["bytes where at most"];
    a_server_that_sends_zeros_without_end:
        vec![Step::Hear, Step::Flood(vec![0; 1024])] => [];
    a_server_that_sends_noise_without_end:
        vec![Step::Hear, Step::Flood((0..=255).rev().collect())] => [];
    a_message_that_claims_two_gigabytes:
        vec![Step::Hear, say(with_length(b'E', 0x7fff_ffff, &[])), Step::Stay] => ["2147483647 bytes"];
    a_message_of_negative_length:
        vec![Step::Hear, say(with_length(b'R', 0x8000_0000, &[])), Step::Stay] => ["bytes", "length"];
    a_message_of_length_minus_one:
        vec![Step::Hear, say(with_length(b'R', u32::MAX, &[])), Step::Stay] => ["bytes", "length"];
    a_message_shorter_than_its_own_length:
        vec![Step::Hear, say(with_length(b'R', 3, &[0; 4])), Step::Stay] => [];
    a_message_of_length_zero:
        vec![Step::Hear, say(with_length(b'R', 0, &[0; 4])), Step::Stay] => [];
    an_authentication_request_without_its_type:
        vec![Step::Hear, say(message(b'R', &[])), Step::Stay] => [];
    an_authentication_request_of_half_a_type:
        vec![Step::Hear, say(message(b'R', &[0, 0])), Step::Stay] => [];
    a_session_that_begins_without_authentication:
        vec![Step::Hear, say(message(b'Z', b"I")), Step::Stay] => [];
    a_row_before_authentication:
        vec![Step::Hear, say(message(b'D', &[0, 0])), Step::Stay] => [];
    a_copy_before_authentication:
        vec![Step::Hear, say(message(b'W', &[0, 0, 0])), Step::Stay] => [];
    kerberos: vec![Step::Hear, say(authentication(2, &[])), Step::Stay] => ["supported", "asks for"];
    gss: vec![Step::Hear, say(authentication(7, &[])), Step::Stay] => ["supported", "asks for"];
    sspi: vec![Step::Hear, say(authentication(9, &[])), Step::Stay] => ["supported", "asks for"];
    scm_credentials: vec![Step::Hear, say(authentication(6, &[])), Step::Stay] => ["supported", "asks for"];
    an_authentication_that_does_not_exist:
        vec![Step::Hear, say(authentication(4_000_000_000, &[])), Step::Stay] => ["unknown", "supported", "asks for"];
    md5_without_a_whole_salt:
        vec![Step::Hear, say(authentication(5, &[1, 2])), Step::Stay] => [];
    sasl_without_a_mechanism:
        vec![Step::Hear, say(authentication(10, &[0])), Step::Stay] => ["supported", "mechanism", "scram"];
    sasl_with_a_mechanism_that_is_unknown:
        vec![Step::Hear, say(authentication(10, b"SCRAM-SHA-512\0\0")), Step::Stay]
            => ["supported", "mechanism", "scram"];
    sasl_whose_list_has_no_end:
        vec![Step::Hear, say(authentication(10, b"SCRAM-SHA-256"))] => [];
    sasl_that_goes_on_before_it_began:
        vec![Step::Hear, say(authentication(11, b"r=abc,s=c2FsdA==,i=4096")), Step::Stay] => [];
    sasl_that_ends_before_it_began:
        vec![Step::Hear, say(authentication(12, b"v=abc=")), Step::Stay] => [];
    a_binding_to_a_channel_that_is_not_there:
        vec![Step::Hear, say(authentication(10, b"SCRAM-SHA-256-PLUS\0\0")), Step::Stay]
            => ["supported", "mechanism", "channel binding", "scram"];
    an_error_without_fields: vec![Step::Hear, say(message(b'E', &[])), Step::Stay] => [];
    an_error_whose_fields_do_not_end:
        vec![Step::Hear, say(message(b'E', b"SFATAL\0C28000")), Step::Stay] => [];
    an_error_in_bytes_that_are_no_text:
        vec![Step::Hear, say(message(b'E', b"SFATAL\0VFATAL\0C28000\0M\xff\xfe\0\0")), Step::Stay] => [];
    a_parameter_without_a_value:
        vec![Step::Hear, say([authentication(0, &[]), message(b'S', b"TimeZone")].concat())] => [];
    a_cancel_key_that_is_too_short:
        vec![Step::Hear, say([authentication(0, &[]), message(b'K', &[1, 2, 3])].concat())] => [];
    a_second_authentication:
        vec![Step::Hear, say([authentication(0, &[]), authentication(3, &[])].concat()), Step::Stay] => [];
}

#[tokio::test]
async fn endless_errors_and_settings_before_a_session_are_read_for_a_mebibyte_at_most() {
    for piece in [message(b'S', b"TimeZone\0UTC\0"), message(b'N', b"SNOTICE\0C00000\0Mhello\0\0")] {
        let text = refusal(vec![Step::Hear, say(authentication(0, &[])), Step::Flood(piece)]).await;
        assert!(text.contains("before a session begins"), "{text}");
    }
}

/// A real login by SCRAM, of which one message is changed on its way.
async fn scram(change: impl FnMut(Message) -> Vec<u8> + Send + 'static) -> Result<Connection, Error> {
    let server = Server::shared().await;
    let rewriter = Rewriter::start(server.port()).await;
    rewriter.rewrite(change);
    try_connect(&format!(
        "postgresql://salted:p4ss%20word@127.0.0.1:{}/postgres?sslmode=disable",
        rewriter.port()
    ))
    .await
}

/// Returns the type of an AuthenticationRequest.
fn kind(message: &Message) -> Option<u32> {
    (message.tag == b'R').then(|| u32::from_be_bytes(message.body[..4].try_into().unwrap()))
}

/// As [`scram`]: changes the text of a request of one type.
async fn scram_with(of: u32, change: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Result<Connection, Error> {
    scram(move |message| match kind(&message) {
        Some(found) if found == of => change(std::str::from_utf8(&message.body[4..]).unwrap()),
        _ => message.bytes(),
    })
    .await
}

/// The SASL messages of a server by their types.
const START: u32 = 10;
const CONTINUE: u32 = 11;
const FINAL: u32 = 12;

async fn scram_refused(of: u32, change: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let Err(error) = scram_with(of, change).await else { panic!("it was let in") };
    assert!(error.is_connect(), "{error:?}");
    let text = full(&error);
    assert!(!text.contains("p4ss"), "{text}");
    text
}

/// Changes one attribute, such as `i=4096`.
fn with_attribute(text: &str, attribute: char, change: impl Fn(&str) -> String) -> Vec<u8> {
    let parts = text.split(',').map(|part| {
        match part.strip_prefix(attribute).and_then(|rest| rest.strip_prefix('=')) {
            Some(value) => format!("{attribute}={}", change(value)),
            None => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(",").into_bytes()
}

fn continued(text: &[u8]) -> Vec<u8> {
    authentication(CONTINUE, text)
}

#[tokio::test]
async fn scram_that_nobody_changes_lets_in() {
    let mut connection = scram(|message| message.bytes()).await.unwrap();
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_server_that_lets_in_before_it_proved_itself_is_refused() {
    // In place of its challenge, of its proof, and of its list of mechanisms after the exchange began.
    for of in [CONTINUE, FINAL] {
        let text = scram_refused(of, |_| authentication(0, &[])).await;
        assert!(!text.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_asks_for_the_password_in_the_middle_of_scram_does_not_get_it() {
    for (kind, salt) in [(3, &[][..]), (5, &[1, 2, 3, 4])] {
        for of in [CONTINUE, FINAL] {
            scram_refused(of, move |_| authentication(kind, salt)).await;
        }
    }
}

#[tokio::test]
async fn a_nonce_that_does_not_extend_ours_is_refused() {
    for nonce in ["", "another", "r"] {
        scram_refused(CONTINUE, move |text| continued(&with_attribute(text, 'r', |_| nonce.to_owned())))
            .await;
    }
    // The client's own, without a part of the server's.
    scram_refused(CONTINUE, |text| continued(&with_attribute(text, 'r', |nonce| nonce[..8].to_owned())))
        .await;
    scram_refused(CONTINUE, |text| continued(&with_attribute(text, 'r', |nonce| format!("x{nonce}")))).await;
}

#[tokio::test]
async fn a_nonce_that_the_server_does_not_know_is_refused_by_it() {
    scram_refused(CONTINUE, |text| continued(&with_attribute(text, 'r', |nonce| format!("{nonce}x")))).await;
}

#[tokio::test]
async fn a_challenge_may_not_keep_the_client_busy() {
    for iterations in ["4000000000", "4294967295", "18446744073709551616", "1000001"] {
        let text = scram_refused(CONTINUE, move |text| {
            continued(&with_attribute(text, 'i', |_| iterations.to_owned()))
        })
        .await;
        assert!(text.contains("1000000"), "{iterations}: {text}");
    }
}

#[tokio::test]
async fn a_challenge_that_is_no_challenge_is_refused() {
    for iterations in ["0", "-1", "", "many"] {
        scram_refused(CONTINUE, move |text| continued(&with_attribute(text, 'i', |_| iterations.to_owned())))
            .await;
    }
    scram_refused(CONTINUE, |text| continued(&with_attribute(text, 's', |_| "!no base64!".to_owned()))).await;
    scram_refused(CONTINUE, |text| continued(format!("m=extension,{text}").as_bytes())).await;
    scram_refused(CONTINUE, |text| continued(&text.as_bytes()[..text.len() / 2])).await;
    scram_refused(CONTINUE, |_| continued(&[])).await;
    scram_refused(CONTINUE, |_| continued(&[0xff, 0xfe])).await;
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_is_refused() {
    // Its proof is changed, cut, missing, that of nothing, and an error.
    for proof in ["v=cGFzc3dvcmQ=", "v=", "", "e=other-error", "v=!", "x=y"] {
        let text = scram_refused(FINAL, move |_| authentication(FINAL, proof.as_bytes())).await;
        assert!(!text.is_empty());
    }
    scram_refused(FINAL, |text| {
        let last = text.len() - 2;
        let other = if text.as_bytes()[last] == b'A' { "E" } else { "A" };
        authentication(FINAL, format!("{}{other}=", &text[..last]).as_bytes())
    })
    .await;
}

#[tokio::test]
async fn an_exchange_that_begins_again_is_refused() {
    scram_refused(CONTINUE, |_| authentication(START, b"SCRAM-SHA-256\0\0")).await;
    scram_refused(FINAL, |_| authentication(START, b"SCRAM-SHA-256\0\0")).await;
}

#[tokio::test]
async fn a_server_may_say_that_it_authenticated_nobody_and_the_client_that_it_wants_more() {
    // `channel_binding=require` is about who the server is: an authentication that proves nothing is not taken.
    let script = vec![Step::Hear, say(authentication(0, &[])), Step::Stay];
    let text = refusal_with(script, "sslmode=disable&channel_binding=require").await;
    assert!(text.replace('_', " ").contains("channel binding"), "{text}");
    let script = vec![Step::Hear, say(authentication(3, &[])), Step::Stay];
    let text = refusal_with(script, "sslmode=disable&channel_binding=require").await;
    assert!(text.replace('_', " ").contains("channel binding"), "{text}");
}

// What a server says in a session.

/// The end that a change of a server's answer has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// An error, and the connection is not used again.
    Broken,
    /// The answer is right all the same, and so is the next one.
    Harmless,
    /// Either, and never a wrong answer.
    Either,
}

/// A session with a real server behind a relay, with a statement that was run before.
async fn session() -> (Rewriter, Connection) {
    let server = Server::shared().await;
    let rewriter = Rewriter::start(server.port()).await;
    let mut connection = connect(&server.trusted_at(rewriter.port())).await;
    assert_eq!(ask_pairs(&mut connection).await.unwrap(), expected_pairs());
    assert_eq!(ask_pairs(&mut connection).await.unwrap(), expected_pairs());
    (rewriter, connection)
}

type Pairs = Vec<(i64, String)>;

const PAIRS: &str = "SELECT n, 'number ' || n FROM generate_series(1::bigint, $1) AS n";

async fn ask_pairs(connection: &mut Connection) -> Result<Pairs, Error> {
    run(connection, all(PAIRS, params![3])).await
}

fn expected_pairs() -> Pairs {
    (1..=3).map(|n| (n, format!("number {n}"))).collect()
}

/// Another text each time: a statement that is not prepared.
async fn ask_new(connection: &mut Connection) -> Result<Pairs, Error> {
    run(connection, all(format!("{PAIRS} WHERE n > 0"), params![3])).await
}

/// The connection is closed, or the next statement answers its own question.
async fn never_wrong(connection: &mut Connection, what: &str, end: End) {
    let cleaned = within("cleaning", connection.clean(false)).await;
    if connection.is_closed() {
        assert!(end != End::Harmless, "{what}: it is closed: {cleaned:?}");
        return;
    }
    assert!(end != End::Broken, "{what}: it is not closed: {cleaned:?}");
    match run(connection, one::<(i64, String)>("SELECT $1, $2", params![7, "its own"])).await {
        Ok(row) => assert_eq!(row, (7, "its own".to_owned()), "{what}"),
        Err(error) => {
            assert!(end == End::Either && error.is_connection_lost(), "{what}: {cleaned:?}, then {error:?}");
            assert!(connection.is_closed(), "{what}: it fails and is not closed: {error:?}");
        }
    }
}

/// Changes the first message of a kind in the answers, for a statement that is prepared, one that is new, and a batch.
async fn changed(tag: u8, end: End, change: impl Fn(Message) -> Vec<u8> + Clone + Send + 'static) {
    for way in ["prepared", "new", "batch"] {
        let (rewriter, mut connection) = session().await;
        let (done, change) = (Arc::new(AtomicBool::new(false)), change.clone());
        let did = Arc::clone(&done);
        rewriter.rewrite(move |message| {
            let is_first = message.tag == tag && !did.swap(message.tag == tag, Ordering::SeqCst);
            if is_first { change(message) } else { message.bytes() }
        });
        let answer = match way {
            "prepared" => ask_pairs(&mut connection).await,
            "new" => ask_new(&mut connection).await,
            _ => {
                let batch = (all(PAIRS, params![3]), one::<(i64,)>("SELECT $1", params![5]));
                read(&mut connection, batch).await.map(|(pairs, number)| {
                    assert_eq!(number, (5,));
                    pairs
                })
            }
        };
        let what = format!("{} changed, {way}: {answer:?}", tag as char);
        if !done.load(Ordering::SeqCst) {
            // A prepared statement is not described again.
            assert!(way == "prepared" && answer.is_ok(), "{what}: nothing was changed");
            continue;
        }
        match (&answer, end) {
            (Ok(pairs), End::Harmless | End::Either) => assert_eq!(*pairs, expected_pairs(), "{what}"),
            (Err(error), End::Broken | End::Either) => {
                assert!(error.is_connection_lost() || error.is_decode(), "{what}");
            }
            _ => panic!("{what}, and {end:?} was expected"),
        }
        rewriter.pass();
        // A failure that only concerns the row leaves the connection as it is.
        let end = if end == End::Broken { End::Broken } else { End::Either };
        never_wrong(&mut connection, &what, end).await;
    }
}

macro_rules! changes {
    ($($name:ident: $tag:literal, $end:ident, |$message:pat_param| $change:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            changed($tag, End::$end, |$message| $change).await;
        }
    )*};
}

changes! {
    a_row_that_claims_two_gigabytes: b'D', Broken, |message| with_length(b'D', 0x7fff_ffff, &message.body);
    a_row_of_negative_length: b'D', Broken, |message| with_length(b'D', 0xffff_fff0, &message.body);
    a_row_of_length_zero: b'D', Broken, |message| with_length(b'D', 0, &message.body);
    a_row_of_length_three: b'D', Broken, |message| with_length(b'D', 3, &message.body);
    a_row_that_ends_before_its_values: b'D', Broken, |message| super::rewriter::message(b'D', &message.body[..9]);
    a_row_without_a_body: b'D', Broken, |_| message(b'D', &[]);
    a_row_with_bytes_behind_its_values: b'D', Broken, |found| message(b'D', &[&found.body[..], b"more"].concat());
    a_row_of_more_columns_than_described:
        b'D', Broken, |found| message(b'D', &[&[0, 3], &found.body[2..], &[0, 0, 0, 0]].concat());
    a_row_of_fewer_columns_than_described: b'D', Broken, |found| message(b'D', &[&[0, 1], &found.body[2..14]].concat());
    a_row_of_no_columns: b'D', Broken, |_| message(b'D', &[0, 0]);
    a_row_of_as_many_columns_as_can_be: b'D', Broken, |_| message(b'D', &[0xff, 0xff]);
    a_value_of_length_minus_two:
        b'D', Broken, |found| message(b'D', &[&found.body[..2], &[0xff, 0xff, 0xff, 0xfe], &found.body[6..]].concat());
    a_value_longer_than_its_row:
        b'D', Broken, |found| message(b'D', &[&found.body[..2], &[0x7f, 0xff, 0xff, 0xff], &found.body[6..]].concat());
    a_number_of_the_wrong_width:
        b'D', Either, |found| message(b'D', &[&[0, 2, 0, 0, 0, 4, 0, 0, 0, 1], &found.body[14..]].concat());
    a_text_that_is_none: b'D', Either, |_| {
        message(b'D', &[0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe])
    };
    an_answer_without_its_end: b'C', Broken, |_| Vec::new();
    a_command_without_its_tag: b'C', Either, |_| message(b'C', &[]);
    a_command_whose_tag_does_not_end: b'C', Either, |_| message(b'C', b"SELECT 3");
    a_command_whose_count_is_none: b'C', Either, |_| message(b'C', b"SELECT many\0");
    a_command_whose_count_is_too_large: b'C', Either, |_| message(b'C', b"SELECT 99999999999999999999999\0");
    a_command_in_bytes_that_are_no_text: b'C', Either, |_| message(b'C', b"\xff\xfe\0");
    two_ends_of_one_answer: b'C', Broken, |found| [found.bytes(), found.bytes()].concat();
    a_row_behind_the_end_of_its_answer: b'C', Broken, |found| {
        [found.bytes(), message(b'D', &[0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, b'x'])].concat()
    };
    a_portal_that_is_suspended: b'C', Broken, |_| message(b's', &[]);
    an_answer_that_is_empty: b'C', Either, |_| message(b'I', &[]);
    a_copy_to_the_client: b'2', Broken, |found| [found.bytes(), message(b'H', &[0, 0, 0])].concat();
    a_copy_from_the_client: b'2', Either, |found| [found.bytes(), message(b'G', &[0, 0, 0])].concat();
    a_copy_both_ways: b'2', Broken, |found| [found.bytes(), message(b'W', &[0, 0, 0])].concat();
    an_authentication_in_a_session: b'2', Broken, |found| [found.bytes(), authentication(3, &[])].concat();
    an_authentication_that_succeeds_again: b'2', Either, |found| [found.bytes(), authentication(0, &[])].concat();
    a_cancel_key_in_a_session: b'2', Either, |found| [found.bytes(), message(b'K', &[0; 8])].concat();
    a_message_of_a_kind_that_does_not_exist: b'2', Broken, |found| [found.bytes(), message(b'?', b"what")].concat();
    a_message_of_kind_zero: b'2', Broken, |found| [found.bytes(), message(0, b"")].concat();
    a_binding_that_is_confirmed_twice: b'2', Either, |found| found.bytes().repeat(2);
    a_binding_that_is_not_confirmed: b'2', Either, |_| Vec::new();
    a_setting_without_a_value: b'2', Either, |found| [found.bytes(), message(b'S', b"TimeZone")].concat();
    a_setting_between_two_messages: b'2', Harmless, |found| [found.bytes(), message(b'S', b"a\0b\0")].concat();
    a_notice_between_two_messages:
        b'2', Harmless, |found| [found.bytes(), message(b'N', b"SNOTICE\0C00000\0Mhello\0\0")].concat();
    a_notice_of_an_unknown_severity_and_no_code:
        b'2', Either, |found| [found.bytes(), message(b'N', b"SHINT\0\0")].concat();
    a_notification_between_two_messages:
        b'2', Harmless, |found| [found.bytes(), message(b'A', b"\0\0\0\x01channel\0payload\0")].concat();
    a_notification_that_does_not_end:
        b'2', Either, |found| [found.bytes(), message(b'A', b"\0\0\0\x01channel")].concat();
    an_error_without_fields_in_a_session: b'2', Broken, |_| message(b'E', &[]);
    two_ready_for_query: b'Z', Either, |found| found.bytes().repeat(2);
    a_ready_for_query_of_an_unknown_state: b'Z', Either, |_| message(b'Z', b"?");
    a_ready_for_query_without_a_state: b'Z', Either, |_| message(b'Z', &[]);
    a_ready_for_query_that_says_a_transaction_is_open: b'Z', Either, |_| message(b'Z', b"T");
    columns_that_end_too_early: b'T', Broken, |found| message(b'T', &found.body[..found.body.len() - 3]);
    columns_without_a_count: b'T', Broken, |_| message(b'T', &[]);
    as_many_columns_as_can_be: b'T', Broken, |_| message(b'T', &[0xff, 0xff]);
    no_columns: b'T', Broken, |_| message(b'T', &[0, 0]);
}

/// Lets the runtime see what has arrived.
async fn noticed() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// It has arrived before the next statement is sent.
#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_taken_for_no_other() {
    for answer in [
        vec![message(b'D', &[0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9])],
        vec![message(b'C', b"SELECT 1\0")],
        vec![message(b'Z', b"I")],
        vec![message(b'1', &[]), message(b'2', &[]), message(b'C', b"SELECT 0\0"), message(b'Z', b"I")],
        vec![message(b'W', &[0, 0, 0])],
        vec![message(b'T', &[0, 0])],
        vec![message(b'E', b"SERROR\0VERROR\0CXX000\0Mnobody asked\0\0"), message(b'Z', b"I")],
    ] {
        let (rewriter, mut connection) = session().await;
        rewriter.inject(&answer.concat()).await;
        noticed().await;
        let outcome = ask_pairs(&mut connection).await;
        match &outcome {
            Ok(pairs) => assert_eq!(*pairs, expected_pairs(), "{answer:?}"),
            Err(error) => assert!(error.is_connection_lost(), "{answer:?}: {error:?}"),
        }
        never_wrong(&mut connection, &format!("{answer:?}, {outcome:?}"), End::Either).await;
    }
}

/// A server may do that when it shuts down, between two statements.
#[tokio::test]
async fn a_fatal_error_that_nobody_asked_for_ends_the_connection() {
    let (rewriter, mut connection) = session().await;
    rewriter.inject(&message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating\0\0")).await;
    let error = ask_pairs(&mut connection).await.unwrap_err();
    assert!(error.is_connection_lost(), "{error:?}");
    never_wrong(&mut connection, "a fatal error", End::Broken).await;
}

/// A server may send notices and changed settings for as long as a statement runs, so there is no end to be known.
#[tokio::test]
async fn an_answer_that_never_ends_is_given_up_when_its_caller_gives_up() {
    for piece in [message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"), message(b'S', b"TimeZone\0UTC\0")] {
        let (rewriter, mut connection) = session().await;
        let before = rewriter.sent();
        rewriter.flood(&piece);
        let outcome = tokio::time::timeout(SOON, ask_pairs(&mut connection)).await;
        assert!(outcome.is_err(), "{outcome:?}");
        assert!(rewriter.sent() - before > (1 << 20), "it took {} bytes", rewriter.sent() - before);
        never_wrong(&mut connection, "an answer without end", End::Broken).await;
    }
}

/// Memory is taken for what has come, not for what is announced.
#[tokio::test]
async fn rows_that_are_announced_and_never_come_take_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["hostile::announce_rows", "--exact", "--ignored", "--nocapture"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
#[ignore = "a program for the test above, which runs it in a process of its own"]
async fn announce_rows() {
    let mut sessions = Vec::new();
    for _ in 0..8 {
        sessions.push(session().await);
    }
    let before = resident();
    for (rewriter, connection) in &mut sessions {
        // 255 MiB, which a row may have, and a part of it.
        rewriter.rewrite(|_| with_length(b'D', 255 << 20, &[0; 1 << 20]));
        let answer = tokio::time::timeout(Duration::from_millis(50), ask_pairs(connection)).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    let taken = resident() - before;
    assert!(taken < 128 << 20, "it took {taken} bytes");
}

/// Returns the memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux reports it");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test]
async fn the_rows_of_a_statement_that_wants_none_are_not_kept() {
    let (rewriter, mut connection) = session().await;
    let row = message(b'D', &[0, 1, 0, 0, 0, 1, b'x']);
    let many = row.repeat(1 << 10);
    rewriter.rewrite(move |message| if message.tag == b'D' { many.clone() } else { message.bytes() });
    let affected = run(&mut connection, execute("SELECT 'x' FROM generate_series(1, 1000)", params![])).await;
    assert_eq!(affected.unwrap(), 1_000);
    rewriter.pass();
    goes_on(&mut connection).await;
}
