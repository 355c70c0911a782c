//! What PostgreSQL reports, in the engine's terms.

use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::error::{Class, Error, Kind};

pub(super) fn convert(error: tokio_postgres::Error) -> Error {
    if let Some(db) = error.as_db_error() {
        if ends_connection(db) {
            return Error::new(Kind::Lost).with_source(error);
        }
        let kind = Kind::Database {
            class: class(db.code()),
            code: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
        };
        let row = copied_row(db);
        let converted = Error::new(kind).with_source(error);
        return match row {
            Some(row) => converted.at_row(row),
            None => converted,
        };
    }
    if let Some(source) = std::error::Error::source(&error)
        && !error.is_closed()
        && !source.is::<std::io::Error>()
    {
        return Error::invalid_value("parameters", format!("{error}: {source}"));
    }
    let mismatch = !error.is_closed() && std::error::Error::source(&error).is_none();
    if mismatch {
        // A wrong number of parameters: nothing was sent.
        return Error::invalid_value("parameters", error.to_string());
    }
    Error::new(Kind::Lost).with_source(error)
}

/// Whether the server hangs up after this: it shuts down, it crashed, an administrator ended the connection.
fn ends_connection(db: &DbError) -> bool {
    matches!(db.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

fn class(code: &SqlState) -> Class {
    match *code {
        SqlState::UNIQUE_VIOLATION => Class::Unique,
        SqlState::FOREIGN_KEY_VIOLATION => Class::ForeignKey,
        SqlState::NOT_NULL_VIOLATION => Class::NotNull,
        SqlState::STRING_DATA_RIGHT_TRUNCATION | SqlState::NUMERIC_VALUE_OUT_OF_RANGE => Class::TooLong,
        SqlState::READ_ONLY_SQL_TRANSACTION => Class::ReadOnly,
        SqlState::LOCK_NOT_AVAILABLE => Class::Busy,
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Class::Serialization,
        _ => Class::Other,
    }
}

/// Whether prepared statements no longer fit the tables or are gone, so that they must be made anew.
pub(super) fn spoils_prepared(error: &Error) -> bool {
    matches!(error.code(), Some("0A000" | "26000"))
}

/// The row of a COPY that failed, from a context such as `COPY trades, line 3`.
fn copied_row(db: &DbError) -> Option<usize> {
    let (_, behind) = db.where_()?.strip_prefix("COPY ")?.split_once(", line ")?;
    behind.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
