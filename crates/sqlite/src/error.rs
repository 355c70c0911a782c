//! Conversion of SQLite's errors.

use rusqlite::ffi;
use tallybook_sql::error::{Class, Error, Kind};

pub(super) fn convert(error: rusqlite::Error) -> Error {
    let failure = match &error {
        rusqlite::Error::SqlInputError { error, .. } => Some(error),
        _ => error.sqlite_error(),
    };
    let Some(failure) = failure else {
        return Error::invalid_value("statement", error.to_string()).with_source(error);
    };
    // The authorizer only denies statements that would change the settings of a reader.
    if failure.code == rusqlite::ErrorCode::AuthorizationForStatementDenied {
        return Error::new(Kind::WriteInRead).with_source(error);
    }
    let kind = Kind::Database {
        class: class(failure),
        code: failure.extended_code.to_string(),
        condition: ffi::code_to_str(failure.extended_code),
        constraint: constraint(&message(&error)),
        message: message(&error),
        detail: None,
    };
    Error::new(kind).with_source(error)
}

fn class(failure: &ffi::Error) -> Class {
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => Class::Unique,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Class::ForeignKey,
        ffi::SQLITE_CONSTRAINT_NOTNULL => Class::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => Class::Check,
        _ => match failure.code {
            rusqlite::ErrorCode::ReadOnly => Class::ReadOnly,
            rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked => Class::Busy,
            rusqlite::ErrorCode::TooBig => Class::TooLong,
            _ => Class::Other,
        },
    }
}

/// Returns what a message names after its colon: the name or the text of a check, an index, or columns.
fn constraint(message: &str) -> Option<String> {
    let (_, name) = message.split_once(" constraint failed: ")?;
    let index = name.strip_prefix("index '").and_then(|name| name.strip_suffix('\''));
    Some(index.unwrap_or(name).to_owned())
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_described_by_its_condition() {
        for (code, condition) in [(2067, "constraint failed"), (1, "SQL logic error")] {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let message = convert(failure).without_values();
            assert!(message.starts_with(condition) && message.ends_with(&format!("[{code}]")), "{message}");
        }
    }
}
