//! Answers that nobody asked for, that have no end, or that are announced and never come.

use std::time::Duration;

use tallybook_sql::{execute, params};

use super::messages::{End, ask_pairs, expected_pairs, never_wrong, session};
use crate::rewriter::{message, with_length};
use crate::support::{eventually, goes_on, run};

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
        tokio::select! {
            answer = ask_pairs(&mut connection) => panic!("it has an end: {answer:?}"),
            () = eventually("it takes what comes", async || rewriter.sent() - before > (1 << 20)) => {}
        }
        never_wrong(&mut connection, "an answer without end", End::Broken).await;
    }
}

/// Memory is taken for what has come, not for what is announced.
#[tokio::test]
async fn rows_that_are_announced_and_never_come_take_no_memory() {
    let directory = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["hostile::answers::announce_rows", "--exact", "--ignored", "--nocapture"])
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
