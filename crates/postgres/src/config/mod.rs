//! PostgreSQL URLs, with the parameters of libpq.

mod server;
mod ssl;
mod tcp;

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;
use tallybook_sql::driver::STATEMENT_CACHE_SIZE;
use tallybook_sql::redact::Problem;

use server::Servers;
use ssl::RawSslParams;

pub use server::{Host, Server};
pub use ssl::{ChannelBinding, Check, Identity, Roots, Ssl, SslMode, SslNegotiation};
pub use tcp::TcpOptions;

const UNKNOWN: &str = "one of its parameters is unknown; known are sslmode, sslrootcert, sslcert, sslkey, \
    target_session_attrs, statement_timeout, host, hostaddr, port, user, password, dbname, options, \
    application_name, connect_timeout, tcp_user_timeout, keepalives, keepalives_idle, keepalives_interval, \
    keepalives_count, channel_binding, sslnegotiation, load_balance_hosts, weight and zone";
/// Signs of another program's parameter list, such as `;Pwd=…`. Inside a name they would be quoted in messages,
/// including those of the server.
const FOREIGN_SIGNS: [char; 5] = [';', '=', '{', '"', '\n'];
const INVALID_NAME: &str =
    "one of its names holds ; = { or \"; parameters come after a question mark, as in ?sslmode=require";
const UNITS: [&str; 7] = ["", "us", "ms", "s", "min", "h", "d"];

/// The servers of a PostgreSQL database, and the options for connecting to them.
#[derive(Clone, PartialEq)]
pub struct PostgresTarget {
    /// At least one server.
    pub servers: Vec<Server>,
    /// User; `None` stands for that of the operating system.
    pub user: Option<String>,
    /// Password of the user.
    pub password: Option<Password>,
    /// Database; `None` stands for the name of the user.
    pub database: Option<String>,
    /// Name that the server shows for its sessions.
    pub application_name: Option<String>,
    /// Options of TCP connections.
    pub tcp: TcpOptions,
    /// Binding of logins to the encrypted connection.
    pub channel_binding: ChannelBinding,
    /// True to try the servers in random order.
    pub balances_load: bool,
    /// The role that a server must have.
    pub target_session_attrs: TargetSessionAttrs,
    /// Encryption and verification of the server.
    pub ssl: Ssl,
    /// Start-up options from the URL.
    pub options: Option<String>,
    /// `statement_timeout` in PostgreSQL's syntax, for example `5s`.
    pub statement_timeout: Option<String>,
    /// Statements kept prepared on each connection; 0 prepares none.
    pub statement_cache_size: usize,
    /// Relative share of reads for a replica, 1 to 1000.
    pub weight: u32,
    /// Availability zone of the server, if the URL names one.
    pub zone: Option<String>,
}

/// A password. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

impl Password {
    /// Returns the bytes to send.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(_)")
    }
}

/// The role that a server must have: libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Any server.
    Any,
    /// A primary.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or any server if no standby is available.
    PreferStandby,
}

/// The parameters of a URL, grouped by their consumer.
#[derive(Default)]
struct Parameters {
    servers: Servers,
    user: Option<String>,
    password: Option<Password>,
    database: Option<String>,
    application_name: Option<String>,
    tcp: TcpOptions,
    channel_binding: ChannelBinding,
    balances_load: bool,
    ssl: RawSslParams,
    target_session_attrs: Option<String>,
    options: Option<String>,
    statement_timeout: Option<String>,
    weight: Option<String>,
    zone: Option<String>,
}

impl PostgresTarget {
    /// Returns the name of the database, by default that of the user.
    pub fn database(&self) -> &str {
        self.database.as_deref().or(self.user.as_deref()).unwrap_or_default()
    }

    /// Returns the name of the user, by default that of the operating system's.
    pub(crate) fn user_or_own(&self) -> Cow<'_, str> {
        match &self.user {
            Some(user) => Cow::Borrowed(user),
            None => Cow::Owned(whoami::username().unwrap_or_default()),
        }
    }

    /// Parses the part of a URL after `postgresql:`.
    pub fn read(rest: &str) -> Result<Self, Problem> {
        let rest = rest.strip_prefix("//").ok_or("two slashes follow its scheme")?;
        let (head, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The last `@` ends the credentials, so that everything that could be a password is treated as one.
        let (credentials, place) = match head.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, head),
        };
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let mut parameters = Parameters::default();
        if let Some(credentials) = credentials {
            let (user, password) = credentials
                .split_once(':')
                .map_or((credentials, None), |(user, password)| (user, Some(password)));
            parameters.user = Some(decode(user)?);
            parameters.password = password.map(self::password);
        }
        if !database.is_empty() {
            parameters.database = Some(decode(database)?);
        }
        parameters.servers.read_hosts(hosts)?;
        parameters.read(query)?;
        let servers = parameters.servers.finish()?;
        let names = [&parameters.user, &parameters.database].into_iter().flatten().cloned();
        if names.chain(servers.iter().map(ToString::to_string)).any(|name| name.contains(FOREIGN_SIGNS)) {
            return Err(INVALID_NAME.into());
        }
        Ok(Self {
            servers,
            user: parameters.user,
            password: parameters.password,
            database: parameters.database,
            application_name: parameters.application_name,
            tcp: parameters.tcp,
            channel_binding: parameters.channel_binding,
            balances_load: parameters.balances_load,
            target_session_attrs: TargetSessionAttrs::parse(parameters.target_session_attrs.as_deref())?,
            ssl: Ssl::parse(parameters.ssl)?,
            options: parameters.options,
            statement_timeout: parameters.statement_timeout.map(duration).transpose()?,
            statement_cache_size: STATEMENT_CACHE_SIZE,
            weight: parameters.weight.map_or(Ok(1), |text| weight(&text))?,
            zone: parameters.zone,
        })
    }

    /// Returns the target with one of its servers only, of any role.
    pub fn only(&self, server: &Server) -> Self {
        Self { servers: vec![server.clone()], target_session_attrs: TargetSessionAttrs::Any, ..self.clone() }
    }
}

impl Parameters {
    fn read(&mut self, query: &str) -> Result<(), Problem> {
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or("one of its parameters has no value")?;
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        if name == "password" {
            self.password = Some(password(value));
            return Ok(());
        }
        let text = decode(value)?;
        match name {
            // asyncpg's `ssl` is libpq's `sslmode`.
            "sslmode" | "ssl" => self.ssl.mode = Some(text),
            "sslrootcert" => self.ssl.root = Some(text),
            "sslcert" => self.ssl.certificate = Some(text),
            "sslkey" => self.ssl.key = Some(text),
            "sslnegotiation" => self.ssl.negotiation = SslNegotiation::parse(&text)?,
            "sslpassword" => return Err("encrypted keys are not read, so sslpassword has no use".into()),
            "channel_binding" => self.channel_binding = ChannelBinding::parse(&text)?,
            "target_session_attrs" => self.target_session_attrs = Some(text),
            "load_balance_hosts" => {
                self.balances_load = match &*text {
                    "disable" => false,
                    "random" => true,
                    _ => return Err("load_balance_hosts may be disable or random".into()),
                }
            }
            "options" => self.options = Some(text),
            "statement_timeout" => self.statement_timeout = Some(text),
            "weight" => self.weight = Some(text),
            "zone" => self.zone = Some(text),
            "user" => self.user = Some(text),
            "dbname" => self.database = Some(text),
            "application_name" => self.application_name = Some(text),
            "host" => self.servers.read_host_list(&text),
            "hostaddr" => self.servers.read_addresses(&text)?,
            "port" => self.servers.read_ports(&text)?,
            _ => self.tcp.set(name, &text).ok_or(UNKNOWN)??,
        }
        Ok(())
    }
}

impl TargetSessionAttrs {
    fn parse(value: Option<&str>) -> Result<Self, Problem> {
        Ok(match value.unwrap_or("any") {
            "any" => Self::Any,
            "primary" | "read-write" => Self::Primary,
            "standby" | "read-only" => Self::Standby,
            "prefer-standby" => Self::PreferStandby,
            _ => {
                return Err("target_session_attrs may be any, read-write, read-only, primary, standby or \
                    prefer-standby"
                    .into());
            }
        })
    }
}

fn decode(value: &str) -> Result<String, Problem> {
    let decoded = percent_decode_str(value).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| "one of its parts is not UTF-8".into())
}

/// Decodes a password, which need not be UTF-8.
fn password(value: &str) -> Password {
    Password(percent_decode_str(value).collect())
}

fn weight(text: &str) -> Result<u32, Problem> {
    let number = text.parse().ok().filter(|weight| (1..=1000).contains(weight));
    number.ok_or_else(|| "its weight is not a whole number from 1 to 1000".into())
}

/// Checks a duration in the syntax of PostgreSQL's settings.
fn duration(text: String) -> Result<String, Problem> {
    let unit = text.trim_start_matches(|symbol: char| symbol.is_ascii_digit());
    if unit.len() == text.len() || !UNITS.contains(&unit) {
        return Err("statement_timeout is milliseconds, or a number with us, ms, s, min, h or d".into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use super::{Check, Roots};

    fn read(rest: &str) -> PostgresTarget {
        PostgresTarget::read(rest).unwrap_or_else(|problem| panic!("{rest}: {problem}"))
    }

    fn tcp(name: &str, port: u16) -> Server {
        Server { host: Host::Tcp(name.to_owned()), address: None, port }
    }

    fn unix(path: &str, port: u16) -> Server {
        Server { host: Host::Unix(path.into()), address: None, port }
    }

    #[test]
    fn several_hosts_sockets_and_addresses_are_read() {
        let address = Some("10.0.0.7".parse().unwrap());
        for (rest, servers) in [
            ("//h", vec![tcp("h", 5432)]),
            ("//u:p@h:5433/d", vec![tcp("h", 5433)]),
            ("//one,two:2/d", vec![tcp("one", 5432), tcp("two", 2)]),
            ("//[::1]:7/d", vec![tcp("::1", 7)]),
            ("///d?host=/var/run/postgresql", vec![unix("/var/run/postgresql", 5432)]),
            ("///d?host=/run/a%40b&port=7", vec![unix("/run/a@b", 7)]),
            ("///d?host=/run/a@b", vec![unix("/run/a@b", 5432)]),
            ("//%2Frun/d", vec![unix("/run", 5432)]),
            ("///d?host=one,two&port=1,2", vec![tcp("one", 1), tcp("two", 2)]),
            ("///d?host=one%2Ctwo&port=1", vec![tcp("one", 1), tcp("two", 1)]),
            ("//h/d?hostaddr=10.0.0.7", vec![Server { address, ..tcp("h", 5432) }]),
            ("///d?hostaddr=10.0.0.7", vec![Server { address, ..tcp("10.0.0.7", 5432) }]),
            ("//h/d?port=7", vec![tcp("h", 7)]),
            ("//one:1,two/d?port=7", vec![tcp("one", 1), tcp("two", 7)]),
        ] {
            assert_eq!(read(rest).servers, servers, "{rest}");
        }
    }

    #[test]
    fn more_hosts_than_a_router_can_distinguish_are_refused() {
        let hosts = |count: usize| (0..count).map(|host| format!("h{host}")).collect::<Vec<_>>().join(",");
        assert_eq!(read(&format!("//{}/d", hosts(32))).servers.len(), 32);
        let problem = PostgresTarget::read(&format!("//{}/d", hosts(71))).map(drop).unwrap_err();
        assert_eq!(problem, "it names 71 hosts, and at most 32 are taken");
    }

    #[test]
    fn an_at_sign_belongs_to_the_password_or_to_a_parameter_and_never_to_a_host() {
        let target = read("//u:p@ss@h/d?application_name=a@b");
        assert_eq!(target.password, Some(Password(b"p@ss".into())));
        assert_eq!(target.application_name.as_deref(), Some("a@b"));
        assert_eq!(target.servers, [tcp("h", 5432)]);
        assert_eq!(read("//h/d?application_name=a@b").user, None);
    }

    #[test]
    fn a_dead_connection_is_noticed_within_a_minute_unless_the_url_says_otherwise() {
        let limits = |url: &str| {
            let tcp = read(url).tcp;
            (tcp.keepalives_idle, tcp.user_timeout)
        };
        let seconds = Duration::from_secs;
        assert_eq!(limits("//h/d"), (seconds(30), Some(seconds(60))));
        assert_eq!(limits("//h/d?keepalives_idle=7&tcp_user_timeout=9000"), (seconds(7), Some(seconds(9))));
    }

    #[test]
    fn parameters_reach_their_consumers() {
        let target = read(
            "//h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fmy%20ca.pem&connect_timeout=7&keepalives=0\
             &keepalives_count=3&options=-c%20jit%3Doff&target_session_attrs=read-write&statement_timeout=5s",
        );
        assert_eq!(target.ssl.mode, SslMode::Require);
        assert_eq!(target.ssl.check, Check::Name(Roots::File("/etc/my ca.pem".into())));
        assert_eq!(target.tcp.connect_timeout, Some(Duration::from_secs(7)));
        assert!(!target.tcp.keepalives);
        assert_eq!(target.tcp.keepalives_count, 3);
        assert_eq!(target.options.as_deref(), Some("-c jit=off"));
        assert_eq!(target.target_session_attrs, TargetSessionAttrs::Primary);
        assert_eq!(target.statement_timeout.as_deref(), Some("5s"));
        assert_eq!(read("//h/d?ssl=require").ssl.mode, SslMode::Require);
    }

    #[test]
    fn problems_are_named_but_never_quoted() {
        for (rest, expected) in [
            ("//h/d?Secret=Secret", "known are sslmode, sslrootcert"),
            ("//h/d?Secret", "has no value"),
            ("//h/d?sslmode=Secret", "sslmode may be disable"),
            ("//h/d?sslpassword=Secret", "sslpassword"),
            ("//h/d?sslkey=Secret", "sslcert and sslkey go together"),
            ("//h/d?connect_timeout=Secret", "connect_timeout does not parse"),
            ("//h/d?target_session_attrs=Secret", "target_session_attrs may be"),
            ("//h/d?statement_timeout=Secret", "statement_timeout is milliseconds"),
            ("//h/d?statement_timeout=5s%20-c%20role%3DSecret", "statement_timeout is milliseconds"),
            ("//h/d?statement_timeout=", "statement_timeout is milliseconds"),
            ("//one,two,three/d?port=1,2", "as many ports"),
            ("//u:Secret@/d", "it names no host"),
            ("u:Secret@h/d", "two slashes"),
        ] {
            let problem = PostgresTarget::read(rest).map(|_| ()).expect_err(rest);
            assert!(problem.contains(expected), "{rest}: {problem}");
            assert!(!problem.contains("Secret"), "{rest}: {problem}");
        }
    }
}
