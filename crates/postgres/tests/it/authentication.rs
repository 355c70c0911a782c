//! Every way to log in, with every `sslmode` and every `channel_binding`, as libpq does it.
//!
//! The expected outcomes follow from libpq's rules, which [`expected`] states, and are compared with the real `psql` for
//! every combination.

use std::process::{Command, Output, Stdio};

use tallybook_sql::{one, params};
use tallybook_testkit::Binaries;
use tokio::task::spawn_blocking;

use crate::server::{PASSWORD, Server};
use crate::support::{run, try_connect};

const SSL_MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];
const CHANNEL_BINDINGS: [&str; 3] = ["disable", "prefer", "require"];

/// The way in which the server authenticates a user.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    Trust,
    Password,
    Md5,
    Scram,
}

/// A login: its user, and the password that the client has.
#[derive(Clone, Copy, Debug)]
struct Login {
    user: &'static str,
    method: Method,
    password: Option<&'static str>,
    is_right: bool,
}

const fn login(user: &'static str, method: Method, password: Option<&'static str>, is_right: bool) -> Login {
    Login { user, method, password, is_right }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    In { encrypted: bool },
    WrongPassword,
    NoPassword,
    Unbound,
}

/// The rules of libpq:
/// * every `sslmode` but `disable` encrypts where the server offers TLS;
/// * `channel_binding=require` takes nothing but SCRAM over TLS; it is the client that gives up, before it shows the
///   server anything that a password could be guessed from;
/// * a client without the password that the server asks for gives up.
fn expected(login: Login, ssl_mode: &str, channel_binding: &str) -> Outcome {
    let encrypted = ssl_mode != "disable";
    let can_bind = login.method == Method::Scram && encrypted;
    match login {
        _ if channel_binding == "require" && !can_bind => Outcome::Unbound,
        Login { method: Method::Trust, .. } => Outcome::In { encrypted },
        Login { password: None, .. } => Outcome::NoPassword,
        Login { is_right: false, .. } => Outcome::WrongPassword,
        _ => Outcome::In { encrypted },
    }
}

/// Returns the outcome that a message tells.
fn told(message: &str) -> Option<Outcome> {
    let message = message.to_lowercase().replace('_', " ");
    let has = |part: &str| message.contains(part);
    if has("channel binding") {
        Some(Outcome::Unbound)
    } else if has("password authentication failed") {
        Some(Outcome::WrongPassword)
    } else if has("no password supplied") || has("password missing") || has("asks for a password") {
        Some(Outcome::NoPassword)
    } else {
        None
    }
}

async fn of_psql(server: &Server, login: Login, ssl_mode: &str, channel_binding: &str) -> Outcome {
    let (port, user, root) = (server.port(), login.user, server.root());
    let mut parameters = format!(
        "host=localhost port={port} dbname=postgres user={user} sslmode={ssl_mode} \
         channel_binding={channel_binding}"
    );
    if ssl_mode.starts_with("verify") {
        parameters += &format!(" sslrootcert={}", root.display());
    }
    // Not Debian's wrapper, a Perl script that takes longer than the log-in.
    let mut psql = Command::new(Binaries::find().unwrap().program("psql"));
    psql.args(["-XAtw", "-c", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"]).arg(&parameters);
    // Nothing of this machine's own: no password file, no certificates in a home directory.
    psql.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", server.cluster.directory());
    psql.env("PGPASSFILE", "/dev/null").env("LC_ALL", "C").stdin(Stdio::null());
    if let Some(password) = login.password {
        psql.env("PGPASSWORD", password);
    }
    let Output { status, stdout, stderr } =
        spawn_blocking(move || psql.output()).await.unwrap().expect("psql is installed");
    let message = String::from_utf8_lossy(&stderr);
    match (status.success(), &*String::from_utf8_lossy(&stdout)) {
        (true, "t\n") => Outcome::In { encrypted: true },
        (true, "f\n") => Outcome::In { encrypted: false },
        _ => told(&message).unwrap_or_else(|| panic!("psql {parameters}: {message}")),
    }
}

async fn of_ours(server: &Server, login: Login, ssl_mode: &str, channel_binding: &str) -> Outcome {
    let (port, user) = (server.port(), login.user);
    let password = login.password.map(|password| format!(":{}", password.replace(' ', "%20")));
    let mut url = format!(
        "postgresql://{user}{}@localhost:{port}/postgres?sslmode={ssl_mode}&channel_binding={channel_binding}",
        password.unwrap_or_default()
    );
    if ssl_mode.starts_with("verify") {
        url += &format!("&sslrootcert={}", server.root().display());
    }
    match try_connect(&url).await {
        Ok(mut connection) => {
            let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            let (encrypted,): (bool,) = run(&mut connection, one(sql, params![])).await.unwrap();
            assert_eq!(connection.is_encrypted(), encrypted, "it says so too");
            Outcome::In { encrypted }
        }
        Err(error) => {
            assert!(error.is_connect() && !error.is_retryable(), "{error:?}");
            let message = error.to_string();
            assert!(!message.contains(PASSWORD), "{message}");
            told(&message).unwrap_or_else(|| panic!("{login:?} {ssl_mode} {channel_binding}: {message}"))
        }
    }
}

/// Compares the three for one login.
async fn as_libpq(login: Login) {
    let server = Server::shared().await;
    for ssl_mode in SSL_MODES {
        for channel_binding in CHANNEL_BINDINGS {
            let what = format!("{login:?} sslmode={ssl_mode} channel_binding={channel_binding}");
            let expected = expected(login, ssl_mode, channel_binding);
            let (psql, ours) = tokio::join!(
                of_psql(server, login, ssl_mode, channel_binding),
                of_ours(server, login, ssl_mode, channel_binding)
            );
            assert_eq!(psql, expected_of_psql(login, ssl_mode, channel_binding), "psql: {what}");
            if !(login.password.is_none() && expected == Outcome::Unbound && ours == Outcome::NoPassword) {
                // Of two reasons to give up, either may come first.
                assert_eq!(ours, expected, "{what}");
            }
        }
    }
}

/// Returns what psql reports, with its one deviation: where it prefers TLS and the server reports an error, it tries
/// again in plaintext and reports the second failure only. The client tries again only where the server says that it
/// takes no such login over TLS, and not with a password that was refused.
fn expected_of_psql(login: Login, ssl_mode: &str, channel_binding: &str) -> Outcome {
    match expected(login, ssl_mode, channel_binding) {
        Outcome::WrongPassword if ssl_mode == "prefer" => match expected(login, "disable", channel_binding) {
            Outcome::Unbound => Outcome::Unbound,
            _ => Outcome::WrongPassword,
        },
        outcome => outcome,
    }
}

#[tokio::test]
async fn a_user_who_is_trusted() {
    as_libpq(login("trusted", Method::Trust, None, true)).await;
    as_libpq(login("trusted", Method::Trust, Some("unasked"), true)).await;
}

#[tokio::test]
async fn a_password_in_clear() {
    as_libpq(login("plain", Method::Password, Some(PASSWORD), true)).await;
    as_libpq(login("plain", Method::Password, Some("wrong"), false)).await;
}

#[tokio::test]
async fn a_password_hashed_with_md5() {
    as_libpq(login("hashed", Method::Md5, Some(PASSWORD), true)).await;
    as_libpq(login("hashed", Method::Md5, Some("wrong"), false)).await;
}

#[tokio::test]
async fn a_password_by_scram() {
    as_libpq(login("salted", Method::Scram, Some(PASSWORD), true)).await;
    as_libpq(login("salted", Method::Scram, Some("wrong"), false)).await;
}

/// The server asks as if there were one, so that nobody learns which users have none.
#[tokio::test]
async fn a_user_whose_password_is_not_set() {
    as_libpq(login("unset", Method::Scram, Some(PASSWORD), false)).await;
}

#[tokio::test]
async fn a_user_who_does_not_exist() {
    as_libpq(login("nobody", Method::Scram, Some(PASSWORD), false)).await;
}

#[tokio::test]
async fn a_client_without_a_password() {
    for (user, method) in [("plain", Method::Password), ("hashed", Method::Md5), ("salted", Method::Scram)] {
        as_libpq(login(user, method, None, false)).await;
    }
}
