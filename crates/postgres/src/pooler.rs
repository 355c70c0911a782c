//! Poolers between client and server.
//!
//! A pooler gives clients cancel keys of its own, so the process id in the key is not that of the backend. By default,
//! PgBouncer and others also drop the start-up options.
//!
//! - In session mode, each session keeps its server connection. The settings are set after connecting, and verified.
//!   No probe can prove session mode, so each transaction begins with a fence: a statement that fails on any other server
//!   connection.
//! - In transaction mode, each transaction sets the settings for itself. Statements that leave more behind are refused, and
//!   so are the programs that need a session.
//! - In statement mode there are no transactions, and connecting fails.
//!
//! The mode is probed by the first connection. Each connection finds out by itself whether the pooler keeps the names of its
//! prepared statements.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::lock::lock;
use tallybook_sql::statement::Statement;
use tokio::time::timeout;

use super::client::{Client, ClientError, Flow, Parts, Protocol, tag};
use super::error::{Refusal, sql_state};
use super::server_info::{ServerInfo, backend, identify};
use super::startup::{self, Startup};

/// Time limit for a second session, for which the pooler may have no server connection.
const LIMIT: Duration = Duration::from_secs(1);
/// Rounds of the probe. Another client may take or return server connections at the same time, so that one round sees
/// nothing.
const ROUNDS: usize = 3;

/// The format of values in a result.
const TEXT: i16 = 0;

const NO_SESSION: &str = "a pooler in between gives each transaction another connection of the server, and this needs one of \
     its own; set `pool_mode = session` for this database in pgbouncer.ini (or what your pooler calls it), or connect to \
     the server directly";

const NO_TRANSACTION: &str = "a pooler in between gives each statement another connection of the server, so there are no \
     transactions; set `pool_mode = session` or `transaction` for this database in pgbouncer.ini (or what your pooler calls \
     it), or connect to the server directly";

const MOVED: &str = "a pooler in between has moved the session to another connection of the server, and nothing ran; from \
     now on each transaction brings its own settings, so try again";

const LEAVES_STATE: &str = "it leaves a setting, a lock, a temporary table or the like to other programs, because a pooler in \
     between gives each transaction another connection of the server; use what ends with the transaction (SET LOCAL, \
     pg_advisory_xact_lock), set `pool_mode = session` for this database in pgbouncer.ini, or connect to the server directly";

const DIRECTLY: &str = "a pooler in between changes them; connect to the server directly";

/// How long a client keeps a connection of the server: PgBouncer's `pool_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PoolMode {
    Session,
    Transaction,
}

/// The mode that was found, shared by all connections.
#[derive(Default)]
pub(super) struct KnownMode(Mutex<Option<PoolMode>>);

/// The pooler that a connection goes through.
pub(super) struct Pooler {
    mode: PoolMode,
    /// Statement without rows that follows each BEGIN.
    begin_sql: String,
    /// Target in messages.
    target: String,
    known: Arc<KnownMode>,
}

impl Pooler {
    /// Finds the mode of the pooler that the session of `client` goes through, for which it may open a second session. In
    /// session mode, applies the settings that the start-up options did not.
    pub(super) async fn detect(
        client: &Client,
        startup: &Startup,
        server_info: &ServerInfo,
        known: &Arc<KnownMode>,
        target: &str,
        second: impl AsyncFnOnce() -> Option<Client>,
    ) -> Result<Self, Refusal> {
        let process = server_info.identity.pid;
        let found = *lock(&known.0);
        let mut mode = match found {
            Some(mode) => mode,
            None => probe(client, process, second).await?,
        };
        let fence = fence(process);
        if mode == PoolMode::Session && !set_session(client, startup, &fence).await? {
            mode = PoolMode::Transaction;
        }
        *lock(&known.0) = Some(mode);
        let begin_sql = match mode {
            PoolMode::Session => fence,
            PoolMode::Transaction => startup.set_local_sql(),
        };
        Ok(Self { mode, begin_sql, target: target.to_owned(), known: Arc::clone(known) })
    }

    /// Returns whether each session keeps its connection of the server.
    pub(super) fn keeps_sessions(&self) -> bool {
        self.mode == PoolMode::Session
    }

    /// Refuses a pooler that does not keep sessions.
    pub(super) fn require_session(&self) -> Result<(), Refusal> {
        match self.mode {
            PoolMode::Session => Ok(()),
            PoolMode::Transaction => Err(Refusal::new(NO_SESSION.to_owned())),
        }
    }

    /// Refuses a statement that would leave something to the next client of the server's connection.
    pub(super) fn check(&self, statement: &Statement) -> Result<()> {
        match self.mode == PoolMode::Transaction && statement.leaves_state(Dialect::Postgres) {
            true => Err(Error::invalid_value("the statement", LEAVES_STATE)),
            false => Ok(()),
        }
    }

    /// Returns whether statements that this connection prepares are there when it runs them, and nobody else meets them.
    /// One round trip.
    ///
    /// In session mode that takes a connection of the server without statements of an earlier session: they would show that
    /// nothing is reset between sessions. In transaction mode it takes a pooler that replaces the names by its own, and so
    /// knows whose they are: PgBouncer from version 1.21, unless its `max_prepared_statements` is 0.
    pub(super) async fn keeps_names(&self, client: &Client, unique: &str) -> Result<bool, ClientError> {
        let names = names_of(client, unique).await?;
        Ok(match self.mode {
            PoolMode::Session => names == Some(Names { ours: 1, renamed: 0, others: 0 }),
            PoolMode::Transaction => names.is_some_and(|names| names.ours == 0 && names.renamed > 0),
        })
    }

    /// Returns the statement that follows a BEGIN: it sets the settings, or fails if the session was moved.
    pub(super) fn begin_sql(&self) -> &str {
        &self.begin_sql
    }

    /// Explains a failed BEGIN, if the fence failed.
    pub(super) fn explain(&self, error: Error) -> Error {
        if self.mode == PoolMode::Transaction || error.code() != Some(sql_state::INVALID_TEXT_REPRESENTATION)
        {
            return error;
        }
        *lock(&self.known.0) = Some(PoolMode::Transaction);
        Error::connect(&self.target, MOVED).with_source(error)
    }
}

/// The statements that are prepared on a connection of the server.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    /// Those under the name that this client gave.
    ours: u32,
    /// Those with this client's text under another name.
    renamed: u32,
    others: u32,
}

/// Prepares a statement under a name that nobody else gives, executes it and closes it, in one round trip. It counts the
/// statements by their names. Returns `None` if the server refuses it.
async fn names_of(client: &Client, name: &str) -> Result<Option<Names>, ClientError> {
    let sql = format!(
        "SELECT count(*) FILTER (WHERE name = '{name}'), \
             count(*) FILTER (WHERE name <> '{name}' AND strpos(statement, '{name}') > 0), \
             count(*) FILTER (WHERE strpos(statement, '{name}') = 0) \
         FROM pg_prepared_statements"
    );
    client.request(Protocol::Extended, |output| {
        frontend::parse(name, &sql, [], output)?;
        let bound = frontend::bind("", name, [], [(); 0], |(), _| Ok(IsNull::Yes), [TEXT], output);
        bound.map_err(|_| std::io::Error::other("a name of hexadecimal digits"))?;
        frontend::execute("", 0, output)?;
        frontend::close(b'S', name, output)
    })?;
    let (mut names, mut is_refused) = (None, false);
    client
        .answers(|message| {
            match message.tag {
                tag::ROW => names = Some(counts(message.body)?),
                tag::ERROR => is_refused = true,
                _ => {}
            }
            Ok(Flow::Continue)
        })
        .await?;
    Ok(names.filter(|_| !is_refused))
}

fn counts(row: &[u8]) -> Result<Names, String> {
    let mut parts = Parts(row);
    parts.row_of(3)?;
    let mut count = || {
        let value = parts.value()?.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        value.ok_or_else(|| "the server counts statements by something else than a number".to_owned())
    };
    Ok(Names { ours: count()?, renamed: count()?, others: count()? })
}

/// Returns a name that no other connection has, with a high probability.
pub(super) fn unique_name() -> String {
    format!("tallybook_{:016x}_", RandomState::new().hash_one(()))
}

/// Returns a statement without rows that fails on any other backend.
fn fence(process: i64) -> String {
    format!(
        "SELECT WHERE CASE WHEN pg_backend_pid() = {process} THEN false \
         ELSE ('process ' || pg_backend_pid() || ' instead of {process}')::boolean END"
    )
}

/// Sets the settings of a session, and verifies them. Returns false if it has been moved, and then nothing is set.
async fn set_session(client: &Client, startup: &Startup, fence: &str) -> Result<bool, Refusal> {
    // One message is one transaction.
    match client.simple(&format!("{fence}; {}", startup.set_sql())).await {
        Err(error) if error.code() == Some(sql_state::INVALID_TEXT_REPRESENTATION) => return Ok(false),
        set => drop(set?),
    }
    let now = identify(client, startup).await?;
    if now.mismatches.is_empty() {
        return Ok(true);
    }
    let mismatches = startup::describe(&now.mismatches);
    Err(Refusal::new(format!("settings do not take effect: {mismatches}; {DIRECTLY}")))
}

/// Finds the mode. While a second session is in a transaction, the first must still be on its backend, and the second on
/// another. A pooler that does not answer in time proves nothing.
async fn probe(
    first: &Client,
    process: i64,
    second: impl AsyncFnOnce() -> Option<Client>,
) -> Result<PoolMode, Refusal> {
    let look = async {
        let Some(second) = second().await else { return Ok(PoolMode::Session) };
        for _ in 0..ROUNDS {
            let other = match backend(&second, "BEGIN; ").await {
                Ok(other) => other,
                Err(error) if has_no_transactions(&error) => {
                    return Err(Refusal::new(NO_TRANSACTION.to_owned()));
                }
                Err(_) => return Ok(PoolMode::Session),
            };
            let own = backend(first, "").await.unwrap_or(process);
            if other == process || own != process {
                return Ok(PoolMode::Transaction);
            }
            if second.simple("COMMIT").await.is_err() {
                break;
            }
        }
        Ok(PoolMode::Session)
    };
    timeout(LIMIT, look).await.unwrap_or(Ok(PoolMode::Session))
}

/// Returns whether this is PgBouncer's refusal of a transaction in statement mode.
fn has_no_transactions(error: &ClientError) -> bool {
    error.code() == Some(sql_state::PROTOCOL_VIOLATION)
}
