//! Client certificates, machines in the middle, and what comes before the handshake.

use std::path::Path;

use rcgen::date_time_ymd;

use super::authority::{Authority, Certified, params, self_signed};
use super::front::{Front, Manner};
use crate::fake_server::{FakeServer, Step};
use crate::rewriter::message;
use crate::server::Server;
use crate::support::{full, try_connect};

#[tokio::test]
async fn a_client_certificate_that_the_server_asks_for() {
    let (authority, other) = (Authority::new(), Authority::new());
    let manner = Manner { clients: Some(authority.issuer.pem()), ..Manner::default() };
    let front = Front::start(&authority.sign(&params(&["localhost"])), manner).await;
    let root = front.write("root.pem", &authority.issuer.pem());
    let base = [("sslmode", "verify-full"), ("sslrootcert", root.to_str().unwrap())];
    let of = |name: &str, certified: &Certified| {
        let certificate = front.write(&format!("{name}.pem"), &certified.certificate);
        (certificate, front.write(&format!("{name}.key"), &certified.key))
    };
    let mut expired = params(&[]);
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let right = of("right", &authority.sign(&params(&[])));
    for (case, files, is_taken) in [
        ("right", Some(&right), true),
        ("none", None, false),
        ("unknown", Some(&of("unknown", &other.sign(&params(&[])))), false),
        ("expired", Some(&of("expired", &authority.sign(&expired))), false),
    ] {
        let mut parameters = base.to_vec();
        if let Some((certificate, key)) = files {
            parameters.extend([("sslcert", path(certificate)), ("sslkey", path(key))]);
        }
        let psql = front.psql("trusted", "localhost", &parameters).await;
        assert_eq!(psql.is_ok(), is_taken, "psql {case}: {psql:?}");
        let ours = front.ours("trusted", "localhost", &parameters).await;
        assert_eq!(ours.is_ok(), is_taken, "{case}: {ours:?}");
        if let Err(error) = ours {
            assert!(full(&error).contains("alert"), "{case}: {}", full(&error));
        }
    }
    // The key of another certificate.
    let (_, key) = of("another", &authority.sign(&params(&[])));
    let mut parameters = base.to_vec();
    parameters.extend([("sslcert", path(&right.0)), ("sslkey", path(&key))]);
    let error = front.ours("trusted", "localhost", &parameters).await.unwrap_err().to_string();
    assert!(error.contains("sslcert") && error.contains("sslkey"), "{error}");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// CVE-2021-23222: what comes in plaintext before the handshake would be taken for what the server said through TLS.
#[tokio::test]
async fn bytes_injected_before_the_handshake_are_refused() {
    let authority = Authority::new();
    let certified = authority.sign(&params(&["localhost"]));
    for injected in [
        message(b'E', b"SFATAL\0VFATAL\0C28000\0Minjected\0\0"),
        [message(b'R', &[0; 4]), message(b'Z', b"I")].concat(),
        message(b'N', b"SNOTICE\0C00000\0Minjected\0\0"),
        vec![0],
    ] {
        let front = Front::start(&certified, Manner { injected, ..Manner::default() }).await;
        let root = front.write("root.pem", &authority.issuer.pem());
        for mode in ["require", "verify-full"] {
            let mut parameters = vec![("sslmode", mode)];
            if mode == "verify-full" {
                parameters.push(("sslrootcert", path(&root)));
            }
            let psql = front.psql("trusted", "localhost", &parameters).await.unwrap_err();
            assert!(psql.contains("received unencrypted data after SSL response"), "{psql}");
            let error = front.ours("trusted", "localhost", &parameters).await.unwrap_err();
            assert!(error.is_connect() && !full(&error).contains("injected"), "{error:?}");
        }
    }
}

/// The front has a certificate that the client believes, and passes SCRAM on to a server in plaintext. There the password
/// can't be bound to the channel, so only `channel_binding=require` notices.
#[tokio::test]
async fn a_machine_in_the_middle_that_hides_channel_binding_is_noticed_where_it_is_required() {
    let front = Front::start(&self_signed(&params(&["localhost"])), Manner::default()).await;
    for (binding, is_taken) in [("disable", true), ("prefer", true), ("require", false)] {
        let parameters = [("sslmode", "require"), ("channel_binding", binding)];
        let psql = front.psql("salted", "localhost", &parameters).await;
        assert_eq!(psql.is_ok(), is_taken, "psql {binding}: {psql:?}");
        let ours = front.ours("salted", "localhost", &parameters).await;
        assert_eq!(ours.is_ok(), is_taken, "{binding}: {ours:?}");
        if let Err(error) = ours {
            assert!(error.to_string().replace('_', " ").contains("channel binding"), "{error}");
        }
    }
}

/// The front speaks TLS with both sides. The server notices that the client has bound its password to another channel.
#[tokio::test]
async fn a_machine_in_the_middle_of_two_channels_is_noticed_by_the_binding() {
    let server = Server::shared().await;
    let manner = Manner { server_authority: Some(server.root()), ..Manner::default() };
    let front = Front::start(&self_signed(&params(&["localhost"])), manner).await;
    for (binding, is_taken) in [("disable", true), ("prefer", false), ("require", false)] {
        let parameters = [("sslmode", "require"), ("channel_binding", binding)];
        let psql = front.psql("salted", "localhost", &parameters).await;
        assert_eq!(psql.is_ok(), is_taken, "psql {binding}: {psql:?}");
        let ours = front.ours("salted", "localhost", &parameters).await;
        assert_eq!(ours.is_ok(), is_taken, "{binding}: {ours:?}");
    }
}

/// What a server answers to the request for TLS, before anything proves who it is.
#[tokio::test]
async fn an_answer_to_the_request_for_tls_is_yes_or_no() {
    let error = message(b'E', b"SFATAL\0VFATAL\0C28000\0Mtext of a stranger\0\0");
    for answer in [&b"N"[..], b"X", b"\0", &error, b"HTTP/1.1 400 Bad Request\r\n\r\n", b""] {
        for mode in ["require", "verify-full"] {
            let server = FakeServer::start(vec![Step::Hear, Step::Say(answer.to_vec())]).await;
            let root = if mode == "require" { "" } else { "&sslrootcert=system" };
            let refused =
                try_connect(&server.url(&format!("sslmode={mode}{root}"))).await.err().expect("no TLS");
            let text = full(&refused);
            assert!(refused.is_connect() && !text.contains("stranger"), "{answer:?}: {text}");
        }
    }
}

/// Only `N` is an answer on which a client that prefers TLS may go on in plaintext, in the same connection.
#[tokio::test]
async fn an_answer_that_is_neither_yes_nor_no_is_no_reason_to_go_on_in_plaintext() {
    for answer in [b"X", b"\0", b"H"] {
        let asks = Step::Say(message(b'R', &[0, 0, 0, 3]));
        let script = vec![Step::Hear, Step::Say(answer.to_vec()), Step::Hear, asks, Step::Hear];
        let server = FakeServer::start(script).await;
        let refused =
            try_connect(&server.url("sslmode=prefer")).await.err().expect("no server of PostgreSQL");
        assert!(refused.is_connect(), "{refused:?}");
        assert_eq!((server.connections(), server.heard()), (1, 1), "it heard of TLS only: {refused}");
    }
}
