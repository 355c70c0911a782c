//! Large values in both directions at once, over small buffers: nobody waits for the other for ever.

use tallybook_postgres::Connection;
use tallybook_sql::{execute, one, params};

use crate::relay::Relay;
use crate::server::Server;
use crate::support::{connect, goes_on, read, run, write};

const MEBIBYTE: usize = 1 << 20;
/// As the system counts them: Linux doubles it for its own needs.
const SMALL: u32 = 4096;

async fn over_small_buffers() -> (Relay, Connection) {
    over_small_buffers_with("disable").await
}

async fn over_small_buffers_with(ssl_mode: &str) -> (Relay, Connection) {
    let server = Server::shared().await;
    let relay = Relay::with_buffers(server.port(), SMALL).await;
    let url = server.trusted_at(relay.port()).replace("sslmode=disable", &format!("sslmode={ssl_mode}"));
    let connection = connect(&url).await;
    assert_eq!(connection.is_encrypted(), ssl_mode != "disable");
    (relay, connection)
}

/// Bytes that show where a part is missing or in another's place.
fn pattern(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|index| (index / 251) as u8 ^ index as u8 ^ seed).collect()
}

#[tokio::test]
async fn a_large_parameter_comes_back_as_it_was_sent() {
    let (_relay, mut connection) = over_small_buffers().await;
    let sent = pattern(64 * MEBIBYTE, 1);
    let (back,): (Vec<u8>,) = run(&mut connection, one("SELECT $1", params![sent])).await.unwrap();
    assert!(back == sent, "{} bytes came back", back.len());
    goes_on(&mut connection).await;
}

/// Each statement's answer comes while the parameters of the next ones are still being sent, and is larger than all
/// buffers between.
#[tokio::test]
async fn a_pipeline_of_large_parameters_and_large_answers_does_not_stop() {
    let (_relay, mut connection) = over_small_buffers().await;
    let sent: Vec<_> = (0..16).map(|seed| pattern(4 * MEBIBYTE, seed)).collect();
    let batch: Vec<_> = sent.iter().map(|bytes| one::<(Vec<u8>,)>("SELECT $1", params![bytes])).collect();
    let back = read(&mut connection, batch).await.unwrap();
    assert!(back.iter().map(|(bytes,)| bytes).eq(&sent), "some came back otherwise");
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_pipeline_of_large_parameters_and_large_answers_does_not_stop_over_tls() {
    let (_relay, mut connection) = over_small_buffers_with("require").await;
    let sent: Vec<_> = (0..8).map(|seed| pattern(MEBIBYTE, seed)).collect();
    let batch: Vec<_> = sent.iter().map(|bytes| one::<(Vec<u8>,)>("SELECT $1", params![bytes])).collect();
    let back = read(&mut connection, batch).await.unwrap();
    assert!(back.iter().map(|(bytes,)| bytes).eq(&sent), "some came back otherwise");
    goes_on(&mut connection).await;
}

/// Small requests of which each has a large answer, then the reverse.
#[tokio::test]
async fn a_pipeline_of_many_statements_does_not_stop_either_way() {
    let (_relay, mut connection) = over_small_buffers().await;
    let large = "SELECT repeat('x', $1::int)";
    let batch: Vec<_> = (0..64).map(|_| one::<(String,)>(large, params![MEBIBYTE as i64 / 4])).collect();
    let back = read(&mut connection, batch).await.unwrap();
    assert!(back.len() == 64 && back.iter().all(|(text,)| text.len() == MEBIBYTE / 4));
    let bytes = pattern(MEBIBYTE / 4, 9);
    let batch: Vec<_> =
        (0..64).map(|_| one::<(i64,)>("SELECT length($1::bytea)::bigint", params![bytes])).collect();
    let lengths = read(&mut connection, batch).await.unwrap();
    assert!(lengths.len() == 64 && lengths.iter().all(|&(length,)| length == MEBIBYTE as i64 / 4));
    goes_on(&mut connection).await;
}

/// More statements than any buffer holds, with the notices of each.
#[tokio::test]
async fn ten_thousand_statements_in_one_pipeline_do_not_stop() {
    let (_relay, mut connection) = over_small_buffers().await;
    let batch: Vec<_> = (0..10_000).map(|number| one::<(i64,)>("SELECT $1 + 1", params![number])).collect();
    let answers = read(&mut connection, batch).await.unwrap();
    assert!(answers.iter().map(|(number,)| *number).eq(1..=10_000));
    goes_on(&mut connection).await;
}

/// The caller may give up while both directions are full.
#[tokio::test]
async fn a_pipeline_that_is_dropped_while_both_directions_are_full_leaves_nothing() {
    let (relay, mut connection) = over_small_buffers().await;
    let bytes = pattern(8 * MEBIBYTE, 3);
    let batch: Vec<_> = (0..4).map(|_| one::<(Vec<u8>,)>("SELECT $1", params![bytes])).collect();
    let half = async {
        while relay.delivered(crate::relay::Direction::ToClient) < 4 * MEBIBYTE as u64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = read(&mut connection, batch) => panic!("it ended before half of it was delivered"),
        () = half => {}
    }
    // What is under way may take longer than the client waits for it; then the connection is given up.
    if connection.clean().await.is_err() || connection.is_closed() {
        assert!(connection.is_closed());
        return;
    }
    goes_on(&mut connection).await;
}

#[tokio::test]
async fn a_large_value_is_written_and_read_again() {
    let (_relay, mut connection) = over_small_buffers().await;
    let server = Server::shared().await;
    let admin = crate::support::peer(&server.cluster.url("postgres")).await;
    admin
        .batch_execute(
            "CREATE TABLE large_values (id bigint, bytes bytea); GRANT ALL ON large_values TO trusted",
        )
        .await
        .unwrap();
    let sent = pattern(4 * MEBIBYTE, 5);
    let insert = execute("INSERT INTO large_values VALUES (1, $1)", params![sent]);
    let select = one::<(Vec<u8>,)>("SELECT bytes FROM large_values", params![]);
    let (affected, (back,)) = write(&mut connection, (insert, select)).await.unwrap();
    assert!(affected == 1 && back == sent, "{} bytes came back", back.len());
}
