//! Work that is dropped after each of its polls, on a connection through a relay.

use std::sync::atomic::{AtomicI64, Ordering};

use tallybook_postgres::{Connection, Connector};
use tallybook_sql::driver::Role;
use tallybook_sql::{one, params};
use tokio_postgres::Client;

use super::work::Work;
use crate::relay::Relay;
use crate::server::Server;
use crate::support::{ask, eventually, peer, polled, run, target, within};

/// Bytes delivered at a time.
pub(super) const PIECES: [usize; 5] = [1, 2, 7, 64, usize::MAX];

/// A connection through a relay, and a witness that sees it on the server.
pub(super) struct Stage {
    name: String,
    pub(super) url: String,
    pub(super) relay: Relay,
    connector: Connector,
    connection: Connection,
    witness: Client,
    pub(super) drops: usize,
    /// Connections that said they were closed.
    pub(super) closed: usize,
}

/// Numbers of the rows and of the statements, all different.
fn number() -> i64 {
    static NUMBER: AtomicI64 = AtomicI64::new(1);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

impl Stage {
    pub(super) async fn new(name: &str) -> Self {
        Self::with(name, "disable").await
    }

    /// As [`new`](Self::new), with TLS: what is in one record comes at once, whatever the pieces.
    pub(super) async fn over_tls(name: &str) -> Self {
        Self::with(name, "require").await
    }

    async fn with(name: &str, ssl_mode: &str) -> Self {
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
        let url = server.trusted_at(relay.port()).replace("sslmode=disable", &format!("sslmode={ssl_mode}"));
        let url = format!("{url}&{options}");
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
        let cleaned = within("cleaning", self.connection.clean()).await;
        if cleaned.is_err() || self.connection.is_closed() {
            assert!(self.connection.is_closed(), "{work:?} after {polls} polls: {cleaned:?}, and it is open");
            self.closed += 1;
            self.connection = self.connector.connect(Role::Read).await.unwrap();
        }
        self.owes_nothing(&format!("{work:?} after {polls} polls")).await;
        is_done
    }

    pub(super) async fn owes_nothing(&mut self, what: &str) {
        let number = number();
        let question = one::<(i64, String)>("SELECT $1, 'of ' || $2", params![number, format!("{number}")]);
        let answer = run(&mut self.connection, question).await;
        assert_eq!(
            answer.unwrap_or_else(|error| panic!("{what}: {error:?}")),
            (number, format!("of {number}")),
            "{what}"
        );
        if !self.connection.is_encrypted() {
            // The end of an answer may come behind its rows.
            let what = format!("{what}: the server waits for a request, and has no transaction");
            eventually(&what, async || self.relay.status() == Some('I')).await;
        }
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

    /// Drops the work at every poll: once with each size of pieces, and then with the larger ones, which are faster, until
    /// it was dropped often enough.
    pub(super) async fn drop_often(&mut self, works: &[Work], drops: usize, mut pieces: &[usize]) {
        while self.drops < drops {
            for &piece in pieces {
                self.relay.deliver(piece);
                for &work in works {
                    self.drop_after_every_poll(work).await;
                }
            }
            self.check_sessions().await;
            pieces = &PIECES[3..];
        }
        self.check_rows().await;
    }

    /// One session is left, and it has no transaction.
    pub(super) async fn check_sessions(&mut self) {
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
