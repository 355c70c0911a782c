//! One connection to PostgreSQL.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, pin_mut};
use lru::LruCache;
use tokio::time::timeout;
use tokio_postgres::{Client, SimpleQueryMessage, Statement};

use super::backends::Backend;
use super::cancel::cancel;
use super::cancel_key;
use super::error::convert;
use super::notices::Notices;
use super::observe::{Greeting, identify};
use super::pooler::Pooler;
use super::reported::Reported;
use super::startup::Startup;
use super::tls::Tls;
use crate::driver::position::{end_of_log, parse_lsn, timeline_of};
use crate::driver::{Identity, Position};
use crate::error::{Error, Kind, Result};
use crate::row::Column;
use crate::settings::Server;

/// Statements kept prepared on a connection.
const PREPARED: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// How long an abandoned statement may still run before it is cancelled.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long a cancelled statement may take to end before the connection is given up.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// A client, and the statements prepared on its connection by their text.
pub(crate) struct Connection {
    pub(super) client: Client,
    pub(super) notices: Notices,
    pub(super) prepared: LruCache<String, Prepared>,
    /// False for one that goes through a pooler, where names of statements may belong to other programs.
    pub(super) prepares: bool,
    /// Something on it was cancelled. A cancel request has no answer and may arrive late, when the
    /// connection runs something else; so it is not used again.
    cancelled: bool,
    /// It goes through a pooler.
    pub(super) pooler: Option<Pooler>,
    /// The pooler moved it to another connection of the server.
    pub(super) moved: bool,
    /// Where it leads, for cancel requests.
    server: Server,
    tls: Tls,
    is_encrypted: bool,
    identity: Identity,
    /// Host and port, for messages.
    address: Arc<str>,
    /// Answers on all connections that its connector made.
    answers: Arc<AtomicU64>,
    /// That the server's process serves it.
    pub(super) backend: Option<Backend>,
    pub(super) reported: Reported,
}

/// A statement that is kept prepared.
pub(super) struct Prepared {
    pub(super) statement: Statement,
    /// The columns of the struct that its result was last found to fit.
    pub(super) fits: Option<&'static [Column]>,
}

/// Undoes what a session can leave on its connection. Not `DISCARD ALL`: that takes the statements along which the
/// driver has prepared, and the next sessions go on using.
const RESET: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; \
     SELECT pg_advisory_unlock_all(); \
     DO 'DECLARE own text; BEGIN \
         FOR own IN SELECT name FROM pg_prepared_statements WHERE from_sql LOOP EXECUTE format(''DEALLOCATE %I'', own); \
     END LOOP; END'";

impl Connection {
    /// `server` and `tls` are what the client was connected to, and by; `answers` counts those of all connections.
    pub(super) fn new(
        client: Client,
        notices: Notices,
        reported: Reported,
        server: Server,
        tls: Tls,
        answers: Arc<AtomicU64>,
    ) -> Self {
        let is_encrypted = tls.is_done();
        let address = server.to_string().into();
        Self {
            client,
            notices,
            prepared: LruCache::new(PREPARED),
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
            reported,
        }
    }

    /// Asks a new connection where it leads, and whether its settings are in effect.
    pub(super) async fn identify(&mut self, startup: &Startup) -> Result<Greeting, tokio_postgres::Error> {
        let greeting = identify(&self.client, startup).await?;
        self.identity = greeting.identity;
        Ok(greeting)
    }

    /// The process that the server said would serve the connection.
    pub(super) async fn names_process(&self) -> Option<i64> {
        cancel_key::process(&self.client).await
    }

    /// Whether transactions only read unless they say otherwise, as far as the server has said: not where it does not
    /// tell (before PostgreSQL 14), and not behind a pooler, which may pass the next one to another server's process.
    pub(crate) fn is_read_only_by_default(&self) -> bool {
        !self.is_pooled() && self.reported.is_read_only()
    }

    /// Whether a setting is another than at the start, of those that the server reports.
    pub(crate) fn has_changed_settings(&self) -> bool {
        self.reported.have_changed()
    }

    /// Undoes what a session left on it: settings, role, locks, cursors, temporary tables, and what it listens to.
    pub(crate) async fn reset(&mut self) -> Result<()> {
        match timeout(CANCEL_LIMIT, self.client.batch_execute(RESET)).await {
            Ok(outcome) => outcome.map_err(convert),
            Err(_) => Err(Error::new(Kind::Lost)),
        }
    }

    /// Whether a pooler is in between.
    pub(crate) fn is_pooled(&self) -> bool {
        self.pooler.is_some()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// Host and port, for messages.
    pub(crate) fn server(&self) -> &Arc<str> {
        &self.address
    }

    /// Notes that the server answered a request.
    pub(crate) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.cancelled || self.moved || self.client.is_closed()
    }

    pub(crate) fn was_cancelled(&self) -> bool {
        self.cancelled
    }

    /// In one message: where it is one statement, it runs outside of any transaction.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(convert)
    }

    pub(crate) async fn ping(&mut self) -> Result<()> {
        self.client.check_connection().await.map_err(convert)
    }

    /// COMMIT and the position of the log behind it, in one message. The position is asked for after the
    /// commit, so it is never before it. Once the commit is acknowledged nothing else is an error, but without an
    /// answer the position is unknown.
    pub(crate) async fn commit(&mut self) -> Result<Option<Position>> {
        self.notices.clear();
        let commit = "COMMIT; SELECT lsn, pg_walfile_name(lsn) FROM pg_current_wal_insert_lsn() AS lsn";
        let answers = self.client.simple_query_raw(commit).await.map_err(unknown_if_lost)?;
        pin_mut!(answers);
        // The first answer is that of the COMMIT.
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

    /// Rolls back a transaction in which nothing failed.
    pub(crate) async fn roll_back(&mut self) -> Result<()> {
        self.notices.clear();
        self.clean(true).await?;
        self.check_transaction()
    }

    /// Whether there was a transaction to end; `notices` were cleared before.
    pub(super) fn check_transaction(&self) -> Result<()> {
        match self.notices.had_no_transaction() {
            true => Err(Error::new(Kind::TransactionEnded)),
            false => Ok(()),
        }
    }

    /// Waits for what is under way, cancelling it if it takes long, and rolls back what it left open.
    ///
    /// Answers come in the order of requests, so when this one's answer is here nothing is left of earlier
    /// ones.
    pub(crate) async fn clean(&mut self, in_transaction: bool) -> Result<()> {
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
        if let Ok(answer) = timeout(PATIENCE, &mut last).await {
            return answer.map_err(convert);
        }
        self.cancelled = true;
        let limit = async {
            loop {
                // It stops one statement; another may have been abandoned behind it.
                cancel(&token, server, tls, is_pooled).await.map_err(convert)?;
                if let Ok(answer) = timeout(PATIENCE, &mut last).await {
                    return answer.map_err(convert);
                }
            }
        };
        match timeout(CANCEL_LIMIT, limit).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(Kind::Lost)),
        }
    }
}

/// A connection that broke under a COMMIT leaves open whether it happened.
fn unknown_if_lost(error: tokio_postgres::Error) -> Error {
    let error = convert(error);
    match error.kind() {
        Kind::Lost => Error::new(Kind::CommitUnknown).with_source(error),
        _ => error,
    }
}
