//! Statements.

use std::borrow::Cow;
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
        let text = |sql: Box<str>| Text::of(&sql).with(()).with(sql);
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
