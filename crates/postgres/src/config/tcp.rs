//! Options of TCP connections.

use std::time::Duration;

use tallybook_sql::redact::Problem;

/// Options of TCP connections, with the names of libpq's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOptions {
    /// Limit for connecting to one address, and then for the login; none by default.
    pub connect_timeout: Option<Duration>,
    /// Time after which unacknowledged data ends a connection: `tcp_user_timeout`, in milliseconds as in libpq.
    pub user_timeout: Option<Duration>,
    /// False to send no keepalives.
    pub keepalives: bool,
    /// Silence after which the first keepalive is sent.
    pub keepalives_idle: Duration,
    /// Time between keepalives.
    pub keepalives_interval: Duration,
    /// Number of unanswered keepalives that end a connection.
    pub keepalives_count: u32,
}

/// Keepalives and time-outs that detect a dead connection within a minute, or within 15 seconds of sending something; the
/// system's defaults take two hours. They do not detect a server or proxy that is alive but silent.
impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: None,
            user_timeout: Some(Duration::from_secs(60)),
            keepalives: true,
            keepalives_idle: Duration::from_secs(30),
            keepalives_interval: Duration::from_secs(10),
            keepalives_count: 3,
        }
    }
}

impl TcpOptions {
    /// Sets an option by its name in a URL. Returns `None` if no option has this name.
    pub(super) fn set(&mut self, name: &str, text: &str) -> Option<Result<(), Problem>> {
        let known = match name {
            "connect_timeout" => seconds(text).map(|limit| self.connect_timeout = limit),
            "tcp_user_timeout" => milliseconds(text).map(|limit| self.user_timeout = limit),
            "keepalives" => number(text).map(|on| self.keepalives = on != 0),
            // As in libpq, 0 stands for the default.
            "keepalives_idle" => seconds(text).map(|time| replace(&mut self.keepalives_idle, time)),
            "keepalives_interval" => seconds(text).map(|time| replace(&mut self.keepalives_interval, time)),
            "keepalives_count" | "keepalives_retries" => number(text)
                .map(|count| replace(&mut self.keepalives_count, Some(count).filter(|&count| count > 0))),
            _ => return None,
        };
        Some(known.ok_or_else(|| format!("its parameter {name} does not parse").into()))
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

/// Parses a number of seconds. 0 sets nothing.
fn seconds(text: &str) -> Option<Option<Duration>> {
    time(text, Duration::from_secs)
}

/// Parses a number of milliseconds. 0 sets nothing.
fn milliseconds(text: &str) -> Option<Option<Duration>> {
    time(text, Duration::from_millis)
}

fn time(text: &str, unit: fn(u64) -> Duration) -> Option<Option<Duration>> {
    let count = number(text)?;
    Some((count > 0).then(|| unit(count.into())))
}

fn replace<T>(option: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *option = value;
    }
}
