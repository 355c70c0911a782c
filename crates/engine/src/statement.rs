//! SQL texts.

use std::borrow::Cow;
use std::sync::Arc;

use crate::cast::ForeignCast;
use crate::reading::{TransactionControl, is_insert, is_read, leaves_state, transaction_control};
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
pub struct Statement {
    texts: Texts,
    by_values: bool,
}

/// Cloned with every query, so never copied.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Texts {
    Static { postgres: Text<&'static str>, sqlite: Text<&'static str> },
    Shared(Arc<Shared>),
}

#[derive(Debug, PartialEq, Eq)]
struct Shared {
    postgres: Text<Box<str>>,
    /// None where it is the same.
    sqlite: Option<Text<Box<str>>>,
}

/// A text, looked at once: that of a constant when the program is compiled.
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
    /// A text that both engines understand.
    pub const fn new(sql: &'static str) -> Self {
        Self::per_engine(sql, sql)
    }

    /// A text for each engine.
    pub const fn per_engine(postgres: &'static str, sqlite: &'static str) -> Self {
        let (postgres, sqlite) = (Text::of(postgres), Text::of(sqlite));
        Self { texts: Texts::Static { postgres, sqlite }, by_values: false }
    }

    /// A text for each engine, where they are made when the program runs.
    pub fn of_each(postgres: impl Into<Box<str>>, sqlite: impl Into<String>) -> Self {
        Self::shared(postgres, Some(sqlite.into()))
    }

    fn shared(postgres: impl Into<Box<str>>, sqlite: Option<String>) -> Self {
        let text = |sql: Box<str>| Text::of(&sql).with(()).with(sql);
        let sqlite = sqlite.map(|sql| text(sql.into()));
        let shared = Shared { postgres: text(postgres.into()), sqlite };
        Self { texts: Texts::Shared(Arc::new(shared)), by_values: false }
    }

    /// Lets SQLite choose the plan by the values of the parameters: where one value is rare and another is that of
    /// nearly all rows. It then plans the statement whenever they change, which takes longer than most short reads.
    /// PostgreSQL decides that itself.
    ///
    /// ```
    /// use tallybook_engine::Statement;
    ///
    /// let open = Statement::new("SELECT id FROM orders WHERE status = $1 ORDER BY id LIMIT 20").planned_by_values();
    /// # let _ = open;
    /// ```
    #[must_use]
    pub fn planned_by_values(mut self) -> Self {
        self.by_values = true;
        self
    }

    pub(crate) fn is_planned_by_values(&self) -> bool {
        self.by_values
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
        self.text(engine).sql
    }

    /// Whether the text for `engine` only reads, as far as a text can tell.
    ///
    /// The server is told to be read-only as well. This check comes first because a statement such as `SET` or
    /// `PRAGMA`, or PostgreSQL's function `set_config`, could undo that, and because its error says what to call
    /// instead.
    pub(crate) fn is_read(&self, engine: Engine) -> bool {
        self.text(engine).is_read
    }

    /// Whether the text for `engine` inserts given values, and so takes no longer than they are long.
    pub(crate) fn is_insert(&self, engine: Engine) -> bool {
        self.text(engine).is_insert
    }

    /// What the text for `engine` does to its transaction, if it begins or ends one.
    pub(crate) fn transaction_control(&self, engine: Engine) -> Option<TransactionControl> {
        self.text(engine).control
    }

    /// Whether the text for `engine` may leave something behind on its connection that outlasts its transaction.
    pub(crate) fn leaves_state(&self, engine: Engine) -> bool {
        self.text(engine).leaves_state
    }

    /// The first cast of SQLite's text that means another thing there.
    pub(crate) fn foreign_cast(&self) -> Option<ForeignCast> {
        self.text(Engine::Sqlite).foreign_cast
    }

    fn text(&self, engine: Engine) -> Text<&str> {
        match (&self.texts, engine) {
            (Texts::Static { postgres, .. }, Engine::Postgres) => *postgres,
            (Texts::Static { sqlite, .. }, Engine::Sqlite) => *sqlite,
            (Texts::Shared(texts), Engine::Sqlite) => {
                texts.sqlite.as_ref().unwrap_or(&texts.postgres).borrow()
            }
            (Texts::Shared(texts), Engine::Postgres) => texts.postgres.borrow(),
        }
    }

    /// The same statement with each engine's text changed by `change`.
    pub(crate) fn map(&self, change: impl Fn(Engine, &str) -> String) -> Self {
        let text = |engine| change(engine, self.sql(engine));
        let changed = Self::shared(text(Engine::Postgres), Some(text(Engine::Sqlite)));
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
    /// The same about a text that is kept otherwise.
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
