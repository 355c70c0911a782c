//! The messages of errors, with and without the values that they may quote.

use std::fmt::{self, Write};

use super::detail::CONNECTION;
use super::excerpt::{first_table, shorten, without_quoted};
use super::{Error, ErrorDetail};
use crate::escaped::{Escaped, Escaping};

/// PostgreSQL's class of errors whose messages quote values; messages of other classes quote names.
const DATA_EXCEPTION: &str = "22";

impl Error {
    /// Returns the message without any value of a row or parameter and without the statement: fit for logs.
    ///
    /// A database's own message is left out, whatever its code: a function may raise an error with any text.
    pub fn without_values(&self) -> String {
        let message = match &self.0.detail {
            ErrorDetail::Database { code, condition, .. } => format!("{condition} [{code}]"),
            // The description of the value has the type and the size of the value only.
            detail @ ErrorDetail::Decode { .. } => without_quoted(&detail.to_string()),
            ErrorDetail::Value { place, .. } => format!("{place}: the value can't be stored as it is"),
            ErrorDetail::TransactionFailed { .. } => {
                "an earlier statement of this transaction failed, so nothing of it can be kept".to_owned()
            }
            ErrorDetail::SnapshotEnded { .. } => {
                "the snapshot of the session ended with an earlier batch".to_owned()
            }
            detail => self.with_server_address(detail.to_string()),
        };
        format!("{}{message}{}", self.row_prefix(None), self.commit_suffix())
    }

    /// Returns the message of one of Tallybook's own statements about the schema, without the statement and without
    /// quoted values.
    #[doc(hidden)]
    pub fn without_detail(&self) -> String {
        match &self.0.detail {
            ErrorDetail::Database { code, message, .. } if code.starts_with(DATA_EXCEPTION) => {
                format!("{} [{code}]", without_quoted(message))
            }
            ErrorDetail::Database { code, message, .. } => format!("{message} [{code}]"),
            _ => self.without_values(),
        }
    }

    /// Returns the message without the statement: for readers who should not see the SQL. Like
    /// [`Display`](fmt::Display), it may quote values.
    pub fn message(&self) -> String {
        let mut message = String::new();
        // Writing to a string does not fail.
        let _ = self.write_message(&mut message);
        message
    }

    fn write_message(&self, to: &mut impl fmt::Write) -> fmt::Result {
        let mut escaping = Escaping(to);
        escaping.write_str(&self.row_prefix(self.0.id))?;
        match (&self.0.server, &self.0.detail) {
            (Some(_), detail) => escaping.write_str(&self.with_server_address(detail.to_string())),
            (None, ErrorDetail::Revision { lines }) => {
                for (index, line) in lines.iter().enumerate() {
                    escaping.0.write_str(if index == 0 { "" } else { "\n" })?;
                    escaping.write_str(line)?;
                }
                Ok(())
            }
            (None, detail) => write!(escaping, "{detail}"),
        }?;
        escaping.write_str(self.commit_suffix())
    }

    /// Returns the end of a message about a transaction that is committed although a call failed.
    fn commit_suffix(&self) -> &'static str {
        if self.0.is_committed { "; the transaction is committed all the same" } else { "" }
    }

    /// Returns the row in a result or a bulk load, as the start of a message.
    fn row_prefix(&self, id: Option<i64>) -> String {
        let table = match (&self.0.detail, &self.0.statement) {
            (ErrorDetail::Decode { .. }, Some(sql)) => first_table(sql),
            _ => None,
        };
        match (self.0.row, id, table) {
            (Some(row), Some(id), Some(table)) => format!("row {row} (id {id} of {table}), "),
            (Some(row), Some(id), None) => format!("row {row} (id {id}), "),
            (Some(row), None, _) => format!("row {row}, "),
            (None, ..) => String::new(),
        }
    }

    /// Inserts the address of the server into the message of a lost connection.
    fn with_server_address(&self, message: String) -> String {
        match &self.0.server {
            Some(server) => message.replacen(CONNECTION, &format!("{CONNECTION} to {server}"), 1),
            None => message,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_message(f)?;
        match &self.0.statement {
            Some(sql) => write!(Escaping(f), " (in `{}`)", shorten(sql)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "; {}", Escaped(&cause.to_string()))?;
            source = cause.source();
        }
        f.write_str(")")
    }
}
