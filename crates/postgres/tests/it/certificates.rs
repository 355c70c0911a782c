//! Servers with certificates of all kinds, and machines in the middle.
//!
//! A TLS listener with a certificate of the test's own stands in front of a real server. What is taken and refused is
//! compared with `psql`, whose deviations are named.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, io};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use tallybook_sql::Error;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::fake_server::{FakeServer, Step};
use crate::rewriter::message;
use crate::server::Server;
use crate::support::{full, goes_on, try_connect};

/// A certificate with its key, in PEM.
#[derive(Clone)]
struct Certified {
    certificate: String,
    key: String,
}

/// An authority of this test.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        // OpenSSL looks for an authority by its name.
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("Authority {} of the tests", NUMBER.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn sign(&self, params: &CertificateParams) -> Certified {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Certified { certificate, key: key.serialize_pem() }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap()
}

fn self_signed(params: &CertificateParams) -> Certified {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    Certified { certificate, key: key.serialize_pem() }
}

/// What the listener does beside TLS.
#[derive(Clone, Default)]
struct Manner {
    /// Bytes in plaintext behind the `S`, in the same packet.
    injected: Vec<u8>,
    /// The authority of certificates that a client must have.
    clients: Option<String>,
    /// Speaks TLS with the server too, of whose authority this is the certificate.
    server_authority: Option<PathBuf>,
}

/// A TLS listener in front of the server.
struct Front {
    port: u16,
    directory: TempDir,
    task: JoinHandle<()>,
}

impl Front {
    async fn start(certified: &Certified, manner: Manner) -> Self {
        let server = Server::shared().await.port();
        let config = Arc::new(server_config(certified, manner.clients.as_deref()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(Arc::clone(&config));
                let manner = manner.clone();
                tokio::spawn(async move { relay(client, server, acceptor, manner).await });
            }
        });
        Self { port, directory: tempfile::tempdir().unwrap(), task }
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        if name.ends_with("key") {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        path
    }

    async fn ours(&self, user: &str, host: &str, parameters: &[(&str, &str)]) -> Result<(), Error> {
        let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url =
            format!("postgresql://{user}:p4ss%20word@{host}:{}/postgres?{}", self.port, parameters.join("&"));
        let mut connection = try_connect(&url).await?;
        assert!(connection.is_encrypted());
        goes_on(&mut connection).await;
        Ok(())
    }

    async fn psql(&self, user: &str, host: &str, parameters: &[(&str, &str)]) -> Result<(), String> {
        let mut text = format!("host={host} port={} dbname=postgres user={user}", self.port);
        parameters.iter().for_each(|(name, value)| text += &format!(" {name}={value}"));
        let mut psql = Command::new("psql");
        psql.args(["-XAtw", "-c", "SELECT 1"]).arg(&text);
        psql.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.directory.path());
        psql.env("PGPASSWORD", "p4ss word").env("LC_ALL", "C").stdin(Stdio::null());
        let output = spawn_blocking(move || psql.output()).await.unwrap().expect("psql is installed");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn roots(pem: &str) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    Arc::new(roots)
}

fn server_config(certified: &Certified, clients: Option<&str>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots(pem), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let certificates = CertificateDer::pem_slice_iter(certified.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    builder.with_single_cert(certificates.collect::<Result<_, _>>().unwrap(), key).unwrap()
}

async fn relay(mut client: TcpStream, server: u16, acceptor: TlsAcceptor, manner: Manner) -> io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    if request != [0, 0, 0, 8, 4, 210, 22, 47] {
        // Nothing but TLS is spoken here.
        return Ok(());
    }
    client.write_all(&[b"S", &manner.injected[..]].concat()).await?;
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await?;
    let Some(authority) = manner.server_authority else {
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    };
    server.write_all(&request).await?;
    assert_eq!(server.read_u8().await?, b'S');
    let roots = roots(&fs::read_to_string(authority)?);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut server = TlsConnector::from(Arc::new(config)).connect(name, server).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// The modes that take a certificate: `require`, `verify-ca` and `verify-full`.
type Taken = [bool; 3];

/// Compares what psql and the client take of a certificate. `root` is what `sslrootcert` names.
async fn compare(
    certified: &Certified,
    root: &str,
    host: &str,
    extra: &[(&str, &str)],
    psql: Taken,
    ours: Taken,
) {
    let front = Front::start(certified, Manner::default()).await;
    let root = front.write("root.pem", root);
    for (index, mode) in ["require", "verify-ca", "verify-full"].into_iter().enumerate() {
        let mut parameters = vec![("sslmode", mode)];
        if mode != "require" {
            parameters.push(("sslrootcert", root.to_str().unwrap()));
        }
        parameters.extend(extra);
        let found = front.psql("trusted", host, &parameters).await;
        assert_eq!(found.is_ok(), psql[index], "psql {mode}: {found:?}");
        let found = front.ours("trusted", host, &parameters).await;
        assert_eq!(found.is_ok(), ours[index], "{mode}: {found:?}");
        if let Err(error) = found {
            assert!(error.is_connect() && !error.is_retryable(), "{mode}: {error:?}");
            let text = error.to_string();
            assert!(text.contains("TLS: ") || text.contains("certificate"), "{mode}: {text}");
        }
    }
}

/// Both take the same.
async fn both(certified: &Certified, root: &str, host: &str, taken: Taken) {
    compare(certified, root, host, &[], taken, taken).await;
}

const ALL: Taken = [true; 3];
const NOT_FULL: Taken = [true, true, false];
const UNVERIFIED: Taken = [true, false, false];

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_for_this_name() {
    let authority = Authority::new();
    both(&authority.sign(&params(&["localhost"])), &authority.issuer.pem(), "localhost", ALL).await;
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let authority = Authority::new();
    for names in [&["elsewhere.example"][..], &["localhost.example"], &["*.localhost"], &["local"]] {
        both(&authority.sign(&params(names)), &authority.issuer.pem(), "localhost", NOT_FULL).await;
    }
}

#[tokio::test]
async fn a_certificate_for_an_address() {
    let authority = Authority::new();
    let mut of_address = params(&[]);
    of_address.subject_alt_names = vec![SanType::IpAddress(Ipv4Addr::LOCALHOST.into())];
    both(&authority.sign(&of_address), &authority.issuer.pem(), "127.0.0.1", ALL).await;
    both(&authority.sign(&of_address), &authority.issuer.pem(), "localhost", NOT_FULL).await;
    // A name is no address.
    both(&authority.sign(&params(&["localhost"])), &authority.issuer.pem(), "127.0.0.1", NOT_FULL).await;
}

#[tokio::test]
async fn a_certificate_for_all_names_of_a_domain() {
    let authority = Authority::new();
    let of_domain = authority.sign(&params(&["*.book.example"]));
    let root = authority.issuer.pem();
    let here = [("hostaddr", "127.0.0.1")];
    compare(&of_domain, &root, "db.book.example", &here, ALL, ALL).await;
    compare(&of_domain, &root, "book.example", &here, NOT_FULL, NOT_FULL).await;
    compare(&of_domain, &root, "a.db.book.example", &here, NOT_FULL, NOT_FULL).await;
}

/// libpq reads the common name where a certificate has no alternative names. Nobody else does any more.
#[tokio::test]
async fn a_certificate_with_a_common_name_only_is_of_no_name() {
    let authority = Authority::new();
    let mut common = params(&[]);
    common.distinguished_name.push(DnType::CommonName, "localhost");
    let certified = authority.sign(&common);
    compare(&certified, &authority.issuer.pem(), "localhost", &[], ALL, NOT_FULL).await;
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let authority = Authority::new();
    let mut old = params(&["localhost"]);
    (old.not_before, old.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    both(&authority.sign(&old), &authority.issuer.pem(), "localhost", UNVERIFIED).await;
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet() {
    let authority = Authority::new();
    let mut early = params(&["localhost"]);
    (early.not_before, early.not_after) = (date_time_ymd(2200, 1, 1), date_time_ymd(2201, 1, 1));
    both(&authority.sign(&early), &authority.issuer.pem(), "localhost", UNVERIFIED).await;
}

#[tokio::test]
async fn a_certificate_that_signed_itself() {
    let authority = Authority::new();
    both(&self_signed(&params(&["localhost"])), &authority.issuer.pem(), "localhost", UNVERIFIED).await;
}

#[tokio::test]
async fn a_certificate_that_signed_itself_and_is_trusted() {
    let certified = self_signed(&params(&["localhost"]));
    both(&certified, &certified.certificate, "localhost", ALL).await;
}

/// `openssl req -x509` makes such ones. RFC 5280 has certificates of authorities that are none of servers, which OpenSSL
/// takes all the same.
#[tokio::test]
async fn a_certificate_that_signed_itself_as_an_authority_is_refused_unlike_by_libpq() {
    let mut both_at_once = params(&["localhost"]);
    both_at_once.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certified = self_signed(&both_at_once);
    compare(&certified, &certified.certificate, "localhost", &[], ALL, UNVERIFIED).await;
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_is_not_trusted() {
    let (authority, other) = (Authority::new(), Authority::new());
    both(&authority.sign(&params(&["localhost"])), &other.issuer.pem(), "localhost", UNVERIFIED).await;
}

#[tokio::test]
async fn a_certificate_of_one_of_several_authorities() {
    let (authority, other) = (Authority::new(), Authority::new());
    let roots = format!("{}{}", other.issuer.pem(), authority.issuer.pem());
    both(&authority.sign(&params(&["localhost"])), &roots, "localhost", ALL).await;
}

/// The server sends the certificate between its own and the authority's.
#[tokio::test]
async fn a_certificate_with_one_between_it_and_the_authority() {
    let authority = Authority::new();
    let mut between = params(&[]);
    between.distinguished_name.push(DnType::CommonName, "An authority in between");
    between.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    between.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let issuer =
        CertifiedIssuer::signed_by(between, KeyPair::generate().unwrap(), &authority.issuer).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params(&["localhost"]).signed_by(&key, &issuer).unwrap().pem();
    let alone = Certified { certificate: certificate.clone(), key: key.serialize_pem() };
    let chain = Certified { certificate: format!("{certificate}{}", issuer.pem()), ..alone.clone() };
    both(&chain, &authority.issuer.pem(), "localhost", ALL).await;
    both(&alone, &authority.issuer.pem(), "localhost", UNVERIFIED).await;
}

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
