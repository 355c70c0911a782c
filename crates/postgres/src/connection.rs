//! One connection to PostgreSQL.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, pin_mut};
use lru::LruCache;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::replication::{Identity, Observation, Position};
use tallybook_sql::replication::{end_of_log, parse_lsn, timeline_of};
use tallybook_sql::row::Column;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage, Statement};

use super::backends::Backend;
use super::cancel::cancel;
use super::cancel_key;
use super::error::convert;
use super::notices::Notices;
use super::parameter_status::ParameterStatus;
use super::pooler::Pooler;
use super::server_info::{self, ServerInfo, identify};
use super::startup::Startup;
use super::tls::Tls;
use crate::config::Server;

/// Statements kept prepared on a connection.
const MAX_PREPARED: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Time that an abandoned statement may still run before it is cancelled.
const CANCEL_DELAY: Duration = Duration::from_millis(50);
/// Time that a cancelled statement may take to end before the connection is given up.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// A connection, with the statements prepared on it.
pub struct Connection {
    /// Shared with a stream of rows.
    pub(super) client: Arc<Client>,
    pub(super) notices: Notices,
    pub(super) prepared: LruCache<String, Prepared>,
    /// The parameters' types of statements that were given decimals that a double would round.
    pub(super) decimal_types: LruCache<String, Arc<[Type]>>,
    /// False behind a pooler, where statement names may belong to other programs.
    pub(super) prepares: bool,
    /// True once a statement was cancelled. A cancel request has no answer and may arrive when the connection runs
    /// another statement, so the connection is not used again.
    cancelled: bool,
    /// The pooler between client and server, if there is one.
    pub(super) pooler: Option<Pooler>,
    /// True once the pooler has moved the session to another server connection.
    pub(super) moved: bool,
    /// Destination of cancel requests.
    server: Server,
    tls: Tls,
    is_encrypted: bool,
    identity: Identity,
    /// Host and port, for messages.
    address: Arc<str>,
    /// Number of answers on all connections of the connector.
    answers: Arc<AtomicU64>,
    /// Registration of the backend process.
    pub(super) backend: Option<Backend>,
    pub(super) parameter_status: ParameterStatus,
}

/// A prepared statement.
pub(super) struct Prepared {
    pub(super) statement: Statement,
    /// Columns of the struct that its result was last checked against.
    pub(super) fits: Option<&'static [Column]>,
}

/// Undoes everything that a session can leave on its connection. `DISCARD ALL` would also drop the statements that the
/// driver has prepared and the next sessions use.
const RESET: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; \
     SELECT pg_advisory_unlock_all(); \
     DO 'DECLARE own text; BEGIN \
         FOR own IN SELECT name FROM pg_prepared_statements WHERE from_sql LOOP EXECUTE format(''DEALLOCATE %I'', own); \
     END LOOP; END'";

impl Connection {
    /// Wraps a client. `server` and `tls` are its destination and encryption; `answers` counts for all connections of
    /// the connector.
    pub(super) fn new(
        client: Client,
        notices: Notices,
        parameter_status: ParameterStatus,
        server: Server,
        tls: Tls,
        answers: Arc<AtomicU64>,
    ) -> Self {
        let is_encrypted = tls.is_done();
        let address = server.to_string().into();
        Self {
            client: Arc::new(client),
            notices,
            prepared: LruCache::new(MAX_PREPARED),
            decimal_types: LruCache::new(MAX_PREPARED),
            prepares: true,
            cancelled: false,
            pooler: None,
            moved: false,
            server,
            tls,
            is_encrypted,
            identity: Identity::default(),
            address,
            answers,
            backend: None,
            parameter_status,
        }
    }

    /// Asks a new connection for the server's identity, and for the settings in effect.
    pub(super) async fn identify(&mut self, startup: &Startup) -> Result<ServerInfo, tokio_postgres::Error> {
        let server_info = identify(&self.client, startup).await?;
        self.identity = server_info.identity;
        Ok(server_info)
    }

    /// Makes the enum types of the database known to tokio-postgres, given as `NULL::type` with commas between.
    ///
    /// tokio-postgres asks for a type when it meets it in a result, and waits for the answer before it hands out the rows.
    /// The answer comes behind the rows, so a long result would be waited for without end.
    pub(super) async fn learn_enums(&self, nulls: Option<&str>) -> Result<(), tokio_postgres::Error> {
        match nulls {
            // A type that was dropped meanwhile is not worth a connection.
            Some(nulls) => match self.client.prepare(&format!("SELECT {nulls}")).await {
                Err(error) if error.as_db_error().is_none() => Err(error),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Makes it a connection through a pooler, to the server of this identity.
    pub(super) fn set_pooler(&mut self, pooler: Pooler, identity: Identity) {
        self.pooler = Some(pooler);
        self.identity = identity;
        // A pooler that does not reset server connections leaves the statement names of other sessions on them.
        self.prepares = false;
    }

    /// Returns the process id that the server announced for the connection.
    pub(super) async fn announced_pid(&self) -> Option<i64> {
        cancel_key::pid(&self.client).await
    }

    /// Returns whether transactions are known to be read-only unless they say otherwise.
    ///
    /// Returns false for servers before PostgreSQL 14, which do not report it, and behind a pooler, which may pass the
    /// next transaction to another backend.
    pub fn is_read_only_by_default(&self) -> bool {
        !self.is_pooled() && self.parameter_status.is_read_only()
    }

    /// Returns whether a setting that the server reports differs from its value at the start.
    pub fn has_changed_settings(&self) -> bool {
        self.parameter_status.have_changed()
    }

    /// Undoes everything that a session left: settings, role, locks, cursors, temporary tables and subscriptions. One
    /// round trip.
    pub async fn reset(&mut self) -> Result<()> {
        match timeout(CANCEL_LIMIT, self.client.batch_execute(RESET)).await {
            Ok(outcome) => outcome.map_err(convert),
            Err(_) => Err(Error::new(ErrorDetail::Lost)),
        }
    }

    /// Returns role, log position and timeline. One round trip.
    pub async fn observe(&mut self) -> Result<Observation> {
        server_info::observe(&self.client).await
    }

    /// Returns the LSN up to which a replica has replayed the log. One round trip.
    pub async fn replay_position(&mut self) -> Result<Option<u64>> {
        server_info::replay_position(&self.client).await
    }

    /// Returns whether a pooler is between client and server.
    pub fn is_pooled(&self) -> bool {
        self.pooler.is_some()
    }

    /// Returns the identity of the server, determined when the connection was made.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Returns host and port, for messages.
    pub fn server(&self) -> &Arc<str> {
        &self.address
    }

    /// Counts an answer of the server.
    pub fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Returns whether the connection can't be used any more.
    pub fn is_closed(&self) -> bool {
        self.cancelled || self.moved || self.client.is_closed()
    }

    /// Returns whether a statement on the connection was cancelled.
    pub fn was_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Executes a text of several statements in one message. A single statement runs outside of any transaction.
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(convert)
    }

    /// Checks that the server answers. One round trip.
    pub async fn ping(&mut self) -> Result<()> {
        self.client.check_connection().await.map_err(convert)
    }

    /// Commits, and returns the log position after the commit. One round trip.
    ///
    /// The position is read after the commit, so it is never before it. Once the server has acknowledged the commit,
    /// nothing else is an error; without an answer the position is `None`.
    pub async fn commit(&mut self) -> Result<Option<Position>> {
        self.notices.clear();
        let commit = "COMMIT; SELECT lsn, pg_walfile_name(lsn) FROM pg_current_wal_insert_lsn() AS lsn";
        let answers = self.client.simple_query_raw(commit).await.map_err(unknown_if_lost)?;
        pin_mut!(answers);
        // The first answer belongs to the COMMIT.
        answers.next().await.transpose().map_err(unknown_if_lost)?;
        self.check_transaction()?;
        let mut position = None;
        while let Some(Ok(answer)) = answers.next().await {
            if let SimpleQueryMessage::Row(row) = answer {
                position = self.position(row.get(0), row.get(1));
            }
        }
        Ok(position)
    }

    fn position(&self, lsn: Option<&str>, file: Option<&str>) -> Option<Position> {
        let lsn = end_of_log(parse_lsn(lsn?)?);
        Some(Position { system: self.identity.system, timeline: timeline_of(file?)?, lsn })
    }

    /// Rolls back a transaction in which no statement failed.
    pub async fn roll_back(&mut self) -> Result<()> {
        self.notices.clear();
        self.clean(true).await?;
        self.check_transaction()
    }

    /// Returns an error if there was no transaction to end. The notices must have been cleared before the statement
    /// that ended it.
    pub(super) fn check_transaction(&self) -> Result<()> {
        match self.notices.had_no_transaction() {
            true => Err(Error::new(ErrorDetail::TransactionEnded)),
            false => Ok(()),
        }
    }

    /// Waits for abandoned statements, cancels them if they take long, and rolls back the transaction they left open.
    ///
    /// Answers arrive in the order of requests: once the last request is answered, nothing is left of earlier ones.
    pub async fn clean(&mut self, in_transaction: bool) -> Result<()> {
        let (token, is_pooled) = (self.client.cancel_token(), self.is_pooled());
        let (client, server, tls) = (&self.client, &self.server, &self.tls);
        let last = async move {
            if in_transaction {
                client.batch_execute("ROLLBACK").await
            } else {
                client.check_connection().await
            }
        };
        tokio::pin!(last);
        if let Ok(answer) = timeout(CANCEL_DELAY, &mut last).await {
            return answer.map_err(convert);
        }
        self.cancelled = true;
        let limit = async {
            loop {
                // A request cancels one statement; another abandoned one may follow.
                cancel(&token, server, tls, is_pooled).await.map_err(convert)?;
                if let Ok(answer) = timeout(CANCEL_DELAY, &mut last).await {
                    return answer.map_err(convert);
                }
            }
        };
        match timeout(CANCEL_LIMIT, limit).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(ErrorDetail::Lost)),
        }
    }
}

/// Turns a lost connection during COMMIT into an unknown outcome.
fn unknown_if_lost(error: tokio_postgres::Error) -> Error {
    let error = convert(error);
    match error.detail() {
        ErrorDetail::Lost => Error::new(ErrorDetail::CommitUnknown).with_source(error),
        _ => error,
    }
}
