//! Opening connections to PostgreSQL.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::redact::name as shown_name;
use tokio::sync::OnceCell;

use super::Connection;
use super::backends::Backends;
use super::client::{self, ClientError, Tls};
use super::connection::Destination;
use super::error::{Refusal, problem, sql_state};
use super::open_connections::OpenConnections;
use super::plaintext_warning::PlaintextWarning;
use super::pooler::{KnownMode, Pooler};
use super::startup::Startup;
use crate::config::{PostgresTarget, Server, SslMode, TargetSessionAttrs};

/// Session defaults.
///
/// Transactions are read-only and see one snapshot unless they say otherwise, so a batch of reads needs neither BEGIN nor
/// COMMIT: the server takes everything up to the Sync as one transaction. As start-up options, the defaults survive
/// `RESET ALL` and `DISCARD ALL`.
const OPTIONS: &str = "-c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read \
     -c timezone=UTC";

/// Session defaults of the migration runner.
///
/// Its index builds can't run in a transaction that would say that it writes. It sets its own limits for one
/// transaction at a time. As start-up options these do not reach other clients of a pooler.
const MIGRATE: &str = "-c timezone=UTC -c default_transaction_read_only=off -c lock_timeout=0 -c statement_timeout=0 \
     -c idle_in_transaction_session_timeout=0";

/// Opens connections to a database: to its only server, or to the first of several that has the wanted role.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    target: Arc<PostgresTarget>,
    session: Startup,
    /// Start-up options of the migration runner.
    migrate: Startup,
    /// True once a pooler has refused start-up options.
    refuses_options: AtomicBool,
    pool_mode: Arc<KnownMode>,
    /// Target in messages: user, hosts, ports and database.
    described: String,
    /// TLS configuration. Its files are read with the first connection, and again until that succeeds.
    tls: OnceCell<Tls>,
    plaintext_warning: PlaintextWarning,
    connections: OpenConnections,
    /// Number of requests answered on all connections.
    answers: Arc<AtomicU64>,
    backends: Backends,
}

impl Connector {
    /// Returns a connector. Does not connect.
    pub fn new(target: &PostgresTarget) -> Self {
        let described = describe(target);
        let mut target = target.clone();
        let own = target.options.as_deref();
        let migrate = Startup::new(own, MIGRATE);
        let timeout = target.statement_timeout.as_ref();
        let timeout = timeout.map(|timeout| format!(" -c statement_timeout={timeout}")).unwrap_or_default();
        let session = Startup::new(own, &format!("{OPTIONS}{timeout}"));
        target.application_name.get_or_insert_with(|| "tallybook".to_owned());
        Self(Arc::new(Inner {
            target: Arc::new(target),
            session,
            migrate,
            refuses_options: AtomicBool::new(false),
            pool_mode: Arc::default(),
            described,
            tls: OnceCell::new(),
            plaintext_warning: PlaintextWarning::default(),
            connections: OpenConnections::default(),
            answers: Arc::default(),
            backends: Backends::default(),
        }))
    }

    /// Returns the target for messages: user, hosts, ports and database, never the password.
    pub fn target(&self) -> &str {
        &self.0.described
    }

    /// Returns the process ids of the backends that serve its connections.
    pub fn backends(&self) -> Vec<i64> {
        self.0.backends.pids()
    }

    /// Aborts all connections and all attempts to make one, because the server is considered dead, or not the primary.
    pub fn abort(&self) {
        self.0.connections.abort_all();
    }

    /// Returns the number of requests answered so far, on all connections.
    pub fn answers(&self) -> u64 {
        self.0.answers.load(Ordering::Relaxed)
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.0.connections.count()
    }

    /// Returns whether all connections lead to one server.
    pub fn leads_to_one(&self) -> bool {
        self.0.target.servers.len() == 1
    }

    /// Connects to the first server that answers and has the wanted role.
    pub async fn connect(&self, role: Role) -> Result<Connection> {
        let aborted = || Err(Error::connect(self.target(), "the server stopped responding meanwhile"));
        self.0.connections.until_aborted(self.connect_unguarded(role)).await.unwrap_or_else(aborted)
    }

    async fn connect_unguarded(&self, role: Role) -> Result<Connection> {
        let target = &self.0.target;
        let tls = self.0.tls.get_or_try_init(|| Tls::load(&target.ssl)).await;
        let tls = tls.map_err(|problem| Error::connect(self.target(), problem))?;
        let passes: &[TargetSessionAttrs] = match target.target_session_attrs {
            TargetSessionAttrs::PreferStandby => &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any],
            ref target_session_attrs => std::slice::from_ref(target_session_attrs),
        };
        let mut refusals = Vec::new();
        for &target_session_attrs in passes {
            refusals.clear();
            for server in in_order(target) {
                match self.0.connect_to(server, target_session_attrs, role, tls).await {
                    Ok(connection) => return Ok(connection),
                    Err(refusal) => refusals.push((server, refusal)),
                }
            }
        }
        Err(self.0.connect_error(refusals))
    }
}

impl Inner {
    async fn connect_to(
        &self,
        server: &Server,
        target_session_attrs: TargetSessionAttrs,
        role: Role,
        tls: &Tls,
    ) -> Result<Connection, Refusal> {
        let sends_options = !self.refuses_options.load(Ordering::Relaxed);
        let attempt = self.attempt(server, target_session_attrs, role, tls, sends_options).await;
        if !sends_options || !attempt.as_ref().is_err_and(Refusal::may_concern_options) {
            return attempt;
        }
        let without = self.attempt(server, target_session_attrs, role, tls, false).await?;
        self.refuses_options.store(true, Ordering::Relaxed);
        Ok(without)
    }

    async fn attempt(
        &self,
        server: &Server,
        target_session_attrs: TargetSessionAttrs,
        role: Role,
        tls: &Tls,
        sends_options: bool,
    ) -> Result<Connection, Refusal> {
        let startup = if role == Role::Migrate { &self.migrate } else { &self.session };
        let options = sends_options.then(|| startup.options());
        let preferred = self.target.ssl.mode;
        let mut opened = self.open(server, tls, preferred, options).await;
        let mut reason = "the server offers no TLS".to_owned();
        if preferred == SslMode::Prefer
            && let Err(failure) = &opened
            && may_succeed_in_plaintext(failure)
        {
            reason = problem(&failure.error);
            opened = self.open(server, tls, SslMode::Disable, options).await;
        }
        let mut connection = opened.map_err(|failure| failure.error)?;
        let server_info = connection.identify(startup).await?;
        check_session_attrs(server_info.identity.standby, target_session_attrs)?;
        // The migration runner executes each statement once.
        connection.prepares &= role != Role::Migrate;
        connection.has_snapshots = role != Role::Migrate && sends_options;
        if connection.client.process() != server_info.identity.pid || !server_info.mismatches.is_empty() {
            let mode = if connection.is_encrypted() { SslMode::Require } else { SslMode::Disable };
            let second = async || Some(self.open(server, tls, mode, options).await.ok()?.client);
            let (mode, target) = (&self.pool_mode, &self.described);
            let pooler =
                Pooler::detect(&connection.client, startup, &server_info, mode, target, second).await?;
            if matches!(role, Role::Migrate | Role::Inspect) {
                pooler.require_session()?;
            }
            connection.set_pooler(pooler).await?;
        }
        if connection.pooler.as_ref().is_none_or(Pooler::keeps_sessions) {
            connection.backend = Some(self.backends.add(server_info.identity.pid));
        }
        connection.client.wire().set_open();
        if !connection.is_encrypted() && preferred == SslMode::Prefer {
            // Do not hide that `prefer` ended in plaintext.
            self.plaintext_warning.connected(server, &self.described, &reason);
        }
        Ok(connection)
    }

    async fn open(
        &self,
        server: &Server,
        tls: &Tls,
        mode: SslMode,
        options: Option<&str>,
    ) -> Result<Connection, client::Failure> {
        let client = client::open(&self.target, server, tls, mode, options).await?;
        self.connections.add(&client);
        let (target, server, tls) = (Arc::clone(&self.target), server.clone(), tls.clone());
        let destination = Destination { target, server, tls, mode };
        Ok(Connection::new(client, destination, Arc::clone(&self.answers)))
    }

    fn connect_error(&self, refusals: Vec<(&Server, Refusal)>) -> Error {
        let is_one = refusals.len() == 1;
        let describe = |(server, refusal): &(&Server, Refusal)| match is_one {
            true => refusal.problem.clone(),
            false => format!("{server}: {}", refusal.problem),
        };
        let problem = refusals.iter().map(describe).collect::<Vec<_>>().join("; ");
        let error = Error::connect(&self.described, problem);
        match refusals.into_iter().rev().find_map(|(_, refusal)| refusal.source) {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// Returns whether a plaintext connection may succeed instead: the handshake failed, or the server rejects this client
/// on encrypted connections.
fn may_succeed_in_plaintext(failure: &client::Failure) -> bool {
    match &failure.error {
        ClientError::Tls(_) => true,
        error => {
            failure.was_encrypted && error.code() == Some(sql_state::INVALID_AUTHORIZATION_SPECIFICATION)
        }
    }
}

/// Checks the role of a server.
fn check_session_attrs(standby: bool, target_session_attrs: TargetSessionAttrs) -> Result<(), Refusal> {
    let problem = match (target_session_attrs, standby) {
        (TargetSessionAttrs::Primary, true) => "it is a standby, and target_session_attrs asks for a primary",
        (TargetSessionAttrs::Standby, false) => "it is no standby, and target_session_attrs asks for one",
        _ => return Ok(()),
    };
    Err(Refusal::new(problem.to_owned()))
}

fn in_order(target: &PostgresTarget) -> Vec<&Server> {
    let mut servers: Vec<_> = target.servers.iter().collect();
    if target.balances_load {
        let random = RandomState::new();
        servers.sort_by_cached_key(|server| random.hash_one(server.to_string()));
    }
    servers
}

fn describe(target: &PostgresTarget) -> String {
    let hosts = target.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let user = target.user.as_deref().map(|user| format!("{}@", shown_name(user))).unwrap_or_default();
    format!("postgresql://{user}{hosts}/{}", shown_name(target.database()))
}
