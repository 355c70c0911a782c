//! SQL texts.

use std::borrow::Cow;
use std::sync::Arc;

use crate::settings::Engine;

/// One SQL statement, with `$1`, `$2`, … for its parameters, in the words of both engines.
///
/// ```
/// use tallybook_engine::Statement;
///
/// // The same text for both:
/// const BY_ID: Statement = Statement::new("SELECT id, title FROM notes WHERE id = $1");
/// // Where they differ:
/// const BY_IDS: Statement = Statement::per_engine(
///     "SELECT id, title FROM notes WHERE id = ANY($1)",
///     "SELECT id, title FROM notes WHERE id IN rarray($1)",
/// );
/// # let _ = (BY_ID, BY_IDS);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement(Texts);

/// Cloned with every query, so never copied.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Texts {
    Static { postgres: &'static str, sqlite: &'static str },
    Shared(Arc<Shared>),
}

#[derive(Debug, PartialEq, Eq)]
struct Shared {
    postgres: Box<str>,
    /// None where it is the same.
    sqlite: Option<Box<str>>,
}

impl Statement {
    /// A text that both engines understand.
    pub const fn new(sql: &'static str) -> Self {
        Self::per_engine(sql, sql)
    }

    /// A text for each engine.
    pub const fn per_engine(postgres: &'static str, sqlite: &'static str) -> Self {
        Self(Texts::Static { postgres, sqlite })
    }

    fn shared(postgres: impl Into<Box<str>>, sqlite: Option<String>) -> Self {
        let sqlite = sqlite.map(String::into_boxed_str);
        Self(Texts::Shared(Arc::new(Shared { postgres: postgres.into(), sqlite })))
    }

    /// PostgreSQL's text, and for SQLite the same with every `= ANY($1)` as `IN rarray($1)`: a list bound to
    /// one placeholder, so that the text does not change with its length.
    ///
    /// ```
    /// use tallybook_engine::{Engine, Statement};
    ///
    /// let by_ids = Statement::with_lists("SELECT title FROM notes WHERE id = ANY($1)");
    /// assert_eq!(by_ids.sql(Engine::Sqlite), "SELECT title FROM notes WHERE id IN rarray($1)");
    /// ```
    pub fn with_lists(postgres: impl Into<Cow<'static, str>>) -> Self {
        let postgres = postgres.into();
        let sqlite = postgres.replace("= ANY(", "IN rarray(");
        Self::shared(postgres, Some(sqlite))
    }

    /// The text for `engine`.
    pub fn sql(&self, engine: Engine) -> &str {
        match (&self.0, engine) {
            (Texts::Static { postgres, .. }, Engine::Postgres) => postgres,
            (Texts::Static { sqlite, .. }, Engine::Sqlite) => sqlite,
            (Texts::Shared(texts), Engine::Sqlite) => texts.sqlite.as_ref().unwrap_or(&texts.postgres),
            (Texts::Shared(texts), Engine::Postgres) => &texts.postgres,
        }
    }

    /// The same statement with each engine's text changed by `change`.
    pub(crate) fn map(&self, change: impl Fn(Engine, &str) -> String) -> Self {
        let text = |engine| change(engine, self.sql(engine));
        Self::shared(text(Engine::Postgres), Some(text(Engine::Sqlite)))
    }
}

impl From<&'static str> for Statement {
    fn from(sql: &'static str) -> Self {
        Self::new(sql)
    }
}

impl From<String> for Statement {
    fn from(sql: String) -> Self {
        Self::shared(sql, None)
    }
}

impl From<&Statement> for Statement {
    fn from(statement: &Statement) -> Self {
        statement.clone()
    }
}

/// Whether a text is that of a statement that only reads, as far as a text can tell.
///
/// The server is told to be read-only as well. This check comes first because a statement such as `SET` or
/// `PRAGMA`, or PostgreSQL's function `set_config`, could undo that, and because its error says what to call
/// instead.
pub(crate) fn is_read(sql: &str) -> bool {
    let word = first_word(sql);
    ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"]
        .iter()
        .any(|read| word.eq_ignore_ascii_case(read))
        && !mentions(sql, b"set", b"config")
}

/// Whether a text holds `before_after`. Looks for the underscore first, since every read is looked through.
fn mentions(sql: &str, before: &[u8], after: &[u8]) -> bool {
    let sql = sql.as_bytes();
    let starts = |text: &[u8]| text.get(..after.len()).is_some_and(|start| start.eq_ignore_ascii_case(after));
    let mut underscores = sql.iter().enumerate().filter(|(_, byte)| **byte == b'_');
    underscores.any(|(index, _)| {
        let start = index.saturating_sub(before.len());
        sql[start..index].eq_ignore_ascii_case(before) && starts(&sql[index + 1..])
    })
}

fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after);
        } else {
            break;
        }
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::is_read;

    #[test]
    fn reads_are_known_behind_comments_and_parentheses() {
        for sql in [
            "select 1",
            "  -- why\n SELECT 1",
            "/* a */ (select 1) union select 2",
            "WITH a AS (SELECT 1) TABLE a",
            "SELECT set_, _config, set_confi, reset_conf FROM a_b_",
        ] {
            assert!(is_read(sql), "{sql}");
        }
    }

    #[test]
    fn whatever_could_write_or_undo_read_only_is_no_read() {
        for sql in [
            "INSERT INTO a VALUES (1)",
            "SET default_transaction_read_only = off",
            "PRAGMA query_only = 0",
            "SELECT Set_Config('default_transaction_read_only', 'off', false)",
            "SELECT pg_catalog.set_config('a', 'b', false) FROM trading_sessions",
            "/* SELECT */ DELETE FROM a",
            "-- SELECT",
            "",
            "selection",
        ] {
            assert!(!is_read(sql), "{sql}");
        }
    }
}
