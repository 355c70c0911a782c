//! The variables that are set, for people who want to see what a program runs with.

use std::cell::RefCell;
use std::path::Path;

use serde::Serialize;
use tallybook_sql::error::Result;
use tallybook_sql::redact::{HIDDEN, is_plain, unparsed_url};

use super::{DatabaseUrl, Settings, env};

const SCHEMES: [&str; 2] = ["postgres", "sqlite"];

/// An environment variable that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EnvVar {
    /// Name of the variable.
    pub name: String,
    /// Value without passwords.
    pub value: String,
    /// True if it comes from the file `.env` and not from the environment.
    pub is_from_file: bool,
}

/// Returns the variables that are set among all that are looked up, so that no list of them is needed.
pub(super) fn all() -> Result<Vec<EnvVar>> {
    let file = env::read_dotenv(Path::new(env::DOTENV))?;
    let held = RefCell::new(Vec::new());
    let lookup = |name: &str| {
        let own = env::variable(name);
        let is_from_file = own.is_none();
        let value = own.or_else(|| file.get(name).cloned())?;
        held.borrow_mut().push(EnvVar { name: name.to_owned(), value: shown(name, &value), is_from_file });
        Some(value)
    };
    // Problems are reported where the settings are used.
    let _ = Settings::from_lookup(lookup);
    Ok(held.into_inner())
}

/// Returns a value without potential passwords: a list of URLs, or plain text.
fn shown(name: &str, value: &str) -> String {
    if name.ends_with("_URL") {
        shown_urls(value)
    } else if is_plain(value) {
        value.to_owned()
    } else {
        HIDDEN.to_owned()
    }
}

/// Passwords may contain commas, so only a comma before a scheme ends a URL.
fn shown_urls(value: &str) -> String {
    let ends = value.match_indices(',').map(|(at, _)| at).filter(|&at| {
        let rest = value[at + 1..].trim_start();
        SCHEMES.iter().any(|scheme| rest.starts_with(scheme))
    });
    let mut start = 0;
    let mut urls = Vec::new();
    for end in ends.chain([value.len()]) {
        let url = value[start..end].trim();
        let parsed = DatabaseUrl::parse("", url);
        urls.push(parsed.map_or_else(|_| unparsed_url(url), |url| url.to_string()));
        start = end + 1;
    }
    urls.join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::shown;

    #[test]
    fn values_are_shown_without_passwords() {
        for (name, value, expected) in [
            ("DB_POOL_SIZE", "5", "5"),
            ("DB_N_PLUS_ONE_ALLOW", "src/report.rs:42,src/export.rs", "src/report.rs:42,src/export.rs"),
            ("DB_POOL_SIZE", "postgresql://ada:Hunter@one/d", "***"),
            ("DATABASE_URL", "host=h password=Hunter,Hunter user=ada", "a text of 38 characters"),
            ("DATABASE_URL", "postgresql://ada:1,2@one:1,two:2/d", "postgresql://ada:***@one:1,two:2/d"),
            (
                "DB_READ_REPLICA_URL",
                "postgresql://ada:Hunter@one/d, postgresql://ada:Hunter@two/d",
                "postgresql://ada:***@one/d,postgresql://ada:***@two/d",
            ),
        ] {
            assert_eq!(shown(name, value), expected);
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(password in "Hunter[!-~]{0,12}Hunter", other in "Hunter[!-~]{0,12}Hunter") {
            for value in [
                format!("postgresql://ada:{password}@one/d"),
                format!("postgresql://ada:{password}@one/d,postgresql://ada:{other}@two/d"),
                format!("postgresql://one/d?password={password},sqlite:///a.db"),
                format!("host=h password={password} user=u"),
            ] {
                for name in ["DATABASE_URL", "DB_READ_REPLICA_URL", "DB_POOL_SIZE", "DB_ZONE"] {
                    let shown = shown(name, &value);
                    prop_assert!(!shown.contains("Hunter"), "{shown}");
                }
            }
        }
    }
}
