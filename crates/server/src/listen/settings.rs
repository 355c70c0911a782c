//! The settings of the listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The files of TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the service, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The settings of the listener.
///
/// ```
/// use tallybook_server::ListenSettings;
///
/// let settings = ListenSettings::default();
/// assert_eq!(settings.address.to_string(), "127.0.0.1:8080");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// The files of TLS; `None` for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The connections that are open at a time, idle ones included; more wait to be accepted.
    pub max_connections: usize,
    /// The time in which a connection must send the head of its next request, and finish its TLS handshake.
    pub header_time_limit: Duration,
    /// The time that running requests have when the service ends.
    pub shutdown_limit: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tls: None,
            max_connections: 16_384,
            header_time_limit: Duration::from_secs(30),
            shutdown_limit: Duration::from_secs(30),
        }
    }
}
