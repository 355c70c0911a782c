//! Database URLs, as SQLAlchemy writes them, that never show their password.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use super::parse::Problem;
use super::postgres_url::PostgresTarget;
use crate::error::{Error, Result};

const EXPECTED: &str = "sqlite:///./relative.db, sqlite:////absolute.db, sqlite::memory: or \
    postgresql://user:password@host:5432/database (in a password, @ is written %40, / is %2F, ? is %3F, # is %23)";

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Embedded SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgresql",
        })
    }
}

/// Where a database is.
///
/// Accepted are `sqlite:///./relative.db`, `sqlite:////absolute.db`, `sqlite::memory:` and
/// `postgresql://user:password@host:port/database` (`postgres://` too), each also with the name of a Python
/// driver behind the scheme (`postgresql+asyncpg://`). `Debug` and `Display` leave the password out.
///
/// ```
/// use tallybook_engine::{Engine, Settings};
///
/// let url = Settings::new("postgresql+asyncpg://ada:secret@db.example/book")?.database_url;
/// assert_eq!(url.engine(), Engine::Postgres);
/// assert_eq!(url.to_string(), "postgresql+asyncpg://ada:***@db.example/book");
/// # Ok::<(), tallybook_engine::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct DatabaseUrl {
    target: Target,
    redacted: String,
}

/// What a driver needs to connect.
#[derive(Clone, PartialEq)]
pub(crate) enum Target {
    Sqlite(SqliteLocation),
    Postgres(Box<PostgresTarget>),
}

/// Where an SQLite database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SqliteLocation {
    Memory,
    File(PathBuf),
}

impl DatabaseUrl {
    pub(crate) fn parse(variable: &str, held: &str) -> Result<Self> {
        let held = held.trim();
        let redacted = redact(held);
        match target(held) {
            Ok(target) => Ok(Self { target, redacted }),
            Err(problem) => {
                let shown =
                    if held.is_empty() { "an empty text".to_owned() } else { format!("\"{redacted}\"") };
                Err(Error::setting(variable, format!("{shown} ({problem})"), EXPECTED))
            }
        }
    }

    /// Which database it points to.
    pub fn engine(&self) -> Engine {
        match self.target {
            Target::Sqlite(_) => Engine::Sqlite,
            Target::Postgres(_) => Engine::Postgres,
        }
    }

    /// The file of an SQLite database on disk.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.target {
            Target::Sqlite(SqliteLocation::File(path)) => Some(path),
            _ => None,
        }
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

fn target(held: &str) -> Result<Target, Problem> {
    let (scheme, rest) = held.split_once(':').ok_or("it has no scheme")?;
    let dialect = scheme.split_once('+').map_or(scheme, |(dialect, _driver)| dialect);
    match dialect {
        "sqlite" => Ok(Target::Sqlite(sqlite(rest)?)),
        "postgresql" | "postgres" => Ok(Target::Postgres(Box::new(PostgresTarget::read(rest)?))),
        _ => Err("its scheme is unknown".into()),
    }
}

fn sqlite(rest: &str) -> Result<SqliteLocation, &'static str> {
    if matches!(rest, ":memory:" | "//" | "///" | "///:memory:") {
        return Ok(SqliteLocation::Memory);
    }
    let path = rest.strip_prefix("///").ok_or("an SQLite path comes after three slashes")?;
    if path.contains('?') {
        return Err("an SQLite URL takes no parameters");
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| "its path is not UTF-8")?;
    Ok(SqliteLocation::File(PathBuf::from(path.into_owned())))
}

/// The URL with everything that could be a password replaced.
///
/// It must be safe on texts that do not parse, so it hides too much rather than too little.
pub(super) fn redact(url: &str) -> String {
    let user = password_of_user(url).unwrap_or(url.len()..url.len());
    let parameter = secret_parameter(url);
    let mut shown = url.to_owned();
    if parameter < user.end {
        // One is within the other: what follows the `@` may belong to either.
        shown.replace_range(user.start.min(parameter).., "***");
    } else {
        if parameter < url.len() {
            let name = if shown[parameter..].to_ascii_lowercase().starts_with("password=") {
                "password="
            } else {
                ""
            };
            shown.replace_range(parameter.., &format!("{name}***"));
        }
        if !user.is_empty() {
            shown.replace_range(user, "***");
        }
    }
    shown
}

/// Where the first parameter begins that could be a password, or a key in place of its path, however it is
/// encoded.
fn secret_parameter(url: &str) -> usize {
    let password = url.to_ascii_lowercase().find("password=").unwrap_or(url.len());
    let is_secret = |parameter: &str| {
        let decoded = percent_decode_str(parameter).decode_utf8_lossy().to_ascii_lowercase();
        ["password=", "-----begin", "private key"].iter().any(|secret| decoded.contains(secret))
    };
    let mut start = url.find('?').map_or(url.len(), |mark| mark + 1);
    for parameter in url[start..].split('&') {
        if is_secret(parameter) {
            return start.min(password);
        }
        start += parameter.len() + 1;
    }
    password
}

/// Where the password is in `scheme://user:password@host`: from the first colon to the last `@`.
fn password_of_user(url: &str) -> Option<Range<usize>> {
    let start = url.find(':').filter(|&colon| url[colon..].starts_with("://")).map(|colon| colon + 3);
    match (start, url.rfind('@')) {
        (Some(start), Some(end)) => {
            let colon = url.get(start..end)?.find(':')?;
            Some(start + colon + 1..end)
        }
        (None, Some(end)) => Some(0..end),
        // A list of URLs that was split at a comma within a password leaves `scheme://user:pass`.
        (Some(start), None) => {
            let hosts = url[start..].split('/').next().filter(|hosts| !are_hosts(hosts))?;
            Some(start + hosts.find(':')? + 1..url.len())
        }
        (None, None) => None,
    }
}

/// Whether nothing but a port is behind the colon of each; an address of IPv6 stands in brackets.
fn are_hosts(hosts: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    hosts.split(',').all(|host| {
        let behind = host.rsplit(']').next().unwrap_or(host);
        behind.split_once(':').is_none_or(|(_, port)| is_port(port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn location(url: &str) -> SqliteLocation {
        match DatabaseUrl::parse("url", url).unwrap().target {
            Target::Sqlite(location) => location,
            Target::Postgres(_) => panic!("{url} is no SQLite URL"),
        }
    }

    #[test]
    fn three_slashes_are_relative_and_four_absolute() {
        assert_eq!(location("sqlite:///./a.db"), SqliteLocation::File("./a.db".into()));
        assert_eq!(location("sqlite:///a b.db"), SqliteLocation::File("a b.db".into()));
        assert_eq!(location("sqlite+aiosqlite:////var/a%20b.db"), SqliteLocation::File("/var/a b.db".into()));
    }

    #[test]
    fn memory_has_three_spellings() {
        for url in ["sqlite::memory:", "sqlite://", "sqlite:///:memory:"] {
            assert_eq!(location(url), SqliteLocation::Memory, "{url}");
        }
    }

    #[test]
    fn postgresql_is_known_by_all_its_schemes() {
        for scheme in ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"] {
            let url = DatabaseUrl::parse("url", &format!("{scheme}://u:p@h:5433/d")).unwrap();
            let Target::Postgres(target) = url.target() else { panic!("{scheme}") };
            assert_eq!(target.servers[0].port, 5433);
            assert_eq!(target.config.get_dbname(), Some("d"));
        }
    }

    #[test]
    fn a_bad_url_is_named_with_its_variable_and_what_may_be() {
        for bad in [
            "",
            "book.db",
            "mysql://h/d",
            "sqlite://book.db",
            "postgresql:///d",
            "postgresql://h/d?sslmode=always",
        ] {
            let error = DatabaseUrl::parse("DATABASE_URL", bad).unwrap_err().to_string();
            assert!(error.starts_with("DATABASE_URL holds "), "{error}");
            assert!(error.contains("sqlite:///./relative.db"), "{error}");
        }
    }

    #[test]
    fn all_but_the_password_is_shown() {
        for (url, shown) in [
            ("postgresql://h:5432/d", "postgresql://h:5432/d"),
            ("postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d"),
            ("postgresql://one:1,two:2/d", "postgresql://one:1,two:2/d"),
            ("postgresql://u@h/d", "postgresql://u@h/d"),
            ("postgresql://u:password@h:5432/d", "postgresql://u:***@h:5432/d"),
            ("postgresql://u:p@ss@h/d?password=x&a=b", "postgresql://u:***@h/d?password=***"),
            ("postgresql://h/d?sslpassword=x", "postgresql://h/d?***"),
            ("postgresql://h/d?a=b&p%61ssword=x", "postgresql://h/d?a=b&***"),
            ("postgresql://h/d?sslkey=-----BEGIN%20KEY", "postgresql://h/d?***"),
            ("postgresql://h/d?sslkey=/etc/me.key", "postgresql://h/d?sslkey=/etc/me.key"),
            ("sqlite:////var/a:b.db", "sqlite:////var/a:b.db"),
            ("postgresql://u:Secret", "postgresql://u:***"),
        ] {
            assert_eq!(redact(url), shown);
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            scheme in prop_oneof!["postgresql", "postgres", "postgresql\\+asyncpg", "mysql", "postgresq1"],
            password in "Secret[!-~]{0,12}Secret",
            host in "[a-z]{1,8}",
        ) {
            let url = format!("{scheme}://ada:{password}@{host}/book");
            let shown = match DatabaseUrl::parse("DATABASE_URL", &url) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("Secret"), "{shown}");
        }

        #[test]
        fn no_password_parameter_is_ever_shown(password in "Secret[!-~]{0,12}Secret") {
            for url in [
                format!("postgresql://h/d?password={password}"),
                format!("postgresql://u:{password}@h:1/d?password={password}"),
                format!("postgresql://h:5432/d?password={password}"),
                format!("host=h password={password} user=u"),
            ] {
                let shown = match DatabaseUrl::parse("DATABASE_URL", &url) {
                    Ok(url) => format!("{url} {url:?}"),
                    Err(error) => format!("{error} {error:?}"),
                };
                prop_assert!(!shown.contains("Secret"), "{shown}");
            }
        }
    }
}
