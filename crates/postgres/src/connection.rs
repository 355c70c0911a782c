//! One connection to PostgreSQL.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lru::LruCache;
use postgres_types::Type;
use tallybook_sql::error::{Error, ErrorDetail, Result};
use tallybook_sql::replication::{Identity, Observation, Position};
use tallybook_sql::transaction::{End, TransactionFraming};
use tokio::time::timeout;

use super::backends::Backend;
use super::client::{Client, ClientError, Tls, TransactionStatus, cancel};
use super::error::convert;
use super::pipeline::{Sampler, StatementCache, Step};
use super::pooler::{Pooler, unique_name};
use super::server_info::{self, ServerInfo, identify};
use super::startup::Startup;
use super::types::{Columns, Types};
use crate::config::{PostgresTarget, Server, SslMode};

/// Statements whose parameter types are remembered.
const MAX_DECIMAL_TYPES: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// Time that an abandoned statement may still run before it is cancelled.
const CANCEL_DELAY: Duration = Duration::from_millis(50);
/// Time that a cancelled statement may take to end before the connection is given up.
const CANCEL_LIMIT: Duration = Duration::from_secs(5);

/// A connection, with the statements prepared on it.
pub struct Connection {
    /// Shared with a stream of rows and a bulk load.
    pub(super) client: Client,
    pub(super) statements: StatementCache,
    /// The parts of the pipeline that is under way.
    pub(super) steps: Vec<Step>,
    pub(super) sampler: Sampler,
    pub(super) types: Types,
    /// Columns of the open cursor; `None` if their types are not known yet.
    pub(super) cursor: Option<Columns>,
    /// The parameters' types of statements that were given decimals that a double would round.
    pub(super) decimal_types: LruCache<String, Arc<[Type]>>,
    /// False without a statement cache, and where a pooler gives statement names to other programs.
    pub(super) prepares: bool,
    /// True if the start-up options made every transaction one snapshot.
    pub(super) has_snapshots: bool,
    /// True once a statement was cancelled. A cancel request has no answer and may arrive when the connection runs
    /// another statement, so the connection is not used again.
    cancelled: bool,
    /// The pooler between client and server, if there is one.
    pub(super) pooler: Option<Pooler>,
    /// True once the pooler has moved the session to another server connection.
    pub(super) moved: bool,
    /// Destination of cancel requests.
    destination: Destination,
    pub(super) identity: Identity,
    /// Host and port, for messages.
    address: Arc<str>,
    /// Number of answers on all connections of the connector.
    answers: Arc<AtomicU64>,
    /// Registration of the backend process.
    pub(super) backend: Option<Backend>,
}

/// The server of a connection, and the way to it.
pub(super) struct Destination {
    pub(super) target: Arc<PostgresTarget>,
    pub(super) server: Server,
    pub(super) tls: Tls,
    pub(super) mode: SslMode,
}

/// Undoes everything that a session can leave on its connection. `DISCARD ALL` would also drop the statements that the
/// driver has prepared and the next sessions use.
const RESET: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; CLOSE ALL; UNLISTEN *; DISCARD TEMP; DISCARD SEQUENCES; \
     SELECT pg_advisory_unlock_all(); \
     DO 'DECLARE own text; BEGIN \
         FOR own IN SELECT name FROM pg_prepared_statements WHERE from_sql LOOP EXECUTE format(''DEALLOCATE %I'', own); \
     END LOOP; END'";

impl Connection {
    /// Wraps a client. `answers` counts for all connections of the connector.
    pub(super) fn new(client: Client, destination: Destination, answers: Arc<AtomicU64>) -> Self {
        let address = destination.server.to_string().into();
        Self {
            client,
            statements: StatementCache::new(destination.target.statement_cache_size),
            steps: Vec::new(),
            sampler: Sampler::default(),
            types: Types::default(),
            cursor: None,
            decimal_types: LruCache::new(MAX_DECIMAL_TYPES),
            prepares: destination.target.statement_cache_size > 0,
            has_snapshots: false,
            cancelled: false,
            pooler: None,
            moved: false,
            destination,
            identity: Identity::default(),
            address,
            answers,
            backend: None,
        }
    }

    /// Asks a new connection for the server's identity, and for the settings in effect.
    pub(super) async fn identify(&mut self, startup: &Startup) -> Result<ServerInfo, ClientError> {
        let server_info = identify(&self.client, startup).await?;
        self.identity = server_info.identity;
        self.types.learn(server_info.enums.as_deref().unwrap_or_default());
        Ok(server_info)
    }

    /// Makes it a connection through a pooler. One round trip, unless it prepares nothing anyway.
    pub(super) async fn set_pooler(&mut self, pooler: Pooler) -> Result<(), ClientError> {
        if self.prepares {
            let prefix = unique_name();
            self.prepares = pooler.keeps_names(&self.client, &prefix).await?;
            self.statements.set_prefix(prefix.into());
        }
        self.pooler = Some(pooler);
        Ok(())
    }

    /// Returns whether transactions are known to be read-only unless they say otherwise.
    ///
    /// Returns false for servers before PostgreSQL 14, which do not report it, and behind a pooler, which may pass the
    /// next transaction to another backend.
    pub fn is_read_only_by_default(&self) -> bool {
        !self.is_pooled() && self.client.wire().is_read_only_by_default()
    }

    /// Returns whether the statements of a pipeline see one snapshot, without BEGIN and COMMIT around them.
    ///
    /// A session that changes `default_transaction_isolation` takes that away, and the server does not report it.
    pub fn has_snapshots_by_default(&self) -> bool {
        self.is_read_only_by_default() && self.has_snapshots
    }

    /// Returns whether a setting that the server reports differs from its value at the start.
    pub fn has_changed_settings(&self) -> bool {
        self.client.wire().has_changed_settings()
    }

    /// Undoes everything that a session left: settings, role, locks, cursors, temporary tables and subscriptions. One
    /// round trip.
    pub async fn reset(&mut self) -> Result<()> {
        match timeout(CANCEL_LIMIT, self.client.simple(RESET)).await {
            Ok(outcome) => outcome.map(drop).map_err(convert),
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
        self.client.is_encrypted()
    }

    /// Returns whether the connection can't be used any more.
    pub fn is_closed(&self) -> bool {
        self.cancelled || self.moved || self.client.wire().is_lost()
    }

    /// Returns whether a statement on the connection was cancelled.
    pub fn was_cancelled(&self) -> bool {
        self.cancelled
    }

    /// Executes a text of several statements in one message. A single statement runs outside of any transaction.
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        self.client.simple(sql).await.map(drop).map_err(convert)
    }

    /// Checks that the server answers. One round trip.
    pub async fn ping(&mut self) -> Result<()> {
        self.client.ping().await.map_err(convert)
    }

    /// Commits, and returns the log position after the commit. One round trip.
    ///
    /// The position is read after the commit, so it is never before it. Once the server has acknowledged the commit,
    /// nothing else is an error; without an answer the position is `None`.
    pub async fn commit(&mut self) -> Result<Option<Position>> {
        let result = self.run(&mut [], ending(End::Commit), None).await;
        result.outcome.map(|()| result.position.map(|at| self.position(at)))
    }

    /// Rolls back a transaction in which no statement failed.
    pub async fn roll_back(&mut self) -> Result<()> {
        self.run(&mut [], ending(End::Rollback), None).await.outcome
    }

    /// Waits for abandoned statements, cancels them if they take long, and rolls back the transaction they left open. No
    /// round trip if nothing was abandoned.
    ///
    /// Answers arrive in the order of requests: once the last request is answered, nothing is left of earlier ones.
    pub async fn clean(&mut self) -> Result<()> {
        if self.client.settled_status() == Some(TransactionStatus::Idle) {
            return Ok(());
        }
        let Destination { target, server, tls, mode } = &self.destination;
        let client = &self.client;
        let last = async move {
            // Before another request: the abandoned one may begin a COPY, which is refused first.
            client.settle().await?;
            match client.settled_status() {
                Some(TransactionStatus::Idle) => Ok(()),
                _ => client.simple("ROLLBACK").await.map(drop),
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
                cancel(target, server, tls, *mode, client.key()).await.map_err(convert)?;
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

fn ending(end: End) -> TransactionFraming {
    TransactionFraming { end: Some(end), continues: true, ..TransactionFraming::default() }
}
