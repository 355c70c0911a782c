//! Futures dropped after every poll, and connections cut after every byte: nothing is owed, no answer is another's, no
//! transaction stays open.

use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, Ordering};

use tallybook_postgres::{Connection, Connector};
use tallybook_sql::driver::Role;
use tallybook_sql::error::Result;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::Value;
use tallybook_sql::{all, execute, one, params};
use tokio_postgres::Client;

use crate::relay::{Direction, Relay};
use crate::server::Server;
use crate::support::{ask, begin, eventually, peer, polled, run, target, within, writing};

/// Bytes delivered at a time.
const PIECES: [usize; 5] = [1, 2, 7, 64, usize::MAX];
/// Dropped futures of the whole program, at least: shared among all kinds of work.
const DROPS: usize = 10_000;
const LONG_DROPS: usize = 1_000_000;

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Single,
    Batch,
    Write,
    FailingWrite,
    Load,
    Cursor,
    Commit,
    RollBack,
    Script,
    Observe,
    Reset,
    Clean,
}

const ALL: [Work; 12] = [
    Work::Single,
    Work::Batch,
    Work::Write,
    Work::FailingWrite,
    Work::Load,
    Work::Cursor,
    Work::Commit,
    Work::RollBack,
    Work::Script,
    Work::Observe,
    Work::Reset,
    Work::Clean,
];

impl Work {
    /// Does it to the end, and checks what comes back.
    async fn run(self, connection: &mut Connection, number: i64) -> Result<()> {
        let numbers = |count: i64| {
            all::<(i64, i64)>("SELECT n, $1 FROM generate_series(1::bigint, $2) AS n", params![number, count])
        };
        let expected = |count: i64| (1..=count).map(|n| (n, number)).collect::<Vec<_>>();
        let insert =
            |table: &str| execute(format!("INSERT INTO {table} VALUES ($1, 'a text')"), params![number]);
        match self {
            Work::Single => {
                let outcome =
                    connection.execute(numbers(5), TransactionFraming::default(), None).await.finish();
                assert_eq!(outcome?, expected(5));
            }
            Work::Batch => {
                let batch = (numbers(2), one::<(i64,)>("SELECT $1 + 1", params![number]), numbers(4));
                let framing = TransactionFraming::default().snapshot();
                let outcome = connection.execute(batch, framing, None).await.finish();
                assert_eq!(outcome?, (expected(2), (number + 1,), expected(4)));
            }
            Work::Write => {
                let batch = (insert("drops"), insert("copies"));
                let outcome = connection.execute(batch, writing(Some(End::Commit)), None).await.finish();
                assert_eq!(outcome?, (1, 1));
            }
            Work::FailingWrite => {
                let fails = one::<(i64,)>("SELECT $1 / 0", params![number]);
                let batch = (insert("drops"), fails, insert("copies"));
                let error = connection.execute(batch, writing(Some(End::Commit)), None).await.finish();
                let error = error.expect_err("it divides by zero");
                if error.code() != Some("22012") {
                    return Err(error);
                }
                connection.clean(true).await?;
            }
            Work::Load => {
                connection.execute((), writing(None), None).await.finish()?;
                for table in ["drops", "copies"] {
                    let mut load = connection.load(table, &["id", "title"]).await?;
                    for copy in 0..3 {
                        let id = -(number * 3 + copy);
                        load.write(&[Value::Int(id), Value::Text("a text".into())]).await?;
                    }
                    assert_eq!(load.finish().await?.rows, 3);
                }
                connection.commit().await?;
            }
            Work::Cursor => {
                let opens = TransactionFraming {
                    begin: Some(Begin::Snapshot),
                    opens_cursor: true,
                    ..TransactionFraming::default()
                };
                let mut query = numbers(3);
                // The driver gives the query back, with its cursor open.
                let executed = connection.execute(query, opens, None).await;
                executed.outcome?;
                query = executed.batch.expect("the batch comes back");
                let (mut rows, mut taken) = (connection.rows(), Vec::new());
                let end = loop {
                    let page = poll_fn(|context| rows.poll_page(context, &mut query)).await;
                    taken.extend(page.rows);
                    if let Some(end) = page.end {
                        break end;
                    }
                };
                end?;
                drop(rows);
                assert!(taken == expected(3), "{taken:?}");
                connection.clean(true).await?;
            }
            Work::Commit => {
                connection
                    .execute((insert("drops"), insert("copies")), writing(None), None)
                    .await
                    .finish()?;
                assert!(connection.commit().await?.is_some(), "a primary has a position");
            }
            Work::RollBack => {
                connection
                    .execute((insert("drops"), insert("copies")), writing(None), None)
                    .await
                    .finish()?;
                connection.roll_back().await?;
            }
            Work::Script => {
                let script = format!(
                    "BEGIN READ WRITE; INSERT INTO drops VALUES ({number}, 'a text'); \
                     INSERT INTO copies VALUES ({number}, 'a text'); COMMIT; SELECT {number}"
                );
                connection.script(&script).await?;
            }
            Work::Observe => assert!(!connection.observe().await?.standby),
            Work::Reset => {
                connection.reset().await?;
                connection.ping().await?;
            }
            Work::Clean => {
                connection.execute(insert("drops"), writing(None), None).await.finish()?;
                connection.clean(true).await?;
                connection.clean(false).await?;
            }
        }
        Ok(())
    }
}

/// A connection through a relay, and a witness that sees it on the server.
struct Stage {
    name: String,
    url: String,
    relay: Relay,
    connector: Connector,
    connection: Connection,
    witness: Client,
    drops: usize,
    /// Connections that said they were closed.
    closed: usize,
}

/// Numbers of the rows and of the statements, all different.
fn number() -> i64 {
    static NUMBER: AtomicI64 = AtomicI64::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

impl Stage {
    async fn new(name: &str) -> Self {
        let server = Server::shared().await;
        let name = format!("{name}_{}", number());
        peer(&server.cluster.url("postgres"))
            .await
            .batch_execute(&format!(
                "CREATE SCHEMA {name};
                 CREATE TABLE {name}.drops (id bigint PRIMARY KEY, title text);
                 CREATE TABLE {name}.copies (id bigint PRIMARY KEY, title text);
                 GRANT ALL ON SCHEMA {name} TO trusted;
                 GRANT ALL ON ALL TABLES IN SCHEMA {name} TO trusted"
            ))
            .await
            .unwrap();
        let relay = Relay::start(server.port()).await;
        let options = format!("application_name={name}&options=-csearch_path%3D{name}");
        let url = format!("{}&{options}", server.trusted_at(relay.port()));
        let connector = Connector::new(&target(&url));
        let connection = connector.connect(Role::Read).await.unwrap();
        let witness = peer(&server.cluster.url("postgres")).await;
        Self { name, url, relay, connector, connection, witness, drops: 0, closed: 0 }
    }

    /// Returns the states of the sessions that the server has of this connector.
    async fn sessions(&self) -> String {
        let name = &self.name;
        let sql = format!(
            "SELECT string_agg(state, ', ') FROM pg_stat_activity WHERE application_name = '{name}' \
             AND backend_type = 'client backend'"
        );
        ask(&self.witness, &sql).await
    }

    /// Does the work, drops it after so many polls, and checks that the connection owes nothing, or is closed. Returns
    /// true if the work was done by then.
    async fn drop_after(&mut self, work: Work, polls: usize) -> bool {
        let done = polled(polls, work.run(&mut self.connection, number())).await;
        let is_done = match done {
            Some(outcome) => {
                outcome.unwrap_or_else(|error| panic!("{work:?} after {polls} polls: {error:?}"));
                true
            }
            None => false,
        };
        self.drops += 1;
        let cleaned = within("cleaning", self.connection.clean(work != Work::Single)).await;
        if cleaned.is_err() || self.connection.is_closed() {
            assert!(self.connection.is_closed(), "{work:?} after {polls} polls: {cleaned:?}, and it is open");
            self.closed += 1;
            self.connection = self.connector.connect(Role::Read).await.unwrap();
        }
        self.owes_nothing(&format!("{work:?} after {polls} polls")).await;
        is_done
    }

    async fn owes_nothing(&mut self, what: &str) {
        let number = number();
        let question = one::<(i64, String)>("SELECT $1, 'of ' || $2", params![number, format!("{number}")]);
        let answer = run(&mut self.connection, question).await;
        assert_eq!(
            answer.unwrap_or_else(|error| panic!("{what}: {error:?}")),
            (number, format!("of {number}")),
            "{what}"
        );
        // The end of an answer may come behind its rows.
        let what = format!("{what}: the server waits for a request, and has no transaction");
        eventually(&what, async || self.relay.status() == Some('I')).await;
    }

    /// Drops the work after 0, 1, 2, … polls, until it is done.
    async fn drop_after_every_poll(&mut self, work: Work) {
        for polls in 0..100_000 {
            if self.drop_after(work, polls).await {
                return;
            }
        }
        panic!("{work:?} is never done");
    }

    /// Drops the work at every poll: once with every size of pieces, and then with the larger ones, which are faster, until
    /// it was dropped often enough.
    async fn drop_often(&mut self, works: &[Work], drops: usize) {
        let mut pieces = &PIECES[..];
        while self.drops < drops {
            for &piece in pieces {
                self.relay.deliver(piece);
                for &work in works {
                    self.drop_after_every_poll(work).await;
                }
            }
            self.check_sessions().await;
            pieces = &PIECES[2..];
        }
        self.check_rows().await;
    }

    /// One session is left, and it has no transaction.
    async fn check_sessions(&mut self) {
        eventually("closed connections are gone", async || !self.sessions().await.contains(", ")).await;
        assert_eq!(self.sessions().await, "idle");
    }

    /// Each write happened whole or not.
    async fn check_rows(&mut self) {
        let name = &self.name;
        let apart = format!(
            "SELECT count(*) FROM (SELECT id FROM {name}.drops EXCEPT SELECT id FROM {name}.copies \
             UNION ALL (SELECT id FROM {name}.copies EXCEPT SELECT id FROM {name}.drops)) AS apart"
        );
        assert_eq!(ask(&self.witness, &apart).await, "0");
    }
}

async fn drops(name: &str, works: &[Work]) {
    let mut stage = Stage::new(name).await;
    stage.drop_often(works, works.len() * DROPS / ALL.len()).await;
    // A cancel request is for statements that take long; none does.
    assert!(stage.closed * 20 < stage.drops, "{} of {} connections were closed", stage.closed, stage.drops);
}

#[tokio::test]
async fn a_single_statement_dropped_at_every_poll_owes_nothing() {
    drops("single", &[Work::Single]).await;
}

#[tokio::test]
async fn a_batch_dropped_at_every_poll_owes_nothing() {
    drops("batch", &[Work::Batch]).await;
}

#[tokio::test]
async fn a_write_dropped_at_every_poll_happens_whole_or_not() {
    drops("write", &[Work::Write, Work::Script]).await;
}

#[tokio::test]
async fn a_write_that_fails_in_the_middle_can_be_dropped_at_every_poll() {
    drops("failing", &[Work::FailingWrite]).await;
}

#[tokio::test]
async fn a_bulk_load_dropped_at_every_poll_happens_whole_or_not() {
    drops("load", &[Work::Load]).await;
}

#[tokio::test]
async fn a_cursor_dropped_at_every_poll_is_closed() {
    drops("cursor", &[Work::Cursor]).await;
}

#[tokio::test]
async fn a_commit_or_roll_back_dropped_at_every_poll_ends_the_transaction() {
    drops("ends", &[Work::Commit, Work::RollBack]).await;
}

#[tokio::test]
async fn cleaning_itself_can_be_dropped_at_every_poll() {
    drops("cleaning", &[Work::Clean, Work::Reset, Work::Observe]).await;
}

mod long {
    use super::*;

    #[tokio::test]
    #[ignore = "takes an hour: ./scripts/test --long"]
    async fn a_million_futures_are_dropped_and_nothing_is_owed() {
        tallybook_testkit::takes_at_most(std::time::Duration::from_secs(18_000));
        let mut stage = Stage::new("million").await;
        stage.drop_often(&ALL, LONG_DROPS).await;
        assert!(stage.drops >= LONG_DROPS);
    }
}

/// A connection attempt that is dropped leaves no session on the server.
#[tokio::test]
async fn connecting_can_be_dropped_at_every_poll() {
    let mut stage = Stage::new("connecting").await;
    let (mut polls, mut connected) = (0, false);
    stage.relay.deliver(7);
    while !connected {
        let connector = Connector::new(&target(&stage.url));
        let attempt = polled(polls, connector.connect(Role::Read)).await;
        connected = attempt.is_some_and(|made| made.is_ok());
        polls += 1;
    }
    assert!(polls > 2, "it took {polls} polls");
    stage.check_sessions().await;
    stage.owes_nothing("the first connection").await;
}

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
