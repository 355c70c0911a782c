//! A real login by SCRAM, of which a machine in between changes one message.

use tallybook_postgres::Connection;
use tallybook_sql::Error;

use crate::rewriter::{Message, Rewriter, authentication};
use crate::server::Server;
use crate::support::{full, goes_on, try_connect};

/// Logs in, with a change of the messages on their way.
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
