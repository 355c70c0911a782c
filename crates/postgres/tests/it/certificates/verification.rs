//! What is taken and refused of a server's certificate.

use std::net::Ipv4Addr;

use rcgen::{
    BasicConstraints, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use super::authority::{Authority, Certified, params, self_signed};
use super::front::{Front, Manner};

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
