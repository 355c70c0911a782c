//! Columns, their types and keys, as revisions define them.

use std::borrow::Cow;

use crate::settings::Engine;

/// The type of a column, the same on both engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// A primary key that the database counts up.
    Id,
    /// 32 bits on PostgreSQL.
    Integer,
    /// 64 bits.
    Bigint,
    /// A double.
    Float,
    /// True or false.
    Boolean,
    /// Text of any length.
    Text,
    /// Text of at most so many characters.
    Varchar(u32),
    /// A moment without time zone.
    Timestamp,
    /// A type by the words of each engine, as its catalog prints it.
    Other {
        /// PostgreSQL's, as `format_type` prints it.
        postgres: &'static str,
        /// SQLite's.
        sqlite: &'static str,
    },
}

impl Type {
    /// As a definition says it.
    pub(super) fn sql(self, engine: Engine) -> Cow<'static, str> {
        let text = match (self, engine) {
            (Type::Varchar(length), _) => return format!("VARCHAR({length})").into(),
            (Type::Id, Engine::Postgres) => "SERIAL",
            (Type::Id, Engine::Sqlite) | (Type::Integer, _) => "INTEGER",
            (Type::Bigint, _) => "BIGINT",
            (Type::Float, _) => "FLOAT",
            (Type::Boolean, _) => "BOOLEAN",
            (Type::Text, _) => "TEXT",
            (Type::Timestamp, Engine::Postgres) => "TIMESTAMP",
            (Type::Timestamp, Engine::Sqlite) => "DATETIME",
            (Type::Other { postgres, .. }, Engine::Postgres) => postgres,
            (Type::Other { sqlite, .. }, Engine::Sqlite) => sqlite,
        };
        text.into()
    }

    /// As the catalog says it.
    pub(super) fn catalog(self, engine: Engine) -> Cow<'static, str> {
        match (self, engine) {
            (Type::Varchar(length), Engine::Postgres) => format!("character varying({length})").into(),
            (Type::Id | Type::Integer, Engine::Postgres) => "integer".into(),
            (Type::Bigint, Engine::Postgres) => "bigint".into(),
            (Type::Float, Engine::Postgres) => "double precision".into(),
            (Type::Boolean, Engine::Postgres) => "boolean".into(),
            (Type::Text, Engine::Postgres) => "text".into(),
            (Type::Timestamp, Engine::Postgres) => "timestamp without time zone".into(),
            _ => self.sql(engine),
        }
    }
}

/// A foreign key of one column to the column `id` of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(super) name: Option<&'static str>,
    pub(super) table: &'static str,
}

impl Key {
    /// A key of that name to a table.
    pub const fn new(name: &'static str, table: &'static str) -> Self {
        Self { name: Some(name), table }
    }

    pub(super) fn sql(&self) -> String {
        let named = self.name.map(|name| format!("CONSTRAINT {name} ")).unwrap_or_default();
        format!("{named}REFERENCES {} (id)", self.table)
    }
}

/// A column. It must hold something, unless it is [`Column::null`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) is_null: bool,
    pub(super) is_unique: bool,
    pub(super) key: Option<Key>,
}

impl Column {
    /// A column that must hold something.
    pub const fn new(name: &'static str, ty: Type) -> Self {
        Self { name, ty, is_null: false, is_unique: false, key: None }
    }

    /// It may hold nothing.
    #[must_use]
    pub const fn null(mut self) -> Self {
        self.is_null = true;
        self
    }

    /// No two rows hold the same.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.is_unique = true;
        self
    }

    /// It refers to the `id` of a table, by a key that the database names.
    #[must_use]
    pub const fn references(mut self, table: &'static str) -> Self {
        self.key = Some(Key { name: None, table });
        self
    }

    /// It refers to the `id` of a table, by a key of that name.
    #[must_use]
    pub const fn key(mut self, name: &'static str, table: &'static str) -> Self {
        self.key = Some(Key::new(name, table));
        self
    }

    /// Its definition, with its key.
    pub(super) fn sql(&self, engine: Engine) -> String {
        let key = self.key.map(|key| format!(" {}", key.sql())).unwrap_or_default();
        format!("{}{key}", self.sql_without_key(engine))
    }

    pub(super) fn sql_without_key(&self, engine: Engine) -> String {
        let mut sql = format!("{} {}", self.name, self.ty.sql(engine));
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
