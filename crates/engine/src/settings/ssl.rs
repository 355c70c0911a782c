//! What libpq's `ssl…` parameters ask for.

use std::path::{Path, PathBuf};

use tokio_postgres::config::SslMode;

use super::parse::Problem;

const MODES: &str = "sslmode may be disable, allow, prefer, require, verify-ca or verify-full";
const ROOT_MODES: &str =
    "sslrootcert goes with sslmode=require, verify-ca or verify-full; the other modes would not look at it";
const SYSTEM_MODES: &str = "sslrootcert=system goes with sslmode=verify-full, as in libpq";
const PAIR: &str = "sslcert and sslkey go together";

/// Whether a connection is encrypted, and by whom a server must be vouched for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ssl {
    pub(crate) mode: SslMode,
    pub(crate) check: Check,
    pub(crate) identity: Option<Identity>,
}

/// What is checked of a server's certificate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    /// Only that the server holds its key.
    Nothing,
    /// That one of the authorities signed it.
    Authority(Roots),
    /// That one of the authorities signed it for the name that was connected to.
    Name(Roots),
}

/// The authorities that are trusted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Roots {
    System,
    File(PathBuf),
}

/// A client certificate and its key, both in PEM.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The parameters as they are written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) mode: Option<String>,
    pub(super) root: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

impl Ssl {
    pub(super) fn read(written: Written) -> Result<Self, Problem> {
        let Written { mode, root, certificate, key } = written;
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
        Ok(Self { mode, check, identity })
    }
}

/// libpq's rules. `allow` is taken as `prefer`, which differs only in what is tried first.
fn mode_and_check(mode: Option<&str>, root: Option<&str>) -> Result<(SslMode, Check), Problem> {
    let default = if root == Some("system") { "verify-full" } else { "prefer" };
    let mode = mode.unwrap_or(default);
    let roots = match root {
        None | Some("system") => Roots::System,
        Some(path) => Roots::File(Path::new(path).to_owned()),
    };
    match mode {
        // Of a connection in clear nothing is checked, whatever else is written.
        "disable" => Ok((SslMode::Disable, Check::Nothing)),
        "verify-full" => Ok((SslMode::Require, Check::Name(roots))),
        "require" | "verify-ca" if root == Some("system") => Err(SYSTEM_MODES.into()),
        "verify-ca" => Ok((SslMode::Require, Check::Authority(roots))),
        "require" if root.is_some() => Ok((SslMode::Require, Check::Authority(roots))),
        "require" => Ok((SslMode::Require, Check::Nothing)),
        "allow" | "prefer" if root.is_some() => Err(ROOT_MODES.into()),
        "allow" | "prefer" => Ok((SslMode::Prefer, Check::Nothing)),
        _ => Err(MODES.into()),
    }
}

/// A key that was pasted in place of its path must not become part of a message about a missing file.
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
        Ssl::read(Written { mode: owned(mode), root: owned(root), ..Written::default() })
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
            (Some("require"), Some("ca.pem"), (SslMode::Require, Check::Authority(file()))),
            (Some("verify-ca"), Some("ca.pem"), (SslMode::Require, Check::Authority(file()))),
            (Some("verify-ca"), None, (SslMode::Require, Check::Authority(Roots::System))),
            (Some("verify-full"), Some("ca.pem"), (SslMode::Require, Check::Name(file()))),
            (None, Some("system"), (SslMode::Require, Check::Name(Roots::System))),
        ] {
            let ssl = read(mode, root).unwrap();
            assert_eq!((ssl.mode, ssl.check), expected, "{mode:?} {root:?}");
        }
    }

    #[test]
    fn what_would_be_weaker_than_it_looks_is_refused() {
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
        let written = Written { certificate: Some("me.pem".into()), ..Written::default() };
        assert_eq!(Ssl::read(written).unwrap_err(), PAIR);
    }
}
