//! PostgreSQL URLs, with the parameters of libpq.

mod ssl;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use tallybook_sql::redact::Problem;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use ssl::RawSslParams;

pub use ssl::{Check, Identity, Roots, Ssl};

const UNKNOWN: &str = "one of its parameters is unknown; known are sslmode, sslrootcert, sslcert, sslkey, \
    target_session_attrs, statement_timeout, host, hostaddr, port, user, password, dbname, options, \
    application_name, connect_timeout, tcp_user_timeout, keepalives, keepalives_idle, keepalives_interval, \
    keepalives_count, channel_binding, sslnegotiation, load_balance_hosts, weight and zone";
/// Parameters forwarded to tokio-postgres: libpq's name, and its own.
const FORWARDED: [(&str, &str); 14] = [
    ("user", "user"),
    ("password", "password"),
    ("dbname", "dbname"),
    ("application_name", "application_name"),
    ("connect_timeout", "connect_timeout"),
    ("tcp_user_timeout", "tcp_user_timeout"),
    ("keepalives", "keepalives"),
    ("keepalives_idle", "keepalives_idle"),
    ("keepalives_interval", "keepalives_interval"),
    ("keepalives_count", "keepalives_retries"),
    ("keepalives_retries", "keepalives_retries"),
    ("channel_binding", "channel_binding"),
    ("sslnegotiation", "sslnegotiation"),
    ("load_balance_hosts", "load_balance_hosts"),
];
/// Keepalive and time-out settings that detect a dead connection within a minute, or within 15 seconds of sending
/// something; the system's defaults take two hours. They do not detect a server or proxy that is alive but silent.
const KEEPALIVES: &str = "keepalives_idle=30&keepalives_interval=10&keepalives_retries=3&tcp_user_timeout=60";
/// Maximum number of hosts in a URL. The hosts and as many replicas have one bit each in a 64-bit word.
const MAX_HOSTS: usize = 32;
/// Signs of another program's parameter list, such as `;Pwd=…`. Inside a name they would be quoted in messages,
/// including those of the server.
const FOREIGN_SIGNS: [char; 5] = [';', '=', '{', '"', '\n'];
const INVALID_NAME: &str =
    "one of its names holds ; = { or \"; parameters come after a question mark, as in ?sslmode=require";
const UNITS: [&str; 7] = ["", "us", "ms", "s", "min", "h", "d"];

/// The servers of a PostgreSQL database, and the options for connecting to them.
#[derive(Clone, PartialEq)]
pub struct PostgresTarget {
    /// All options except hosts and encryption.
    pub config: Config,
    /// At least one server.
    pub servers: Vec<Server>,
    /// The role that a server must have.
    pub target_session_attrs: TargetSessionAttrs,
    /// Encryption and verification of the server.
    pub ssl: Ssl,
    /// Start-up options from the URL.
    pub options: Option<String>,
    /// `statement_timeout` in PostgreSQL's syntax, for example `5s`.
    pub statement_timeout: Option<String>,
    /// Relative share of reads for a replica, 1 to 1000.
    pub weight: u32,
    /// Availability zone of the server, if the URL names one.
    pub zone: Option<String>,
}

/// A server to connect to.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Host name, or directory of a Unix socket.
    pub host: Host,
    /// IP address, if the host name is not to be resolved.
    pub address: Option<IpAddr>,
    /// TCP port, or number of the Unix socket.
    pub port: u16,
}

impl Server {
    /// Returns the host, or the directory of the Unix socket, and the port.
    pub fn address(&self) -> (String, u16) {
        let host = match &self.host {
            Host::Tcp(host) => host.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        (host, self.port)
    }

    /// Returns whether traffic to the server stays on this machine.
    pub fn is_local(&self) -> bool {
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        match (&self.host, self.address) {
            (Host::Unix(_), _) => true,
            (_, Some(address)) => is_loopback(address),
            (Host::Tcp(name), None) => name == "localhost" || name.parse().is_ok_and(is_loopback),
        }
    }
}

/// Writes host and port, for messages.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Host::Tcp(name) => write!(f, "{name}:{port}"),
            Host::Unix(path) => write!(f, "{}:{port}", path.display()),
        }
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
    ssl: RawSslParams,
    target_session_attrs: Option<String>,
    options: Option<String>,
    statement_timeout: Option<String>,
    weight: Option<String>,
    zone: Option<String>,
    /// `name=value`, still percent-encoded.
    servers: Vec<String>,
    forwarded: Vec<String>,
}

impl PostgresTarget {
    /// Returns the name of the database, by default that of the user.
    pub fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }

    /// Parses the part of a URL after `postgresql:`.
    pub fn read(rest: &str) -> Result<Self, Problem> {
        let rest = rest.strip_prefix("//").ok_or("two slashes follow its scheme")?;
        let (head, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The last `@` ends the credentials, so that everything that could be a password is treated as one.
        let (credentials, place) = match head.rsplit_once('@') {
            Some((credentials, place)) => (format!("{}@", plain(credentials)), place),
            None => (String::new(), head),
        };
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let parameters = Parameters::parse(query)?;
        let servers = servers(hosts, &parameters.servers)?;
        let config =
            parse(&format!("{credentials}/{database}?{KEEPALIVES}&{}", parameters.forwarded.join("&")))?;
        let names = [config.get_user(), config.get_dbname()].into_iter().flatten().map(str::to_owned);
        if names.chain(servers.iter().map(ToString::to_string)).any(|name| name.contains(FOREIGN_SIGNS)) {
            return Err(INVALID_NAME.into());
        }
        Ok(Self {
            config,
            servers,
            target_session_attrs: TargetSessionAttrs::parse(parameters.target_session_attrs.as_deref())?,
            ssl: Ssl::parse(parameters.ssl)?,
            options: parameters.options,
            statement_timeout: parameters.statement_timeout.map(duration).transpose()?,
            weight: parameters.weight.map_or(Ok(1), |text| weight(&text))?,
            zone: parameters.zone,
        })
    }
}

impl PostgresTarget {
    /// Returns the target with one of its servers only, of any role.
    pub fn only(&self, server: &Server) -> Self {
        Self { servers: vec![server.clone()], target_session_attrs: TargetSessionAttrs::Any, ..self.clone() }
    }
}

impl Parameters {
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or("one of its parameters has no value")?;
            parameters.set(name, value)?;
        }
        Ok(parameters)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let text = decode(value)?;
        match name {
            // asyncpg's `ssl` is libpq's `sslmode`.
            "sslmode" | "ssl" => self.ssl.mode = Some(text),
            "sslrootcert" => self.ssl.root = Some(text),
            "sslcert" => self.ssl.certificate = Some(text),
            "sslkey" => self.ssl.key = Some(text),
            "sslpassword" => return Err("encrypted keys are not read, so sslpassword has no use".into()),
            "target_session_attrs" => self.target_session_attrs = Some(text),
            "options" => self.options = Some(text),
            "statement_timeout" => self.statement_timeout = Some(text),
            "weight" => self.weight = Some(text),
            "zone" => self.zone = Some(text),
            "host" => self.servers.extend(list(value).map(|host| format!("host={host}"))),
            "hostaddr" | "port" => self.servers.push(format!("{name}={value}")),
            _ => self.forward(name, value)?,
        }
        Ok(())
    }

    fn forward(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let (known, forwarded) = FORWARDED.iter().find(|(known, _)| *known == name).ok_or(UNKNOWN)?;
        let parameter = format!("{forwarded}={}", plain(value));
        // Parsed separately, so that the message can name the parameter.
        parse(&format!("/?{parameter}")).map_err(|_| format!("its parameter {known} does not parse"))?;
        self.forwarded.push(parameter);
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

/// Pairs names, addresses and ports.
fn servers(hosts: &str, parameters: &[String]) -> Result<Vec<Server>, Problem> {
    let config = parse(&format!("{}/?{}", plain(hosts), plain(&parameters.join("&"))))?;
    let (names, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let count = names.len().max(addresses.len());
    let fits = |length: usize| length == count || length == 0;
    if count == 0 {
        return Err("it names no host".into());
    }
    if count > MAX_HOSTS {
        return Err(format!("it names {count} hosts, and at most {MAX_HOSTS} are taken").into());
    }
    if !fits(names.len()) || !fits(addresses.len()) || !(fits(ports.len()) || ports.len() == 1) {
        return Err("it does not name as many ports or addresses as hosts".into());
    }
    Ok((0..count)
        .filter_map(|index| {
            let address = addresses.get(index).copied();
            let name = || address.map(|address| Host::Tcp(address.to_string()));
            Some(Server {
                host: names.get(index).cloned().or_else(name)?,
                address,
                port: ports.get(index).or(ports.first()).copied().unwrap_or(5432),
            })
        })
        .collect())
}

/// Parses a URL. The parser's own message is dropped: it can quote part of a password that was not percent-encoded.
fn parse(url: &str) -> Result<Config, Problem> {
    format!("postgresql://{url}").parse().map_err(|_| "it does not parse".into())
}

/// Encodes `@`, which ends the credentials for the parser wherever it stands.
fn plain(part: &str) -> String {
    part.replace('@', "%40")
}

/// Splits a list at its commas, some of which are percent-encoded.
fn list(value: &str) -> impl Iterator<Item = String> {
    let value = value.replace("%2C", ",").replace("%2c", ",");
    value.split(',').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn decode(value: &str) -> Result<String, Problem> {
    let decoded = percent_decode_str(value).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| "one of its parameters is not UTF-8".into())
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

    use tokio_postgres::config::SslMode;

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
        assert_eq!(target.config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(target.config.get_application_name(), Some("a@b"));
        assert_eq!(target.servers, [tcp("h", 5432)]);
        assert_eq!(read("//h/d?application_name=a@b").config.get_user(), None);
    }

    #[test]
    fn a_dead_connection_is_noticed_within_a_minute_unless_the_url_says_otherwise() {
        let limits = |url: &str| {
            let config = read(url).config;
            (config.get_keepalives_idle(), config.get_tcp_user_timeout().copied())
        };
        let seconds = Duration::from_secs;
        assert_eq!(limits("//h/d"), (seconds(30), Some(seconds(60))));
        assert_eq!(limits("//h/d?keepalives_idle=7&tcp_user_timeout=9"), (seconds(7), Some(seconds(9))));
    }

    #[test]
    fn parameters_reach_their_consumers() {
        let target = read(
            "//h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fmy%20ca.pem&connect_timeout=7&keepalives=0\
             &keepalives_count=3&options=-c%20jit%3Doff&target_session_attrs=read-write&statement_timeout=5s",
        );
        assert_eq!(target.ssl.mode, SslMode::Require);
        assert_eq!(target.ssl.check, Check::Name(Roots::File("/etc/my ca.pem".into())));
        assert_eq!(target.config.get_connect_timeout(), Some(&Duration::from_secs(7)));
        assert!(!target.config.get_keepalives());
        assert_eq!(target.config.get_keepalives_retries(), Some(3));
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
            ("//one,two,three/d?port=1", "as many ports"),
            ("//u:Secret@/d", "it names no host"),
            ("u:Secret@h/d", "two slashes"),
        ] {
            let problem = PostgresTarget::read(rest).map(|_| ()).expect_err(rest);
            assert!(problem.contains(expected), "{rest}: {problem}");
            assert!(!problem.contains("Secret"), "{rest}: {problem}");
        }
    }
}
