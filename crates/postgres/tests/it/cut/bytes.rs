//! A connection that is cut after every byte of a small conversation.

use std::sync::Arc;

use tallybook_postgres::Connector;
use tallybook_sql::driver::Role;
use tallybook_sql::error::Result;
use tallybook_sql::{execute, one, params};
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::relay::{Direction, Relay};
use crate::server::Server;
use crate::support::{ask, begin, peer, run, target, within};

/// Conversations at a time.
const WORKERS: u64 = 4;

/// How far a conversation came.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reached {
    /// It never wrote, or was told that the transaction is lost.
    NotCommitted,
    Unknown,
    Committed,
}

/// A small conversation: a connection, a transaction, and a read behind it.
async fn converse(url: &str, number: i64) -> (Reached, Result<()>) {
    let mut connection = match Connector::new(&target(url)).connect(Role::Read).await {
        Ok(connection) => connection,
        Err(error) => {
            assert!(error.is_connect(), "{error:?}");
            return (Reached::NotCommitted, Err(error));
        }
    };
    let insert = execute("INSERT INTO cuts VALUES ($1)", params![number]);
    let answers = begin(&mut connection, (insert, one::<(i64,)>("SELECT $1 * 2", params![number]))).await;
    match answers {
        Ok(answers) => assert_eq!(answers, (1, (number * 2,))),
        Err(error) => return (Reached::NotCommitted, Err(error)),
    }
    if let Err(error) = connection.commit().await {
        let reached = if error.is_commit_unknown() { Reached::Unknown } else { Reached::NotCommitted };
        return (reached, Err(error));
    }
    let read =
        run(&mut connection, one::<(i64,)>("SELECT id FROM cuts WHERE id = $1", params![number])).await;
    (Reached::Committed, read.map(|row| assert_eq!(row, (number,))))
}

/// Cuts the conversation after every byte of one direction.
async fn cut_after_every_byte(direction: Direction, name: &str) {
    let server = Server::shared().await;
    let witness = Arc::new(peer(&server.cluster.url("postgres")).await);
    witness
        .batch_execute(&format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.cuts (id bigint); \
             GRANT ALL ON SCHEMA {name} TO trusted; GRANT ALL ON ALL TABLES IN SCHEMA {name} TO trusted; \
             SET search_path = {name}"
        ))
        .await
        .unwrap();
    let relay = Relay::start(server.port()).await;
    let url = |relay: &Relay| format!("{}&options=-csearch_path%3D{name}", server.trusted_at(relay.port()));
    let (reached, outcome) = converse(&url(&relay), 0).await;
    outcome.unwrap();
    assert_eq!(reached, Reached::Committed);
    let all = relay.delivered(direction);
    let mut counts = [0; 3];
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (relay, witness) = (Relay::start(server.port()).await, Arc::clone(&witness));
        let url = url(&relay);
        workers.spawn(async move {
            let mut counts = [0; 3];
            for bytes in (worker..all).step_by(WORKERS as usize) {
                relay.cut_after(direction, bytes);
                let number = bytes as i64 + 1;
                let (reached, outcome) = within("a conversation that is cut", converse(&url, number)).await;
                let what = format!("cut after {bytes} of {all} bytes {direction:?}: {outcome:?}");
                check(&witness, number, reached, outcome, all - bytes, &what).await;
                counts[reached as usize] += 1;
            }
            counts
        });
    }
    while let Some(counted) = workers.join_next().await {
        counts.iter_mut().zip(counted.unwrap()).for_each(|(count, more)| *count += more);
    }
    assert!(counts.iter().all(|count| *count > 0), "each end was reached: {counts:?}");
}

/// The conversation failed, and its row is there as far as it came. `left` are the bytes that did not pass.
async fn check(witness: &Client, number: i64, reached: Reached, outcome: Result<()>, left: u64, what: &str) {
    match outcome {
        // All bytes but the last few carry something that is waited for.
        Ok(()) => assert!(left < 16, "{what}: and it did not matter"),
        Err(error) => {
            let is_expected = error.is_connect() || error.is_connection_lost() || error.is_commit_unknown();
            assert!(is_expected, "{what}");
        }
    }
    let expected = match reached {
        Reached::Unknown => return,
        Reached::NotCommitted => 0,
        Reached::Committed => 1,
    };
    let sql = format!("SELECT count(*) FROM cuts WHERE id = {number}");
    assert_eq!(ask(witness, &sql).await, expected.to_string(), "{what}");
}

#[tokio::test]
async fn a_connection_cut_after_every_byte_of_the_server_is_an_error_and_never_a_wrong_answer() {
    cut_after_every_byte(Direction::ToClient, "cut_server").await;
}

#[tokio::test]
async fn a_connection_cut_after_every_byte_of_the_client_is_an_error_and_never_a_wrong_answer() {
    cut_after_every_byte(Direction::ToServer, "cut_client").await;
}
