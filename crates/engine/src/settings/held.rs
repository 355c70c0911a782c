//! Which variables are set, for who wants to see what a program runs with.

use std::cell::RefCell;
use std::path::Path;

use serde::Serialize;

use super::{Settings, env, url};
use crate::error::Result;

const SCHEMES: [&str; 2] = ["postgres", "sqlite"];

/// A variable that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Held {
    /// Its name.
    pub name: String,
    /// What it holds, without passwords.
    pub value: String,
    /// Whether it is from the file `.env`, and not from the environment.
    pub is_from_file: bool,
}

/// Those that are set of all that are looked for, so that no list of them has to be kept.
pub(super) fn all() -> Result<Vec<Held>> {
    let file = env::read_dotenv(Path::new(env::DOTENV))?;
    let held = RefCell::new(Vec::new());
    let lookup = |name: &str| {
        let own = env::variable(name);
        let is_from_file = own.is_none();
        let value = own.or_else(|| file.get(name).cloned())?;
        held.borrow_mut().push(Held { name: name.to_owned(), value: shown(&value), is_from_file });
        Some(value)
    };
    // What is wrong is told by who reads them to use them.
    let _ = Settings::from_lookup(lookup);
    Ok(held.into_inner())
}

/// A value, or the URLs of a list, without passwords. A password may hold commas, so only one in front of a scheme
/// ends a URL.
fn shown(value: &str) -> String {
    let ends = value.match_indices(',').map(|(at, _)| at).filter(|&at| {
        let rest = value[at + 1..].trim_start();
        SCHEMES.iter().any(|scheme| rest.starts_with(scheme))
    });
    let mut start = 0;
    let mut urls = Vec::new();
    for end in ends.chain([value.len()]) {
        urls.push(url::redact(value[start..end].trim()));
        start = end + 1;
    }
    urls.join(",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::shown;

    #[test]
    fn urls_are_shown_without_their_passwords() {
        for (value, expected) in [
            ("5", "5"),
            ("src/report.rs:42,src/export.rs", "src/report.rs:42,src/export.rs"),
            ("host=h password=Secret,Secret user=ada", "host=h ***"),
            ("postgresql://ada:1,2@one:1,two:2/d", "postgresql://ada:***@one:1,two:2/d"),
            (
                "postgresql://ada:Secret@one/d, postgresql://ada:Secret@two/d",
                "postgresql://ada:***@one/d,postgresql://ada:***@two/d",
            ),
        ] {
            assert_eq!(shown(value), expected);
        }
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(password in "Secret[!-~]{0,12}Secret", other in "Secret[!-~]{0,12}Secret") {
            for value in [
                format!("postgresql://ada:{password}@one/d"),
                format!("postgresql://ada:{password}@one/d,postgresql://ada:{other}@two/d"),
                format!("postgresql://one/d?password={password},sqlite:///a.db"),
                format!("host=h password={password} user=u"),
            ] {
                let shown = shown(&value);
                prop_assert!(!shown.contains("Secret"), "{shown}");
            }
        }
    }
}
