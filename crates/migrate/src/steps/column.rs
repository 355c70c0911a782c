//! Columns, their types and foreign keys, as revisions declare them.

use std::borrow::Cow;

use tallybook_sql::dialect::Dialect;

/// The type of a column, in both dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// An integer primary key that the database generates.
    Id,
    /// A 32-bit integer on PostgreSQL, 64-bit on SQLite.
    Integer,
    /// A 64-bit integer.
    Bigint,
    /// A double-precision number.
    Float,
    /// A boolean.
    Boolean,
    /// Text of any length.
    Text,
    /// Text of at most this many characters.
    Varchar(u32),
    /// A timestamp without time zone, in microseconds.
    Timestamp,
    /// Any other type, spelled as each dialect's catalog prints it.
    Other {
        /// The type on PostgreSQL, as `format_type` prints it.
        postgres: &'static str,
        /// The type on SQLite.
        sqlite: &'static str,
    },
}

impl Type {
    /// Returns the type as a column definition spells it.
    pub(crate) fn sql(self, dialect: Dialect) -> Cow<'static, str> {
        let text = match (self, dialect) {
            (Type::Varchar(length), _) => return format!("VARCHAR({length})").into(),
            (Type::Id, Dialect::Postgres) => "SERIAL",
            (Type::Id, Dialect::Sqlite) | (Type::Integer, _) => "INTEGER",
            (Type::Bigint, _) => "BIGINT",
            (Type::Float, _) => "FLOAT",
            (Type::Boolean, _) => "BOOLEAN",
            (Type::Text, _) => "TEXT",
            (Type::Timestamp, Dialect::Postgres) => "TIMESTAMP",
            (Type::Timestamp, Dialect::Sqlite) => "DATETIME",
            (Type::Other { postgres, .. }, Dialect::Postgres) => postgres,
            (Type::Other { sqlite, .. }, Dialect::Sqlite) => sqlite,
        };
        text.into()
    }

    /// Returns the type as the catalog prints it.
    pub(crate) fn catalog(self, dialect: Dialect) -> Cow<'static, str> {
        match (self, dialect) {
            (Type::Varchar(length), Dialect::Postgres) => format!("character varying({length})").into(),
            (Type::Id | Type::Integer, Dialect::Postgres) => "integer".into(),
            (Type::Bigint, Dialect::Postgres) => "bigint".into(),
            (Type::Float, Dialect::Postgres) => "double precision".into(),
            (Type::Boolean, Dialect::Postgres) => "boolean".into(),
            (Type::Text, Dialect::Postgres) => "text".into(),
            (Type::Timestamp, Dialect::Postgres) => "timestamp without time zone".into(),
            _ => self.sql(dialect),
        }
    }
}

/// A foreign key from one column to the column `id` of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(crate) name: Option<&'static str>,
    pub(crate) table: &'static str,
}

impl Key {
    /// Declares a foreign key of this name to a table.
    pub const fn new(name: &'static str, table: &'static str) -> Self {
        Self { name: Some(name), table }
    }

    pub(crate) fn sql(&self) -> String {
        let named = self.name.map(|name| format!("CONSTRAINT {name} ")).unwrap_or_default();
        format!("{named}REFERENCES {} (id)", self.table)
    }
}

/// A column. `NOT NULL` unless declared with [`Column::null`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub(crate) name: &'static str,
    pub(crate) ty: Type,
    pub(crate) is_null: bool,
    pub(crate) is_unique: bool,
    pub(crate) key: Option<Key>,
}

impl Column {
    /// Declares a `NOT NULL` column.
    pub const fn new(name: &'static str, ty: Type) -> Self {
        Self { name, ty, is_null: false, is_unique: false, key: None }
    }

    /// Permits `NULL`.
    #[must_use]
    pub const fn null(mut self) -> Self {
        self.is_null = true;
        self
    }

    /// Adds a unique constraint.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.is_unique = true;
        self
    }

    /// Adds a foreign key to the `id` of a table; the database chooses its name.
    #[must_use]
    pub const fn references(mut self, table: &'static str) -> Self {
        self.key = Some(Key { name: None, table });
        self
    }

    /// Adds a foreign key of this name to the `id` of a table.
    #[must_use]
    pub const fn key(mut self, name: &'static str, table: &'static str) -> Self {
        self.key = Some(Key::new(name, table));
        self
    }

    /// Returns the column definition, with its foreign key.
    pub(crate) fn sql(&self, dialect: Dialect) -> String {
        let key = self.key.map(|key| format!(" {}", key.sql())).unwrap_or_default();
        format!("{}{key}", self.sql_without_key(dialect))
    }

    pub(crate) fn sql_without_key(&self, dialect: Dialect) -> String {
        let mut sql = format!("{} {}", self.name, self.ty.sql(dialect));
        if !self.is_null {
            sql.push_str(" NOT NULL");
        }
        if self.ty == Type::Id {
            sql.push_str(" PRIMARY KEY");
        }
        if self.is_unique {
            sql.push_str(" UNIQUE");
        }
        sql
    }
}
