//! URLs of PostgreSQL, with the parameters of libpq.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::parse::Problem;
use super::ssl::{Ssl, Written};

const UNKNOWN: &str = "one of its parameters is unknown; known are sslmode, sslrootcert, sslcert, sslkey, \
    target_session_attrs, statement_timeout, host, hostaddr, port, user, password, dbname, options, \
    application_name, connect_timeout, tcp_user_timeout, keepalives, keepalives_idle, keepalives_interval, \
    keepalives_count, channel_binding, sslnegotiation, load_balance_hosts, weight and zone";
/// What tokio-postgres reads itself: as libpq calls it, and as it does.
const PASSED: [(&str, &str); 14] = [
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
/// A way to a server that is dead is noticed within a minute, where the system's own settings take two hours, or a
/// quarter of one where something was sent. It says nothing of a server or a proxy that is silent.
const ALIVE: &str = "keepalives_idle=30&keepalives_interval=10&keepalives_retries=3&tcp_user_timeout=60";
/// Hosts that a URL may name. Together with as many replicas they have a bit each in a word of 64.
const MAX_HOSTS: usize = 32;
/// Signs of another program's list of parameters, such as `;Pwd=…`. As a part of a name it would be quoted in messages,
/// by the server as well.
const PAIRS: [char; 5] = [';', '=', '{', '"', '\n'];
const NO_NAME: &str =
    "one of its names holds ; = { or \"; parameters come after a question mark, as in ?sslmode=require";
const UNITS: [&str; 7] = ["", "us", "ms", "s", "min", "h", "d"];

/// Where a PostgreSQL server is and how to talk to it.
#[derive(Clone, PartialEq)]
pub(crate) struct PostgresTarget {
    /// Everything but hosts and encryption.
    pub(crate) config: Config,
    /// At least one.
    pub(crate) servers: Vec<Server>,
    pub(crate) wanted: Wanted,
    pub(crate) ssl: Ssl,
    /// Start-up options of its own.
    pub(crate) options: Option<String>,
    pub(crate) statement_timeout: Option<String>,
    /// The share of reads that a replica gets.
    pub(crate) weight: u32,
    pub(crate) zone: Option<String>,
}

/// One of the servers that may be connected to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) host: Host,
    /// Where it is, if the name is not to be looked up.
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
}

impl Server {
    /// Whether what is sent to it stays on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        match (&self.host, self.address) {
            (Host::Unix(_), _) => true,
            (_, Some(address)) => is_loopback(address),
            (Host::Tcp(name), None) => name == "localhost" || name.parse().is_ok_and(is_loopback),
        }
    }
}

/// Host and port, for messages.
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

/// `target_session_attrs`: which server will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    Primary,
    Standby,
    /// A standby, or any server if no standby is to be had.
    PreferStandby,
}

/// The parameters of a URL, by who reads them.
#[derive(Default)]
struct Parameters {
    ssl: Written,
    wanted: Option<String>,
    options: Option<String>,
    statement_timeout: Option<String>,
    weight: Option<String>,
    zone: Option<String>,
    /// `name=value` still encoded.
    servers: Vec<String>,
    passed: Vec<String>,
}

impl PostgresTarget {
    /// Reads what is behind `postgresql:`.
    pub(super) fn read(rest: &str) -> Result<Self, Problem> {
        let rest = rest.strip_prefix("//").ok_or("two slashes follow its scheme")?;
        let (head, query) = rest.split_once('?').unwrap_or((rest, ""));
        // The last `@`, so that what is taken for a password is what is hidden as one.
        let (credentials, place) = match head.rsplit_once('@') {
            Some((credentials, place)) => (format!("{}@", plain(credentials)), place),
            None => (String::new(), head),
        };
        let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
        let parameters = Parameters::read(query)?;
        let servers = servers(hosts, &parameters.servers)?;
        let config = parse(&format!("{credentials}/{database}?{ALIVE}&{}", parameters.passed.join("&")))?;
        let names = [config.get_user(), config.get_dbname()].into_iter().flatten().map(str::to_owned);
        if names.chain(servers.iter().map(ToString::to_string)).any(|name| name.contains(PAIRS)) {
            return Err(NO_NAME.into());
        }
        Ok(Self {
            config,
            servers,
            wanted: Wanted::read(parameters.wanted.as_deref())?,
            ssl: Ssl::read(parameters.ssl)?,
            options: parameters.options,
            statement_timeout: parameters.statement_timeout.map(duration).transpose()?,
            weight: parameters.weight.map_or(Ok(1), |text| weight(&text))?,
            zone: parameters.zone,
        })
    }
}

impl PostgresTarget {
    /// The same with one of its servers, whatever that is.
    pub(crate) fn only(&self, server: &Server) -> Self {
        Self { servers: vec![server.clone()], wanted: Wanted::Any, ..self.clone() }
    }
}

impl Parameters {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').ok_or("one of its parameters has no value")?;
            parameters.take(name, value)?;
        }
        Ok(parameters)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let text = decode(value)?;
        match name {
            // asyncpg calls `ssl` what libpq calls `sslmode`.
            "sslmode" | "ssl" => self.ssl.mode = Some(text),
            "sslrootcert" => self.ssl.root = Some(text),
            "sslcert" => self.ssl.certificate = Some(text),
            "sslkey" => self.ssl.key = Some(text),
            "sslpassword" => return Err("encrypted keys are not read, so sslpassword has no use".into()),
            "target_session_attrs" => self.wanted = Some(text),
            "options" => self.options = Some(text),
            "statement_timeout" => self.statement_timeout = Some(text),
            "weight" => self.weight = Some(text),
            "zone" => self.zone = Some(text),
            "host" => self.servers.extend(list(value).map(|host| format!("host={host}"))),
            "hostaddr" | "port" => self.servers.push(format!("{name}={value}")),
            _ => self.pass(name, value)?,
        }
        Ok(())
    }

    fn pass(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let (known, theirs) = PASSED.iter().find(|(known, _)| *known == name).ok_or(UNKNOWN)?;
        let parameter = format!("{theirs}={}", plain(value));
        // Alone, so that the message can say which it is.
        parse(&format!("/?{parameter}")).map_err(|_| format!("its parameter {known} does not parse"))?;
        self.passed.push(parameter);
        Ok(())
    }
}

impl Wanted {
    fn read(written: Option<&str>) -> Result<Self, Problem> {
        Ok(match written.unwrap_or("any") {
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

/// The parser's own message is dropped: it can quote a part of a password that was not percent-encoded.
fn parse(url: &str) -> Result<Config, Problem> {
    format!("postgresql://{url}").parse().map_err(|_| "it does not parse".into())
}

/// An `@` is an end of credentials to the parser wherever it stands.
fn plain(part: &str) -> String {
    part.replace('@', "%40")
}

/// The parts between commas, of which some are percent-encoded.
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

/// A duration as PostgreSQL's settings take it.
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
    use crate::settings::ssl::{Check, Roots};

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
    fn more_hosts_than_a_router_can_tell_apart_are_refused() {
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
    fn a_dead_way_is_noticed_within_a_minute_unless_the_url_says_otherwise() {
        let limits = |url: &str| {
            let config = read(url).config;
            (config.get_keepalives_idle(), config.get_tcp_user_timeout().copied())
        };
        let seconds = Duration::from_secs;
        assert_eq!(limits("//h/d"), (seconds(30), Some(seconds(60))));
        assert_eq!(limits("//h/d?keepalives_idle=7&tcp_user_timeout=9"), (seconds(7), Some(seconds(9))));
    }

    #[test]
    fn parameters_reach_who_reads_them() {
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
        assert_eq!(target.wanted, Wanted::Primary);
        assert_eq!(target.statement_timeout.as_deref(), Some("5s"));
        assert_eq!(read("//h/d?ssl=require").ssl.mode, SslMode::Require);
    }

    #[test]
    fn what_is_wrong_is_named_but_never_quoted() {
        for (rest, told) in [
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
            assert!(problem.contains(told), "{rest}: {problem}");
            assert!(!problem.contains("Secret"), "{rest}: {problem}");
        }
    }
}
