//! A connection that is cut after every byte of a small conversation.

use tallybook_postgres::Connector;
use tallybook_sql::driver::Role;
use tallybook_sql::error::Result;
use tallybook_sql::{execute, one, params};

use crate::relay::{Direction, Relay};
use crate::server::Server;
use crate::support::{ask, begin, peer, run, target, within};

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
    let witness = peer(&server.cluster.url("postgres")).await;
    witness
        .batch_execute(&format!(
            "CREATE SCHEMA {name}; CREATE TABLE {name}.cuts (id bigint); \
             GRANT ALL ON SCHEMA {name} TO trusted; GRANT ALL ON ALL TABLES IN SCHEMA {name} TO trusted"
        ))
        .await
        .unwrap();
    let relay = Relay::start(server.port()).await;
    let url = format!("{}&options=-csearch_path%3D{name}", server.trusted_at(relay.port()));
    let (reached, outcome) = converse(&url, 0).await;
    outcome.unwrap();
    assert_eq!(reached, Reached::Committed);
    let all = relay.delivered(direction);
    let mut counts = [0; 3];
    for bytes in 0..all {
        relay.cut_after(direction, bytes);
        let number = bytes as i64 + 1;
        let (reached, outcome) = within("a conversation that is cut", converse(&url, number)).await;
        let what = format!("cut after {bytes} of {all} bytes {direction:?}: {outcome:?}");
        // All bytes but the last few carry something that is waited for.
        let Err(error) = outcome else {
            assert!(all - bytes < 16, "{what}: and it did not matter");
            continue;
        };
        assert!(error.is_connect() || error.is_connection_lost() || error.is_commit_unknown(), "{what}");
        counts[reached as usize] += 1;
        if reached != Reached::Unknown {
            let sql = format!("SELECT count(*) FROM {name}.cuts WHERE id = {number}");
            // The server may still be ending the session that was cut.
            let expected = if reached == Reached::Committed { "1" } else { "0" };
            assert_eq!(ask(&witness, &sql).await, expected, "{what}");
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "each end was reached: {counts:?}");
}

#[tokio::test]
async fn a_connection_cut_after_every_byte_of_the_server_is_an_error_and_never_a_wrong_answer() {
    cut_after_every_byte(Direction::ToClient, "cut_server").await;
}

#[tokio::test]
async fn a_connection_cut_after_every_byte_of_the_client_is_an_error_and_never_a_wrong_answer() {
    cut_after_every_byte(Direction::ToServer, "cut_client").await;
}
