//! The settings of the service.

use std::time::Duration;

/// The settings of the routes. Those of the database are in [`tallybook::Settings`].
///
/// ```
/// use tallybook_server::ServiceSettings;
///
/// let settings = ServiceSettings { needs_token: true, max_requests: 200, ..ServiceSettings::default() };
/// assert_eq!(settings.max_body_bytes, 1024 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Set if requests without a token are refused. Without it they may do everything, so keep the service on the loopback
    /// address then.
    pub needs_token: bool,
    /// Set if browsers reach the service by HTTPS, so that the cookie of the dashboard is never sent in the clear.
    pub has_tls: bool,
    /// The names by which clients may call the service, in the header `Host`, without a port; all if it is empty. A browser
    /// that was lured to the service by another name is refused.
    pub hosts: Vec<String>,
    /// The origins whose pages may call the service (CORS); none by default.
    pub origins: Vec<String>,
    /// The requests that run at a time; more are answered with 503.
    pub max_requests: usize,
    /// The bytes of a body; more are answered with 413.
    pub max_body_bytes: usize,
    /// The time in which a body must arrive, else the answer is 408; and in which a client must take a piece of an export
    /// (64 KiB), else the export ends incomplete.
    pub body_time_limit: Duration,
    /// The time in which a request must be done; else the answer is 504. Keep it above `DB_POOL_TIMEOUT`, so that a change that
    /// waits for a primary in vain is answered with 503: it was not made.
    pub time_limit: Duration,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            needs_token: false,
            has_tls: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            max_requests: 64,
            max_body_bytes: 1024 * 1024,
            body_time_limit: Duration::from_secs(20),
            time_limit: Duration::from_secs(40),
        }
    }
}
