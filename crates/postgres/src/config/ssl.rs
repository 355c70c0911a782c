//! libpq's `ssl…` parameters.

use std::path::{Path, PathBuf};

use tallybook_sql::redact::Problem;

const MODES: &str = "sslmode may be disable, allow, prefer, require, verify-ca or verify-full";
const ROOT_MODES: &str =
    "sslrootcert goes with sslmode=require, verify-ca or verify-full; the other modes would not look at it";
const SYSTEM_MODES: &str = "sslrootcert=system goes with sslmode=verify-full, as in libpq";
const PAIR: &str = "sslcert and sslkey go together";

/// The use of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// Connect in plaintext.
    Disable,
    /// Encrypt if the server can, else connect in plaintext.
    Prefer,
    /// Encrypt, or fail.
    Require,
}

/// The beginning of encryption: libpq's `sslnegotiation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslNegotiation {
    /// The client asks the server first.
    #[default]
    Postgres,
    /// The connection begins with the TLS handshake. Servers know it since PostgreSQL 17.
    Direct,
}

/// The binding of a login to its encrypted connection: libpq's `channel_binding`. It detects somebody in between who
/// forwards the login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Not used.
    Disable,
    /// Used if the server offers it.
    #[default]
    Prefer,
    /// Used, or the login fails.
    Require,
}

impl SslNegotiation {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "postgres" => Ok(Self::Postgres),
            "direct" => Ok(Self::Direct),
            _ => Err("sslnegotiation may be postgres or direct".into()),
        }
    }
}

impl ChannelBinding {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "disable" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            _ => Err("channel_binding may be disable, prefer or require".into()),
        }
    }
}

/// The encryption of a connection, and the verification of its server.
#[derive(Clone, Debug, PartialEq)]
pub struct Ssl {
    /// Disabled, preferred or required.
    pub mode: SslMode,
    /// The beginning of encryption.
    pub negotiation: SslNegotiation,
    /// Verification of the server's certificate.
    pub check: Check,
    /// Client certificate.
    pub identity: Option<Identity>,
}

/// The verification of a server's certificate.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// None, except that the server holds the key.
    Nothing,
    /// A trusted authority signed it.
    CertificateAuthority(Roots),
    /// A trusted authority signed it for the host name of the connection.
    Name(Roots),
}

/// The trusted authorities.
#[derive(Clone, Debug, PartialEq)]
pub enum Roots {
    /// The authorities of the operating system.
    System,
    /// The authorities in a PEM file.
    File(PathBuf),
}

/// A client certificate and its key, both as PEM files.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Path of the certificate.
    pub certificate: PathBuf,
    /// Path of the key.
    pub key: PathBuf,
}

/// The parameters as the URL spells them.
#[derive(Default)]
pub(super) struct RawSslParams {
    pub(super) mode: Option<String>,
    pub(super) negotiation: SslNegotiation,
    pub(super) root: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

impl Ssl {
    pub(super) fn parse(raw: RawSslParams) -> Result<Self, Problem> {
        let RawSslParams { mode, negotiation, root, certificate, key } = raw;
        for path in [&root, &certificate, &key].into_iter().flatten() {
            refuse_content(path)?;
        }
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: certificate.into(), key: key.into() })
            }
            (None, None) => None,
            _ => return Err(PAIR.into()),
        };
        let (mode, check) = mode_and_check(mode.as_deref(), root.as_deref())?;
        Ok(Self { mode, negotiation, check, identity })
    }
}

/// Applies libpq's rules. `allow` is treated as `prefer`, which differs only in the order of the attempts.
fn mode_and_check(mode: Option<&str>, root: Option<&str>) -> Result<(SslMode, Check), Problem> {
    let default = if root == Some("system") { "verify-full" } else { "prefer" };
    let mode = mode.unwrap_or(default);
    let roots = match root {
        None | Some("system") => Roots::System,
        Some(path) => Roots::File(Path::new(path).to_owned()),
    };
    match mode {
        // A plaintext connection verifies nothing, whatever else the URL says.
        "disable" => Ok((SslMode::Disable, Check::Nothing)),
        "verify-full" => Ok((SslMode::Require, Check::Name(roots))),
        "require" | "verify-ca" if root == Some("system") => Err(SYSTEM_MODES.into()),
        "verify-ca" => Ok((SslMode::Require, Check::CertificateAuthority(roots))),
        "require" if root.is_some() => Ok((SslMode::Require, Check::CertificateAuthority(roots))),
        "require" => Ok((SslMode::Require, Check::Nothing)),
        "allow" | "prefer" if root.is_some() => Err(ROOT_MODES.into()),
        "allow" | "prefer" => Ok((SslMode::Prefer, Check::Nothing)),
        _ => Err(MODES.into()),
    }
}

/// Refuses a key pasted in place of its path: it must not reach a message about a missing file.
fn refuse_content(path: &str) -> Result<(), Problem> {
    if path.is_empty() || path.contains("-----BEGIN") {
        return Err("sslrootcert, sslcert and sslkey are paths of PEM files".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mode: Option<&str>, root: Option<&str>) -> Result<Ssl, Problem> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ssl::parse(RawSslParams { mode: owned(mode), root: owned(root), ..RawSslParams::default() })
    }

    #[test]
    fn the_modes_are_those_of_libpq() {
        let file = || Roots::File("ca.pem".into());
        for (mode, root, expected) in [
            (None, None, (SslMode::Prefer, Check::Nothing)),
            (Some("disable"), None, (SslMode::Disable, Check::Nothing)),
            (Some("disable"), Some("ca.pem"), (SslMode::Disable, Check::Nothing)),
            (Some("allow"), None, (SslMode::Prefer, Check::Nothing)),
            (Some("require"), None, (SslMode::Require, Check::Nothing)),
            (Some("require"), Some("ca.pem"), (SslMode::Require, Check::CertificateAuthority(file()))),
            (Some("verify-ca"), Some("ca.pem"), (SslMode::Require, Check::CertificateAuthority(file()))),
            (Some("verify-ca"), None, (SslMode::Require, Check::CertificateAuthority(Roots::System))),
            (Some("verify-full"), Some("ca.pem"), (SslMode::Require, Check::Name(file()))),
            (None, Some("system"), (SslMode::Require, Check::Name(Roots::System))),
        ] {
            let ssl = read(mode, root).unwrap();
            assert_eq!((ssl.mode, ssl.check), expected, "{mode:?} {root:?}");
        }
    }

    #[test]
    fn settings_weaker_than_they_look_are_refused() {
        for (mode, root) in [
            (Some("yes"), None),
            (Some("prefer"), Some("ca.pem")),
            (None, Some("ca.pem")),
            (Some("require"), Some("system")),
            (Some("verify-ca"), Some("system")),
            (Some("verify-full"), Some("")),
            (Some("verify-full"), Some("-----BEGIN CERTIFICATE-----")),
        ] {
            assert!(read(mode, root).is_err(), "{mode:?} {root:?}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let written = RawSslParams { certificate: Some("me.pem".into()), ..RawSslParams::default() };
        assert_eq!(Ssl::parse(written).unwrap_err(), PAIR);
    }
}
