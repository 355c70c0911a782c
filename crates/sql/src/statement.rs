//! Statements.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::cast::ForeignCast;
use crate::classify::{
    TransactionControl, is_copy_over_connection, is_insert, is_read, leaves_state, transaction_control,
};
use crate::dialect::Dialect;
use crate::error::{Error, Result};

/// One SQL statement, with `$1`, `$2`, … for its parameters, in one text or in one for each dialect.
///
/// ```
/// use tallybook::Statement;
///
/// // The same text for both:
/// const BY_ID: Statement = Statement::new("SELECT id, title FROM notes WHERE id = $1");
/// // Where they differ:
/// const BY_IDS: Statement = Statement::per_dialect(
///     "SELECT id, title FROM notes WHERE id = ANY($1)",
///     "SELECT id, title FROM notes WHERE id IN rarray($1)",
/// );
/// # let _ = (BY_ID, BY_IDS);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    texts: Texts,
    by_values: bool,
}

/// Cloned with every query, so a clone copies no text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Texts {
    Static { postgres: Text<&'static str>, sqlite: Text<&'static str> },
    Shared(Arc<Shared>),
}

#[derive(Debug, PartialEq, Eq)]
struct Shared {
    postgres: Text<Box<str>>,
    /// `None` if it equals PostgreSQL's.
    sqlite: Option<Text<Box<str>>>,
}

/// A text and its classification, computed once: by the compiler for a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text<T> {
    sql: T,
    is_read: bool,
    is_insert: bool,
    control: Option<TransactionControl>,
    leaves_state: bool,
    foreign_cast: Option<ForeignCast>,
}

impl Statement {
    /// Returns a statement with one text, which both dialects understand.
    pub const fn new(sql: &'static str) -> Self {
        Self::per_dialect(sql, sql)
    }

    /// Returns a statement with one text for each dialect.
    pub const fn per_dialect(postgres: &'static str, sqlite: &'static str) -> Self {
        let (postgres, sqlite) = (Text::of(postgres), Text::of(sqlite));
        Self { texts: Texts::Static { postgres, sqlite }, by_values: false }
    }

    /// Like [`per_dialect`](Self::per_dialect), for texts built at run time.
    pub fn per_dialect_owned(postgres: impl Into<Box<str>>, sqlite: impl Into<String>) -> Self {
        Self::shared(postgres, Some(sqlite.into()))
    }

    fn shared(postgres: impl Into<Box<str>>, sqlite: Option<String>) -> Self {
        let text = |sql: Box<str>| classified(&sql).with(sql);
        let sqlite = sqlite.map(|sql| text(sql.into()));
        let shared = Shared { postgres: text(postgres.into()), sqlite };
        Self { texts: Texts::Shared(Arc::new(shared)), by_values: false }
    }

    /// Lets SQLite choose the plan by the values of the parameters, which PostgreSQL decides by itself.
    ///
    /// Use it where one value is rare and another matches nearly all rows. SQLite then plans the statement whenever the
    /// values change, which takes longer than most short reads.
    ///
    /// ```
    /// use tallybook::Statement;
    ///
    /// let open = Statement::new("SELECT id FROM orders WHERE status = $1 ORDER BY id LIMIT 20").custom_plan();
    /// # let _ = open;
    /// ```
    #[must_use]
    pub fn custom_plan(mut self) -> Self {
        self.by_values = true;
        self
    }

    /// Returns whether [`custom_plan`](Self::custom_plan) was called.
    #[doc(hidden)]
    pub fn uses_custom_plan(&self) -> bool {
        self.by_values
    }

    /// Returns a statement with PostgreSQL's text, and for SQLite the same text with `IN rarray($1)` for every `=
    /// ANY($1)`. A list is bound to one placeholder, so the text does not depend on its length.
    ///
    /// ```
    /// use tallybook::{Dialect, Statement};
    ///
    /// let by_ids = Statement::with_lists("SELECT title FROM notes WHERE id = ANY($1)");
    /// assert_eq!(by_ids.sql(Dialect::Sqlite), "SELECT title FROM notes WHERE id IN rarray($1)");
    /// ```
    pub fn with_lists(postgres: impl Into<Cow<'static, str>>) -> Self {
        let postgres = postgres.into();
        let sqlite = postgres.replace("= ANY(", "IN rarray(");
        Self::shared(postgres, Some(sqlite))
    }

    /// Returns the text for `dialect`.
    pub fn sql(&self, dialect: Dialect) -> &str {
        self.text(dialect).sql
    }

    /// Returns whether the text for `dialect` only reads, as far as a text shows.
    ///
    /// A read session is read-only on the server too. This check comes first, because a statement such as `SET` or
    /// `PRAGMA`, or PostgreSQL's function `set_config`, could undo that, and because its error names the call to make
    /// instead.
    pub fn is_read(&self, dialect: Dialect) -> bool {
        self.text(dialect).is_read
    }

    /// Returns whether the text for `dialect` inserts given values, so that its duration is bounded by its length.
    #[doc(hidden)]
    pub fn is_insert(&self, dialect: Dialect) -> bool {
        self.text(dialect).is_insert
    }

    /// Returns the effect of the text for `dialect` on its transaction, if it begins or ends one.
    #[doc(hidden)]
    pub fn transaction_control(&self, dialect: Dialect) -> Option<TransactionControl> {
        self.text(dialect).control
    }

    /// Returns whether it is a COPY of PostgreSQL whose rows travel over the connection.
    #[doc(hidden)]
    pub fn is_copy_over_connection(&self) -> bool {
        is_copy_over_connection(self.sql(Dialect::Postgres))
    }

    /// Returns whether the text for `dialect` may leave state on its connection that outlasts its transaction.
    #[doc(hidden)]
    pub fn leaves_state(&self, dialect: Dialect) -> bool {
        self.text(dialect).leaves_state
    }

    /// Refuses a cast that means something else on SQLite than on PostgreSQL.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_value`], with the cast to write instead.
    #[doc(hidden)]
    pub fn check_casts(&self) -> Result<()> {
        let Text { sql, foreign_cast: Some(cast), .. } = self.text(Dialect::Sqlite) else { return Ok(()) };
        Err(Error::invalid_value("statement", cast.advice(sql)).with_statement(sql))
    }

    fn text(&self, dialect: Dialect) -> Text<&str> {
        match (&self.texts, dialect) {
            (Texts::Static { postgres, .. }, Dialect::Postgres) => *postgres,
            (Texts::Static { sqlite, .. }, Dialect::Sqlite) => *sqlite,
            (Texts::Shared(texts), Dialect::Sqlite) => {
                texts.sqlite.as_ref().unwrap_or(&texts.postgres).borrow()
            }
            (Texts::Shared(texts), Dialect::Postgres) => texts.postgres.borrow(),
        }
    }

    /// Returns the statement with the text of each dialect replaced by the result of `change`.
    pub fn map(&self, change: impl Fn(Dialect, &str) -> String) -> Self {
        let text = |dialect| change(dialect, self.sql(dialect));
        let changed = Self::shared(text(Dialect::Postgres), Some(text(Dialect::Sqlite)));
        Self { by_values: self.by_values, ..changed }
    }
}

impl<'a> Text<&'a str> {
    const fn of(sql: &'a str) -> Self {
        Self {
            sql,
            is_read: is_read(sql),
            is_insert: is_insert(sql),
            control: transaction_control(sql),
            leaves_state: leaves_state(sql),
            foreign_cast: ForeignCast::find(sql),
        }
    }
}

impl<T> Text<T> {
    /// Returns the same classification with another representation of the text.
    fn with<U>(&self, sql: U) -> Text<U> {
        Text {
            sql,
            is_read: self.is_read,
            is_insert: self.is_insert,
            control: self.control,
            leaves_state: self.leaves_state,
            foreign_cast: self.foreign_cast,
        }
    }
}

impl Text<Box<str>> {
    fn borrow(&self) -> Text<&str> {
        self.with(&self.sql)
    }
}

/// Texts whose classification a thread remembers, and the longest of them in bytes.
const MAX_KNOWN: usize = 512;
const MAX_KNOWN_BYTES: usize = 4 << 10;

thread_local! {
    static KNOWN: RefCell<HashMap<Box<str>, Text<()>>> = RefCell::default();
}

/// Returns the classification of a text that the compiler does not know. Each thread remembers those of the texts it has
/// met, since examining a text takes longer than everything else that the client does for a short read.
fn classified(sql: &str) -> Text<()> {
    let known = KNOWN.try_with(|known| known.borrow().get(sql).copied());
    if let Ok(Some(text)) = known {
        return text;
    }
    let text = Text::of(sql).with(());
    if sql.len() <= MAX_KNOWN_BYTES {
        // While the thread ends there is nothing to remember.
        let _ = KNOWN.try_with(|known| {
            let mut known = known.borrow_mut();
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(sql.into(), text);
        });
    }
    text
}

impl From<&'static str> for Statement {
    fn from(sql: &'static str) -> Self {
        let text = classified(sql).with(sql);
        Self { texts: Texts::Static { postgres: text, sqlite: text }, by_values: false }
    }
}

impl From<String> for Statement {
    fn from(sql: String) -> Self {
        Self::shared(sql, None)
    }
}

impl From<&String> for Statement {
    fn from(sql: &String) -> Self {
        Self::from(sql.clone())
    }
}

impl From<&Statement> for Statement {
    fn from(statement: &Statement) -> Self {
        statement.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 5] = [
        "SELECT id FROM notes WHERE id = $1",
        "INSERT INTO notes VALUES ($1)",
        "SET work_mem = '1MB'",
        "COMMIT",
        "SELECT $1::varchar(3)",
    ];

    #[test]
    fn a_text_that_is_known_is_classified_as_the_compiler_does() {
        for _ in 0..3 {
            for text in TEXTS {
                assert_eq!(Statement::from(text), Statement::new(text));
                let (read, built) = (Statement::new(text), Statement::from(text.to_owned()));
                for dialect in [Dialect::Postgres, Dialect::Sqlite] {
                    assert_eq!(read.text(dialect), built.text(dialect));
                }
            }
        }
    }

    #[test]
    fn what_a_thread_remembers_is_bounded() {
        for number in 0..MAX_KNOWN * 3 {
            let text = format!("SELECT {number}");
            assert!(Statement::from(text).is_read(Dialect::Postgres));
        }
        let long = format!("SELECT '{}'", "x".repeat(MAX_KNOWN_BYTES));
        assert!(Statement::from(long.clone()).is_read(Dialect::Postgres));
        KNOWN.with_borrow(|known| {
            assert!(known.len() <= MAX_KNOWN && !known.contains_key(&*long), "{}", known.len());
        });
    }
}
