//! Which variables are set, for who wants to see what a program runs with.

use std::cell::RefCell;
use std::path::Path;

use serde::Serialize;

use super::parse::list;
use super::{Settings, env, url};
use crate::error::Result;

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

/// A value, or the URLs of a list, without passwords.
fn shown(value: &str) -> String {
    if !value.contains(':') {
        return value.to_owned();
    }
    list(value).map(url::redact).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn urls_are_shown_without_their_passwords() {
        assert_eq!(shown("5"), "5");
        assert_eq!(shown("src/report.rs:42"), "src/report.rs:42");
        assert_eq!(
            shown("postgresql://ada:Secret@one/d, postgresql://ada:Secret@two/d"),
            "postgresql://ada:***@one/d,postgresql://ada:***@two/d"
        );
    }
}
