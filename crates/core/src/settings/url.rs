//! Database URLs in SQLAlchemy's form, which never show their password.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, Result};
use tallybook_sql::file_access::SqliteLocation;
use tallybook_sql::redact::Problem;
use tallybook_sql::redact::{self, HIDDEN};

use crate::postgres::config::{PostgresTarget, Server};

const EXPECTED: &str = "sqlite:///./relative.db, sqlite:////absolute.db, sqlite::memory: or \
    postgresql://user:password@host:5432/database (in a password, @ is written %40, / is %2F, ? is %3F, # is %23)";

/// The address of a database.
///
/// Accepts `sqlite:///./relative.db`, `sqlite:////absolute.db`, `sqlite::memory:` and
/// `postgresql://user:password@host:port/database` (or `postgres://`), each also with the name of a Python
/// driver after the scheme (`postgresql+asyncpg://`). `Debug` and `Display` leave out the password.
///
/// ```
/// use tallybook::{Dialect, Settings};
///
/// let url = Settings::new("postgresql+asyncpg://ada:secret@db.example/book")?.database_url;
/// assert_eq!(url.dialect(), Dialect::Postgres);
/// assert_eq!(url.to_string(), "postgresql+asyncpg://ada:***@db.example/book");
/// # Ok::<(), tallybook::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct DatabaseUrl {
    target: ConnectTarget,
    redacted: String,
}

/// The address in the form that a driver needs.
#[doc(hidden)]
#[derive(Clone, PartialEq)]
pub enum ConnectTarget {
    /// A file or memory.
    Sqlite(SqliteLocation),
    /// One or several servers.
    Postgres(Box<PostgresTarget>),
}

impl DatabaseUrl {
    /// Parses a URL. `variable` is the name that an error mentions.
    ///
    /// # Errors
    /// If the URL has none of the accepted forms. The error shows no part that may be a password.
    #[doc(hidden)]
    pub fn parse(variable: &str, held: &str) -> Result<Self> {
        let held = held.trim();
        match target(held) {
            Ok(target) => Ok(Self { redacted: redacted(held, &target), target }),
            Err(problem) => {
                let held = format!("{} ({problem})", redact::unparsed_url(held));
                Err(Error::setting(variable, held, EXPECTED))
            }
        }
    }

    /// Returns the SQL dialect of the database.
    pub fn dialect(&self) -> Dialect {
        match self.target {
            ConnectTarget::Sqlite(_) => Dialect::Sqlite,
            ConnectTarget::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Returns the path of an SQLite file, or `None` for memory and PostgreSQL.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.target {
            ConnectTarget::Sqlite(SqliteLocation::File(path)) => Some(path),
            _ => None,
        }
    }

    /// Returns the name of the database, or of the SQLite file.
    pub fn namespace(&self) -> String {
        match &self.target {
            ConnectTarget::Sqlite(SqliteLocation::Memory) => ":memory:".to_owned(),
            ConnectTarget::Sqlite(SqliteLocation::File(path)) => path
                .file_name()
                .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned()),
            ConnectTarget::Postgres(target) => target.database().to_owned(),
        }
    }

    /// Returns the host (or the directory of the Unix socket) and port of the first server; `None` for
    /// SQLite.
    pub fn server(&self) -> Option<(String, u16)> {
        match &self.target {
            ConnectTarget::Sqlite(_) => None,
            ConnectTarget::Postgres(target) => target.servers.first().map(Server::address),
        }
    }

    /// Returns the address in the form that a driver needs.
    #[doc(hidden)]
    pub fn target(&self) -> &ConnectTarget {
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

fn target(held: &str) -> Result<ConnectTarget, Problem> {
    let (scheme, rest) = held.split_once(':').ok_or("it has no scheme")?;
    let dialect = scheme.split_once('+').map_or(scheme, |(dialect, _driver)| dialect);
    match dialect {
        "sqlite" if cfg!(not(feature = "sqlite")) => {
            Err("this program is built without SQLite: the cargo feature `sqlite` of tallybook".into())
        }
        "sqlite" => Ok(ConnectTarget::Sqlite(sqlite(rest)?)),
        "postgresql" | "postgres" => Ok(ConnectTarget::Postgres(Box::new(PostgresTarget::read(rest)?))),
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
    // SQLite's messages would show the other URL, with its password, as a path.
    if path.contains("://") {
        return Err("its path is another URL");
    }
    Ok(SqliteLocation::File(PathBuf::from(path.into_owned())))
}

/// Returns a parsed URL without its password and without any part that is not plain, because someone may have
/// written a password there in the syntax of another program.
fn redacted(url: &str, target: &ConnectTarget) -> String {
    if let ConnectTarget::Sqlite(_) = target {
        return url.to_owned();
    }
    let Some((scheme, rest)) = url.split_once("://") else { return HIDDEN.to_owned() };
    let (head, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (credentials, place) = head.rsplit_once('@').unwrap_or(("", head));
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let mut shown = format!("{scheme}://");
    if head.contains('@') {
        let (user, password) =
            credentials.split_once(':').map_or((credentials, ""), |(user, _)| (user, ":***"));
        shown += &format!("{}{password}@", redact::name(user));
    }
    shown += redact::hosts(hosts);
    if place.contains('/') {
        shown += &format!("/{}", redact::name(database));
    }
    let mut separator = '?';
    for (name, value) in query.split('&').filter_map(|parameter| parameter.split_once('=')) {
        let value = if name == "password" { HIDDEN } else { redact::parameter(value) };
        shown += &format!("{separator}{name}={value}");
        separator = '&';
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn location(url: &str) -> SqliteLocation {
        match DatabaseUrl::parse("url", url).unwrap().target {
            ConnectTarget::Sqlite(location) => location,
            ConnectTarget::Postgres(_) => panic!("{url} is no SQLite URL"),
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
            let ConnectTarget::Postgres(target) = url.target() else { panic!("{scheme}") };
            assert_eq!(target.servers[0].port, 5433);
            assert_eq!(target.database(), "d");
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
            ("postgresql://u@h", "postgresql://u@h"),
            ("postgresql://u:password@h:5432/d", "postgresql://u:***@h:5432/d"),
            ("postgresql://u:p@ss@h/d?password=x&weight=2", "postgresql://u:***@h/d?password=***&weight=2"),
            ("postgresql://h/d?options=-c%20jit%3Doff", "postgresql://h/d?options=-c%20jit%3Doff"),
            ("postgresql://h/d?options=-c%20my.token%3Dx", "postgresql://h/d?options=***"),
            ("postgresql:///d?host=/run/a@b", "postgresql:///d?host=/run/a@b"),
            ("sqlite:////var/a:b.db", "sqlite:////var/a:b.db"),
        ] {
            assert_eq!(DatabaseUrl::parse("url", url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn an_error_about_a_malformed_url_shows_only_its_scheme_and_length() {
        for (url, shown) in [
            ("host=h password = Hunter2 user=u", "a text of 32 characters (it has no scheme)"),
            ("postgresql://h/d?pass=Hunter2", "a text of 29 characters that begins with postgresql: ("),
            ("postgres://h/d?pwd=Hunter2", "a text of 26 characters that begins with postgres: ("),
            ("Server=h;Database=d;Pwd=Hunter2;", "a text of 32 characters (it has no scheme)"),
            (r#"{"host": "h", "key": "Hunter2"}"#, "a text of 31 characters ("),
            ("postgresql%3A%2F%2Fu%3AHunter2%40h%2Fd", "a text of 38 characters (it has no scheme)"),
            ("Hunter2://u@h/d", "a text of 15 characters (its scheme is unknown)"),
            (
                "mysql://u:Hunter2@h/d",
                "a text of 21 characters that begins with mysql: (its scheme is unknown)",
            ),
            ("sqlite:///postgresql://u:Hunter2@h/d", "a text of 36 characters that begins with sqlite: ("),
            ("sqlite:///a.db?key=Hunter2", "a text of 26 characters that begins with sqlite: ("),
            ("postgresql://h/d;Pwd=Hunter2", "a text of 28 characters that begins with postgresql: ("),
            ("postgresql://h;Pwd=Hunter2/d", "a text of 28 characters that begins with postgresql: ("),
            ("postgresql://u;Pwd=Hunter2@h/d", "a text of 30 characters that begins with postgresql: ("),
            ("postgresql://h/d%3BPwd%3DHunter2", "a text of 32 characters that begins with postgresql: ("),
            ("Hunter2", "a text of 7 characters (it has no scheme)"),
        ] {
            let error = DatabaseUrl::parse("DATABASE_URL", url).unwrap_err();
            assert!(error.to_string().starts_with(&format!("DATABASE_URL holds {shown}")), "{url}: {error}");
            let whole = format!("{error} {error:?}");
            assert!(!whole.contains("Hunter2"), "{url}: {whole}");
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(
            scheme in prop_oneof!["postgresql", "postgres", "postgresql\\+asyncpg", "mysql", "postgresq1", "Pg"],
            password in "Hunter[!-~]{0,12}Hunter",
            host in "[a-z]{1,8}",
            form in 0..10_usize,
        ) {
            let url = match form {
                0 => format!("{scheme}://ada:{password}@{host}/book"),
                1 => format!("{scheme}://ada:{password}@{host}:1/book?password={password}"),
                2 => format!("{scheme}://{host}/d?password={password}"),
                3 => format!("{scheme}://{host}/d?pwd={password}"),
                4 => format!("{scheme}://{host}/d;Pwd={password};"),
                5 => format!("{scheme}://{host};Password={password}/d"),
                6 => format!("host={host} password={password} user=u"),
                7 => format!("{host}={{\"password\": \"{password}\"}}"),
                8 => format!("{scheme}://{password}"),
                _ => format!("Server={host};Pwd={password}"),
            };
            let shown = match DatabaseUrl::parse("DATABASE_URL", &url) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            // Without a separator, the whole text after the slashes is a host.
            prop_assume!(form != 8 || !is_host(&password));
            prop_assert!(!shown.contains("Hunter"), "{url}: {shown}");
        }
    }

    /// Returns whether the text may be a host with a port or a database, without a separator that suggests a
    /// password.
    fn is_host(text: &str) -> bool {
        redact::hosts(text) == text || text.contains('/') || text.contains('@') || text.contains('?')
    }
}
