//! Connections, batches and guards that all tests use.

use std::time::{Duration, Instant};

use tallybook_postgres::config::PostgresTarget;
use tallybook_postgres::{Connection, Connector};
use tallybook_sql::driver::Role;
use tallybook_sql::error::Result;
use tallybook_sql::query::Batch;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::{Error, all, one, params};
pub(crate) use tallybook_testkit::polled;
use tallybook_testkit::{Database, postgres};
use tokio_postgres::NoTls;

/// Guard against a hang: no test depends on it.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn target(url: &str) -> PostgresTarget {
    let rest = url.strip_prefix("postgresql:").expect("a URL of PostgreSQL");
    PostgresTarget::read(rest).unwrap_or_else(|problem| panic!("{problem}"))
}

pub(crate) async fn try_connect(url: &str) -> Result<Connection> {
    within("connecting", Connector::new(&target(url)).connect(Role::Read)).await
}

pub(crate) async fn connect(url: &str) -> Connection {
    try_connect(url).await.unwrap_or_else(|error| panic!("{error:?}"))
}

/// Returns why a connection can't be made.
pub(crate) async fn refused(url: &str) -> Error {
    match try_connect(url).await {
        Ok(_) => panic!("{} was let in", url.rsplit('@').next().unwrap_or_default()),
        Err(error) => error,
    }
}

/// Awaits a future; panics if it hangs.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(PATIENCE, future).await else {
        panic!("{what}: not within {PATIENCE:?}");
    };
    output
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut met: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    for attempt in 0.. {
        if met().await {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        match attempt {
            0..1_000 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

async fn framed<B: Batch>(
    connection: &mut Connection,
    batch: B,
    framing: TransactionFraming,
) -> Result<B::Output> {
    within("a batch", connection.execute(batch, framing, None)).await.finish()
}

/// Executes a batch without transaction control.
pub(crate) async fn run<B: Batch>(connection: &mut Connection, batch: B) -> Result<B::Output> {
    framed(connection, batch, TransactionFraming::default()).await
}

/// Executes a batch in a read-only transaction of its own.
pub(crate) async fn read<B: Batch>(connection: &mut Connection, batch: B) -> Result<B::Output> {
    framed(connection, batch, TransactionFraming::default().snapshot()).await
}

/// Executes a batch in a transaction of its own.
pub(crate) async fn write<B: Batch>(connection: &mut Connection, batch: B) -> Result<B::Output> {
    framed(connection, batch, writing(Some(End::Commit))).await
}

/// Begins a transaction with a batch, which may be empty.
pub(crate) async fn begin<B: Batch>(connection: &mut Connection, batch: B) -> Result<B::Output> {
    framed(connection, batch, writing(None)).await
}

/// Returns the framing of a write transaction.
pub(crate) fn writing(end: Option<End>) -> TransactionFraming {
    TransactionFraming { begin: Some(Begin::Write), end, ..TransactionFraming::default() }
}

/// Checks that the next answers of the connection are those of its statements, with parameters, rows and a pipeline.
pub(crate) async fn goes_on(connection: &mut Connection) {
    let (number, text) = run(connection, one::<(i64, String)>("SELECT $1 + 1, $2", params![41, "own"]))
        .await
        .unwrap_or_else(|error| panic!("it does not go on: {error:?}"));
    assert_eq!((number, &*text), (42, "own"));
    let batch = (
        all::<(i64,)>("SELECT n::bigint FROM generate_series(1, $1) AS n", params![3]),
        one::<(bool,)>("SELECT $1", params![true]),
    );
    let (numbers, flag) =
        read(connection, batch).await.unwrap_or_else(|error| panic!("it does not go on: {error:?}"));
    assert_eq!((numbers, flag), (vec![(1,), (2,), (3,)], (true,)));
    // On a busy machine cleaning takes so long that it cancels, which ends the use of a connection.
    assert!(!connection.is_closed() || connection.was_cancelled(), "it answers and says that it is closed");
}

/// Rolls back what a failed statement left, and checks that the connection goes on.
pub(crate) async fn recovers(connection: &mut Connection) {
    within("cleaning", connection.clean()).await.unwrap_or_else(|error| panic!("not cleaned: {error:?}"));
    goes_on(connection).await;
}

/// Returns a database whose table `notes` has one row, and an independent client of it.
pub(crate) async fn with_note(name: &str) -> (Database, tokio_postgres::Client) {
    let database = postgres().await.database(name).await;
    let admin = peer(database.url()).await;
    let sql = "CREATE TABLE notes (id bigint PRIMARY KEY, title text); INSERT INTO notes VALUES (1, 'one')";
    admin.batch_execute(sql).await.unwrap();
    (database, admin)
}

/// An independent client of the same database.
pub(crate) async fn peer(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns the first value of the first row, as text.
pub(crate) async fn ask(peer: &tokio_postgres::Client, sql: &str) -> String {
    let answers = peer.simple_query(sql).await.unwrap();
    let value = answers.iter().find_map(|answer| match answer {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.unwrap_or_default()
}

/// Returns an error with the errors that caused it.
pub(crate) fn full(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}
