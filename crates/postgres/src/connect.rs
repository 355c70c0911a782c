//! Opening connections to PostgreSQL.

use std::error::Error as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tallybook_sql::driver::Role;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::redact::name as shown_name;
use tokio::sync::OnceCell;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::Connection;
use super::aborter::ConnectionAborter;
use super::backends::Backends;
use super::error::{Refusal, is_limit_exceeded, problem};
use super::notices::Notices;
use super::parameter_status::{DrivenConnection, ParameterStatus};
use super::pooler::Pooler;
use super::size_limits::LimitedStream;
use super::startup::Startup;
use super::tls::{PlaintextWarning, Tls};
use super::unix_socket::UnixSocket;
use crate::config::{PostgresTarget, Server, TargetSessionAttrs};

/// Session defaults.
///
/// Transactions are read-only unless they say otherwise, so a single read needs no BEGIN. As start-up options, the
/// defaults survive `RESET ALL` and `DISCARD ALL`.
const OPTIONS: &str = "-c default_transaction_read_only=on -c timezone=UTC";

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
    target: PostgresTarget,
    session: Startup,
    /// Start-up options of the migration runner.
    migrate: Startup,
    /// True once a pooler has refused start-up options.
    refuses_options: AtomicBool,
    /// True once a pooler was seen to keep one server connection for each session.
    keeps_sessions: Arc<AtomicBool>,
    /// Target in messages: user, hosts, ports and database.
    described: String,
    /// TLS configuration. Its files are read with the first connection, and again until that succeeds.
    tls: OnceCell<Tls>,
    plaintext_warning: PlaintextWarning,
    aborter: ConnectionAborter,
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
        if target.config.get_application_name().is_none() {
            target.config.application_name("tallybook");
        }
        Self(Arc::new(Inner {
            target,
            session,
            migrate,
            refuses_options: AtomicBool::new(false),
            keeps_sessions: Arc::default(),
            described,
            tls: OnceCell::new(),
            plaintext_warning: PlaintextWarning::default(),
            aborter: ConnectionAborter::default(),
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
        self.0.aborter.abort_all();
    }

    /// Returns the number of requests answered so far, on all connections.
    pub fn answers(&self) -> u64 {
        self.0.answers.load(Ordering::Relaxed)
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.0.aborter.open_count()
    }

    /// Returns whether all connections lead to one server.
    pub fn leads_to_one(&self) -> bool {
        self.0.target.servers.len() == 1
    }

    /// Connects to the first server that answers and has the wanted role.
    pub async fn connect(&self, role: Role) -> Result<Connection> {
        let aborted = || Err(Error::connect(self.target(), "the server stopped responding meanwhile"));
        self.0.aborter.until_aborted(self.connect_unguarded(role)).await.unwrap_or_else(aborted)
    }

    async fn connect_unguarded(&self, role: Role) -> Result<Connection> {
        let target = &self.0.target;
        let tls =
            self.0.tls.get_or_try_init(|| Tls::load(&target.ssl, target.config.get_ssl_negotiation())).await;
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
        let mut config = self.target.config.clone();
        if sends_options {
            config.options(startup.options());
        }
        set_address(&mut config, server);
        match server.host {
            // The kernel carries Unix sockets, so nobody can listen; libpq does not encrypt them either.
            Host::Unix(_) => config.ssl_mode(SslMode::Disable),
            Host::Tcp(_) => config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct),
        };
        let mut tls = tls.for_connection(self.target.ssl.mode);
        let mut opened = self.open(&config, server, &tls).await;
        let mut reason = "the server offers no TLS".to_owned();
        if self.target.ssl.mode == SslMode::Prefer
            && let Err(error) = &opened
            && may_succeed_in_plaintext(error, &tls)
        {
            reason = problem(error);
            tls = tls.for_connection(SslMode::Disable);
            opened = self.open(&config, server, &tls).await;
        }
        let mut connection = opened?;
        let server_info =
            connection.identify(startup).await.map_err(|error| match tls.stream_state().problem() {
                Some(problem) => Refusal::new(problem.to_owned()),
                None => error.into(),
            })?;
        check_session_attrs(server_info.identity.standby, target_session_attrs)?;
        // The migration runner executes each statement once.
        connection.prepares = role != Role::Migrate;
        if connection.announced_pid().await != Some(server_info.identity.pid)
            || !server_info.mismatches.is_empty()
        {
            let second = async || Some(self.open(&config, server, &tls.for_same_mode()).await.ok()?.client);
            let (keeps, target) = (&self.keeps_sessions, &self.described);
            let (pooler, identity) =
                Pooler::verify(&connection.client, startup, &server_info, keeps, target, second).await?;
            connection.set_pooler(pooler, identity);
        }
        connection.learn_enums(server_info.enums.as_deref()).await?;
        connection.backend = Some(self.backends.add(server_info.identity.pid));
        connection.parameter_status.remember();
        tls.stream_state().open();
        if !connection.is_encrypted() && self.target.ssl.mode == SslMode::Prefer {
            // Do not hide that `prefer` ended in plaintext.
            self.plaintext_warning.connected(server, &self.described, &reason);
        }
        Ok(connection)
    }

    async fn open(
        &self,
        config: &Config,
        server: &Server,
        tls: &Tls,
    ) -> Result<Connection, tokio_postgres::Error> {
        let (client, driven): (Client, Arc<Mutex<dyn DrivenConnection>>) =
            if let Host::Unix(directory) = &server.host {
                let socket =
                    UnixSocket::connect(directory, server.port, config.get_connect_timeout().copied()).await;
                let stream = LimitedStream::new(socket, tls.stream_state().clone());
                let (client, connection) = config.connect_raw(stream, NoTls).await?;
                (client, Arc::new(Mutex::new(connection)))
            } else {
                let (client, connection) = config.connect(tls.clone()).await?;
                (client, Arc::new(Mutex::new(connection)))
            };
        let parameter_status = ParameterStatus::new(&driven);
        let notices = Notices::default();
        self.spawn_driver(notices.clone().drive(driven));
        let answers = Arc::clone(&self.answers);
        Ok(Connection::new(client, notices, parameter_status, server.clone(), tls.clone(), answers))
    }

    /// Drives a connection in its own task, which ends when the client is dropped or the server disconnects.
    fn spawn_driver(&self, driven: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) {
        let server = self.described.clone();
        let task = tokio::spawn(async move {
            let Err(error) = driven.await else { return };
            match error.source().filter(|cause| is_limit_exceeded(*cause)) {
                Some(cause) => {
                    let reason = cause.to_string();
                    tracing::warn!(target: "tallybook::pool", server, reason, "gave a connection up");
                }
                None => {
                    let error = error.to_string();
                    tracing::debug!(target: "tallybook::pool", error, "connection ended");
                }
            }
        });
        self.aborter.add(task.abort_handle());
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
fn may_succeed_in_plaintext(error: &tokio_postgres::Error, tls: &Tls) -> bool {
    let turned_away = error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    tls.has_failed() || (tls.is_done() && turned_away)
}

/// Checks the role of a server. tokio-postgres would ask whether transactions are read-only, which Tallybook's own
/// start-up options make them everywhere.
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
    if target.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        let random = RandomState::new();
        servers.sort_by_cached_key(|server| random.hash_one(server.to_string()));
    }
    servers
}

fn set_address(config: &mut Config, server: &Server) {
    match &server.host {
        Host::Tcp(name) => config.host(name),
        Host::Unix(path) => config.host_path(path),
    };
    if let Some(address) = server.address {
        config.hostaddr(address);
    }
    config.port(server.port);
}

fn describe(target: &PostgresTarget) -> String {
    let hosts = target.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let user = target.config.get_user().map(|user| format!("{}@", shown_name(user))).unwrap_or_default();
    let database = target.config.get_dbname().or(target.config.get_user()).unwrap_or_default();
    format!("postgresql://{user}{hosts}/{}", shown_name(database))
}
