//! Opening a connection to PostgreSQL.

use std::error::Error as _;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;
use tokio_postgres::config::{Host, LoadBalanceHosts, SslMode, SslNegotiation};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use super::Connection;
use super::backends::Backends;
use super::bounded::Bounded;
use super::clear::ClearWarning;
use super::cut::Cut;
use super::local::Local;
use super::notices::Notices;
use super::reported::{Carried, Reported};
use super::startup::Startup;
use super::tls::{self, Tls};
use crate::driver::Role;
use crate::error::{Error, Result};
use crate::settings::{PostgresTarget, Server, Wanted, shown_name};

/// Session defaults. Every transaction is read only unless it says otherwise, so a single read needs no
/// BEGIN to be one; as start-up options they survive `RESET ALL` and `DISCARD ALL`.
const OPTIONS: &str = "-c default_transaction_read_only=on -c timezone=UTC";

/// Those of a runner of revisions. Its index builds can't be in a transaction that would say that it writes, and
/// it sets its own limits, for one transaction each; as start-up options these reach no other client of a proxy.
const MIGRATE: &str = "-c timezone=UTC -c default_transaction_read_only=off -c lock_timeout=0 -c statement_timeout=0 \
     -c idle_in_transaction_session_timeout=0";

/// How to reach a database, on one server or on the first of several that will do.
#[derive(Clone)]
pub(crate) struct Connector(Arc<Inner>);

struct Inner {
    target: PostgresTarget,
    session: Startup,
    /// That of a runner of revisions.
    migrate: Startup,
    /// A pooler on the way refuses start-up options.
    refuses_options: AtomicBool,
    /// A pooler on the way was seen to keep a connection of the server for each session.
    keeps_sessions: Arc<AtomicBool>,
    /// For messages: user, hosts, ports and database.
    described: String,
    /// Its files are read when the first connection is made, and again until that succeeds.
    tls: OnceCell<Tls>,
    clear: ClearWarning,
    cut: Cut,
    /// How many requests were answered on all connections.
    answers: Arc<AtomicU64>,
    backends: Backends,
}

/// Why one server was not connected to.
pub(super) struct Refusal {
    problem: String,
    source: Option<tokio_postgres::Error>,
}

impl Connector {
    pub(crate) fn new(target: &PostgresTarget) -> Self {
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
            clear: ClearWarning::default(),
            cut: Cut::default(),
            answers: Arc::default(),
            backends: Backends::default(),
        }))
    }

    pub(crate) fn target(&self) -> &str {
        &self.0.described
    }

    /// The server's processes of its connections.
    pub(crate) fn backends(&self) -> Vec<i64> {
        self.0.backends.pids()
    }

    /// Ends all connections and all attempts to make one: the server is taken for dead, or for none to write to.
    pub(crate) fn cut(&self) {
        self.0.cut.all();
    }

    /// How many requests were answered so far, on whatever connection.
    pub(crate) fn answers(&self) -> u64 {
        self.0.answers.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.0.cut.open()
    }

    /// Whether all connections lead to the same server.
    pub(crate) fn leads_to_one(&self) -> bool {
        self.0.target.servers.len() == 1
    }

    /// Connects to the first server that answers and is wanted.
    pub(crate) async fn connect(&self, role: Role) -> Result<Connection> {
        let cut = || Err(Error::connect(self.target(), "the server was found dead meanwhile"));
        self.0.cut.bounds(self.connect_uncut(role)).await.unwrap_or_else(cut)
    }

    async fn connect_uncut(&self, role: Role) -> Result<Connection> {
        let target = &self.0.target;
        let tls =
            self.0.tls.get_or_try_init(|| Tls::load(&target.ssl, target.config.get_ssl_negotiation())).await;
        let tls = tls.map_err(|problem| Error::connect(self.target(), problem))?;
        let passes: &[Wanted] = match target.wanted {
            Wanted::PreferStandby => &[Wanted::Standby, Wanted::Any],
            ref wanted => std::slice::from_ref(wanted),
        };
        let mut refusals = Vec::new();
        for &wanted in passes {
            refusals.clear();
            for server in in_order(target) {
                match self.0.connect_to(server, wanted, role, tls).await {
                    Ok(connection) => return Ok(connection),
                    Err(refusal) => refusals.push((server, refusal)),
                }
            }
        }
        Err(self.0.refused(refusals))
    }
}

impl Inner {
    async fn connect_to(
        &self,
        server: &Server,
        wanted: Wanted,
        role: Role,
        tls: &Tls,
    ) -> Result<Connection, Refusal> {
        let sends_options = !self.refuses_options.load(Ordering::Relaxed);
        let attempt = self.attempt(server, wanted, role, tls, sends_options).await;
        if !sends_options || !attempt.as_ref().is_err_and(Refusal::may_be_of_options) {
            return attempt;
        }
        let without = self.attempt(server, wanted, role, tls, false).await?;
        self.refuses_options.store(true, Ordering::Relaxed);
        Ok(without)
    }

    async fn attempt(
        &self,
        server: &Server,
        wanted: Wanted,
        role: Role,
        tls: &Tls,
        sends_options: bool,
    ) -> Result<Connection, Refusal> {
        let startup = if role == Role::Migrate { &self.migrate } else { &self.session };
        let mut config = self.target.config.clone();
        if sends_options {
            config.options(startup.options());
        }
        locate(&mut config, server);
        match server.host {
            // The kernel carries what goes through a socket in the file system; libpq doesn't encrypt it either.
            Host::Unix(_) => config.ssl_mode(SslMode::Disable),
            Host::Tcp(_) => config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct),
        };
        let mut tls = tls.fresh(self.target.ssl.mode);
        let mut opened = self.open(&config, server, &tls).await;
        let mut reason = "the server offers no TLS".to_owned();
        if self.target.ssl.mode == SslMode::Prefer
            && let Err(error) = &opened
            && is_of_tls(error, &tls)
        {
            reason = problem(error);
            tls = tls.fresh(SslMode::Disable);
            opened = self.open(&config, server, &tls).await;
        }
        let mut connection = opened?;
        let greeting = connection.identify(startup).await.map_err(|error| match tls.watched().problem() {
            Some(problem) => Refusal::new(problem.to_owned()),
            None => error.into(),
        })?;
        check(greeting.identity.standby, wanted)?;
        // Each of its statements runs once.
        connection.prepares = role != Role::Migrate;
        if connection.names_process().await != Some(greeting.identity.pid) || !greeting.lost.is_empty() {
            let second = async || self.open(&config, server, &tls.again()).await.ok();
            connection
                .go_through_pooler(startup, &greeting, &self.keeps_sessions, &self.described, second)
                .await?;
        }
        connection.backend = Some(self.backends.add(greeting.identity.pid));
        connection.reported.remember();
        tls.watched().open();
        if !connection.is_encrypted() && self.target.ssl.mode == SslMode::Prefer {
            // `prefer` does not hide that it came to nothing.
            self.clear.connected(server, &self.described, &reason);
        }
        Ok(connection)
    }

    async fn open(
        &self,
        config: &Config,
        server: &Server,
        tls: &Tls,
    ) -> Result<Connection, tokio_postgres::Error> {
        let (client, carried): (Client, Arc<Mutex<dyn Carried>>) = if let Host::Unix(directory) = &server.host
        {
            let socket = Local::connect(directory, server.port, config.get_connect_timeout().copied()).await;
            let stream = Bounded::new(socket, tls.watched().clone());
            let (client, connection) = config.connect_raw(stream, NoTls).await?;
            (client, Arc::new(Mutex::new(connection)))
        } else {
            let (client, connection) = config.connect(tls.clone()).await?;
            (client, Arc::new(Mutex::new(connection)))
        };
        let reported = Reported::new(&carried);
        let notices = Notices::default();
        self.carry(notices.clone().carry(carried));
        let answers = Arc::clone(&self.answers);
        Ok(Connection::new(client, notices, reported, server.clone(), tls.clone(), answers))
    }

    /// Carries a connection in a task of its own, which ends when the client is dropped or the server goes away.
    fn carry(&self, carried: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static) {
        let server = self.described.clone();
        let task = tokio::spawn(async move {
            let Err(error) = carried.await else { return };
            match error.source().filter(|cause| is_of_bounds(*cause)) {
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
        self.cut.add(task.abort_handle());
    }

    fn refused(&self, refusals: Vec<(&Server, Refusal)>) -> Error {
        let is_one = refusals.len() == 1;
        let told = |(server, refusal): &(&Server, Refusal)| match is_one {
            true => refusal.problem.clone(),
            false => format!("{server}: {}", refusal.problem),
        };
        let problem = refusals.iter().map(told).collect::<Vec<_>>().join("; ");
        let error = Error::connect(&self.described, problem);
        match refusals.into_iter().rev().find_map(|(_, refusal)| refusal.source) {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// Whether it could be otherwise in clear: the handshake failed, or the server does not let this client in
/// encrypted.
fn is_of_tls(error: &tokio_postgres::Error, tls: &Tls) -> bool {
    let turned_away = error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
    tls.has_failed() || (tls.is_done() && turned_away)
}

/// Whether the server sent more than is taken.
fn is_of_bounds(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::InvalidData)
}

/// Whether a server will do. tokio-postgres would ask whether transactions are read only, which by our own start-up
/// options they are everywhere.
fn check(standby: bool, wanted: Wanted) -> Result<(), Refusal> {
    let problem = match (wanted, standby) {
        (Wanted::Primary, true) => "it is a standby, and target_session_attrs asks for a primary",
        (Wanted::Standby, false) => "it is no standby, and target_session_attrs asks for one",
        _ => return Ok(()),
    };
    Err(Refusal::new(problem.to_owned()))
}

impl Refusal {
    pub(super) fn new(problem: String) -> Self {
        Self { problem, source: None }
    }

    /// Whether something in between refuses start-up options: PgBouncer as unsupported, others as no feature of theirs.
    fn may_be_of_options(&self) -> bool {
        let code = self.source.as_ref().and_then(tokio_postgres::Error::code);
        matches!(code, Some(&SqlState::PROTOCOL_VIOLATION | &SqlState::FEATURE_NOT_SUPPORTED))
    }
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        Self { problem: problem(&error), source: Some(error) }
    }
}

/// Why it failed and what to look at.
fn problem(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(db), _) => match *db.code() {
            SqlState::INVALID_PASSWORD => format!("{}; check the password in the URL", db.message()),
            SqlState::INVALID_CATALOG_NAME => {
                format!("{}; create it with `createdb`, or correct the URL", db.message())
            }
            _ => db.message().to_owned(),
        },
        (None, Some(cause)) => tls::explain(cause).unwrap_or_else(|| match cause.is::<io::Error>() {
            true if is_of_bounds(cause) => cause.to_string(),
            true => format!("{cause}; is a server running there?"),
            false => cause.to_string(),
        }),
        (None, None) => error.to_string(),
    }
}

fn in_order(target: &PostgresTarget) -> Vec<&Server> {
    let mut servers: Vec<_> = target.servers.iter().collect();
    if target.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        let random = RandomState::new();
        servers.sort_by_cached_key(|server| random.hash_one(server.to_string()));
    }
    servers
}

fn locate(config: &mut Config, server: &Server) {
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
