//! Conversion of SQLite's errors.

use rusqlite::ffi;
use tallybook_sql::dialect::Dialect;
use tallybook_sql::error::{Error, ErrorDetail, ErrorKind};

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
        return Error::new(ErrorDetail::WriteInRead).with_source(error);
    }
    let message = message(&error);
    let constraint = constraint(&message);
    let (table, column) = columns(&message);
    let detail = ErrorDetail::Database {
        dialect: Dialect::Sqlite,
        kind: kind(failure),
        code: failure.extended_code.to_string(),
        condition: ffi::code_to_str(failure.extended_code),
        constraint,
        message,
        detail: None,
        table,
        column,
    };
    Error::new(detail).with_source(error)
}

/// Converts the failure to prepare a text. SQLite has one code for all that can be wrong with it.
pub(super) fn convert_of_text(error: rusqlite::Error) -> Error {
    let error = convert(error);
    if error.code() == Some("1") { error.with_kind(ErrorKind::Syntax) } else { error }
}

fn kind(failure: &ffi::Error) -> ErrorKind {
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => ErrorKind::UniqueViolation,
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
        ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
        ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
        _ => match failure.code {
            rusqlite::ErrorCode::ReadOnly => ErrorKind::ReadOnly,
            rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked => ErrorKind::Locked,
            rusqlite::ErrorCode::TooBig => ErrorKind::InvalidValue,
            rusqlite::ErrorCode::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Other,
        },
    }
}

/// Returns what a message names after its colon: the name or the text of a check, an index, or columns.
fn constraint(message: &str) -> Option<String> {
    let (_, name) = message.split_once(" constraint failed: ")?;
    let index = name.strip_prefix("index '").and_then(|name| name.strip_suffix('\''));
    Some(index.unwrap_or(name).to_owned())
}

/// Returns the table and the column of a NOT NULL or a unique constraint, which SQLite names by its columns
/// (`notes.id`); no column if there are several. A name that has a dot itself is not taken apart.
fn columns(message: &str) -> (Option<String>, Option<String>) {
    let names = message
        .strip_prefix("UNIQUE constraint failed: ")
        .or_else(|| message.strip_prefix("NOT NULL constraint failed: "))
        .filter(|names| !names.starts_with("index '"));
    let split = |name| str::split_once(name, '.').filter(|(_, column)| !column.contains('.'));
    let columns: Option<Vec<_>> = names.and_then(|names| names.split(", ").map(split).collect());
    match columns.as_deref() {
        Some([(table, column)]) => (Some((*table).to_owned()), Some((*column).to_owned())),
        Some([(table, _), others @ ..]) if others.iter().all(|(other, _)| other == table) => {
            (Some((*table).to_owned()), None)
        }
        _ => (None, None),
    }
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
    fn table_and_column_are_taken_from_a_message_that_names_them_beyond_doubt() {
        for (message, table, column) in [
            ("UNIQUE constraint failed: notes.title", Some("notes"), Some("title")),
            ("NOT NULL constraint failed: notes.title", Some("notes"), Some("title")),
            ("UNIQUE constraint failed: notes.title, notes.parent", Some("notes"), None),
            ("UNIQUE constraint failed: index 'a.b'", None, None),
            ("UNIQUE constraint failed: old.notes.title", None, None),
            ("CHECK constraint failed: kind <> 'a.b'", None, None),
            ("FOREIGN KEY constraint failed", None, None),
            ("no such table: main.notes", None, None),
        ] {
            let found = columns(message);
            assert_eq!((found.0.as_deref(), found.1.as_deref()), (table, column), "{message}");
        }
    }

    #[test]
    fn a_code_is_described_by_its_condition() {
        for (code, condition) in [(2067, "constraint failed"), (1, "SQL logic error")] {
            let failure = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let message = convert(failure).without_values();
            assert!(message.starts_with(condition) && message.ends_with(&format!("[{code}]")), "{message}");
        }
    }
}
