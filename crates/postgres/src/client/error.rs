//! Failures of a connection, and the errors that a server reports.

use std::error::Error;
use std::{fmt, io};

/// A failure of a connection or of a request.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The server refused or failed the request. The connection goes on unless the error [is
    /// fatal](ServerError::is_fatal).
    Server(Box<ServerError>),
    /// There is no connection to the server.
    Connect(io::Error),
    /// The server accepted the connection, and did not answer within `connect_timeout`.
    Silent,
    /// The TLS handshake failed.
    Tls(io::Error),
    /// Authentication failed on this side.
    Authentication(String),
    /// The server broke the protocol, or exceeded a limit.
    Protocol(String),
    /// Reading or writing failed.
    Io(io::Error),
    /// The server closed the connection.
    Closed,
    /// The connection was given up, because the server is considered dead.
    Aborted,
}

impl ClientError {
    /// Returns the error that the server reported.
    pub(crate) fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) => Some(error),
            _ => None,
        }
    }

    /// Returns the SQLSTATE that the server reported.
    pub(crate) fn code(&self) -> Option<&str> {
        self.server().map(ServerError::code)
    }

    /// Returns the same failure again, for another request on the connection.
    pub(crate) fn again(&self) -> Self {
        let io = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::Server(error) => Self::Server(error.clone()),
            Self::Connect(error) => Self::Connect(io(error)),
            Self::Tls(error) => Self::Tls(io(error)),
            Self::Authentication(problem) => Self::Authentication(problem.clone()),
            Self::Protocol(problem) => Self::Protocol(problem.clone()),
            Self::Io(error) => Self::Io(io(error)),
            Self::Silent => Self::Silent,
            Self::Closed => Self::Closed,
            Self::Aborted => Self::Aborted,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => write!(f, "{error}"),
            Self::Connect(error) | Self::Io(error) => write!(f, "{error}"),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Authentication(problem) | Self::Protocol(problem) => f.write_str(problem),
            Self::Silent => f.write_str("the server accepts the connection and does not answer"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Aborted => f.write_str("the server stopped responding"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Connect(error) | Self::Tls(error) | Self::Io(error) => {
                error.get_ref().map(|cause| cause as _)
            }
            _ => None,
        }
    }
}

/// An error or a notice of the server, with its fields.
#[derive(Clone, Default)]
pub(crate) struct ServerError {
    fields: Vec<(u8, String)>,
}

impl ServerError {
    /// Parses the body of an ErrorResponse or a NoticeResponse: fields of a type byte and a text, and a zero.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut fields = Vec::new();
        let mut rest = body;
        while let Some((&field, after)) = rest.split_first() {
            if field == 0 {
                break;
            }
            let end = after.iter().position(|&byte| byte == 0).unwrap_or(after.len());
            // Before the session is open, the server writes in an encoding of its own.
            fields.push((field, String::from_utf8_lossy(&after[..end]).into_owned()));
            rest = after.get(end + 1..).unwrap_or_default();
        }
        Self { fields }
    }

    /// Returns an error as the server would report it, for a request that the client refuses.
    pub(super) fn own(code: &str, message: &str) -> Self {
        let fields = [(b'V', "ERROR"), (b'C', code), (b'M', message)];
        Self { fields: fields.map(|(field, text)| (field, text.to_owned())).into() }
    }

    fn field(&self, wanted: u8) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == wanted).map(|(_, text)| text.as_str())
    }

    /// Returns the severity in English, such as `ERROR`.
    pub(crate) fn severity(&self) -> &str {
        self.field(b'V').or(self.field(b'S')).unwrap_or_default()
    }

    /// Returns whether the server disconnects after the error: it shuts down, it crashed, or an administrator ended the
    /// connection.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self.severity(), "FATAL" | "PANIC")
    }

    /// Returns the SQLSTATE.
    pub(crate) fn code(&self) -> &str {
        self.field(b'C').unwrap_or_default()
    }

    /// Returns the message.
    pub(crate) fn message(&self) -> &str {
        self.field(b'M').unwrap_or_default()
    }

    /// Returns the second part of the message, which may quote values.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.field(b'D')
    }

    /// Returns the calls that led to the error, such as `COPY trades, line 3`.
    pub(crate) fn context(&self) -> Option<&str> {
        self.field(b'W')
    }

    /// Returns the name of the table that the error is about.
    pub(crate) fn table(&self) -> Option<&str> {
        self.field(b't')
    }

    /// Returns the name of the column that the error is about.
    pub(crate) fn column(&self) -> Option<&str> {
        self.field(b'c')
    }

    /// Returns the name of the constraint that the error is about.
    pub(crate) fn constraint(&self) -> Option<&str> {
        self.field(b'n')
    }

    /// Returns the name of the function of the server that reported the error.
    pub(crate) fn routine(&self) -> Option<&str> {
        self.field(b'R')
    }
}

/// Severity, message and code. The message may quote values.
impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.severity(), self.message(), self.code())
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_an_error_are_found_by_their_type() {
        let error = ServerError::parse(
            b"SFEHLER\0VERROR\0C23505\0Mduplicate key\0Dkey (1)\0ttrades\0cid\0ntrades_pkey\0R_bt_check\0\0",
        );
        assert_eq!((error.severity(), error.code(), error.message()), ("ERROR", "23505", "duplicate key"));
        assert_eq!((error.detail(), error.context()), (Some("key (1)"), None));
        assert_eq!((error.table(), error.column()), (Some("trades"), Some("id")));
        assert_eq!((error.constraint(), error.routine()), (Some("trades_pkey"), Some("_bt_check")));
        assert!(!error.is_fatal());
    }

    #[test]
    fn an_error_without_its_end_is_read_as_far_as_it_goes() {
        assert_eq!(ServerError::parse(b"SFATAL\0Mhalf a mess").message(), "half a mess");
        assert!(ServerError::parse(b"SFATAL").is_fatal());
        assert_eq!(ServerError::parse(b"").code(), "");
    }
}
