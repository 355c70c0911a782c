//! A client that knows nothing but SQL.

use std::time::{Duration, Instant};

use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

/// Time limit of anything that is waited for.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long to watch that nothing happens.
const QUIET_PERIOD: Duration = Duration::from_millis(300);

pub(crate) async fn connect(url: &str) -> Client {
    try_connect(url).await.unwrap()
}

pub(crate) async fn try_connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Returns the first value of the result.
pub(crate) async fn ask(client: &Client, sql: &str) -> Result<String, Error> {
    let messages = client.simple_query(sql).await?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}

/// Asks until the answer is the expected one.
pub(crate) async fn answers(client: &Client, sql: &str, expected: &str) {
    let start = Instant::now();
    loop {
        let answer = ask(client, sql).await.unwrap();
        if answer == expected {
            return;
        }
        assert!(start.elapsed() < TIMEOUT, "{sql}: {answer} and not {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the future's output if it completes within a short while.
pub(crate) async fn in_a_while<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(QUIET_PERIOD, future).await.ok()
}
