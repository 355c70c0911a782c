//! Messages of a session that are wrong, too many, too few or out of turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tallybook_postgres::Connection;
use tallybook_sql::{Error, all, one, params};

use crate::rewriter::{Message, Rewriter, authentication, message, with_length};
use crate::server::Server;
use crate::support::{connect, read, run, within};

/// The end that a change of a server's answer has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// An error, and the connection is not used again.
    Broken,
    /// The answer is right all the same, and so is the next one.
    Harmless,
    /// Either, and never a wrong answer.
    Either,
}

/// A session with a real server behind a relay, with a statement that was run before.
pub(super) async fn session() -> (Rewriter, Connection) {
    let server = Server::shared().await;
    let rewriter = Rewriter::start(server.port()).await;
    let mut connection = connect(&server.trusted_at(rewriter.port())).await;
    assert_eq!(ask_pairs(&mut connection).await.unwrap(), expected_pairs());
    assert_eq!(ask_pairs(&mut connection).await.unwrap(), expected_pairs());
    (rewriter, connection)
}

pub(super) type Pairs = Vec<(i64, String)>;

const PAIRS: &str = "SELECT n, 'number ' || n FROM generate_series(1::bigint, $1) AS n";

pub(super) async fn ask_pairs(connection: &mut Connection) -> Result<Pairs, Error> {
    run(connection, all(PAIRS, params![3])).await
}

pub(super) fn expected_pairs() -> Pairs {
    (1..=3).map(|n| (n, format!("number {n}"))).collect()
}

/// Another text each time: a statement that is not prepared.
async fn ask_new(connection: &mut Connection) -> Result<Pairs, Error> {
    run(connection, all(format!("{PAIRS} WHERE n > 0"), params![3])).await
}

/// The connection is closed, or the next statement answers its own question.
pub(super) async fn never_wrong(connection: &mut Connection, what: &str, end: End) {
    let cleaned = within("cleaning", connection.clean()).await;
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
    a_row_that_ends_before_its_values: b'D', Broken, |found| message(b'D', &found.body[..9]);
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
