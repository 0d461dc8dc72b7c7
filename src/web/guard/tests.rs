use std::fs;

use hyper::header::HeaderValue;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tuermer_probes::testkit::{Authority, Leaf};

use super::*;

/// `hunter2`, cost 4.
const USERS: &str = "basic_auth_users: { alice: $2b$04$BWcfIUuHZyP1ZAmgkRcYjOD2qtuG2Tm7MvUlsy6a8D4SRT5Vkj83y }\n";
/// `alice:hunter2`.
const ALICE: &str = "Basic YWxpY2U6aHVudGVyMg==";

/// A guard and the folder of its files.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Replaces a file as careful programs do it.
    fn write(&self, name: &str, text: &str) {
        let fresh = self.folder.path().join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, self.folder.path().join(name)).unwrap();
    }

    fn guard(&self, config: &str) -> Result<Guard, String> {
        self.write("web.yml", config);
        Guard::open(self.folder.path().join("web.yml"))
    }

    fn server(&self, leaf: &Leaf) {
        self.write("server.crt", &leaf.pem);
        self.write("server.key", &leaf.key_pem);
    }
}

fn saying(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
}

async fn status(guard: &Guard, headers: &HeaderMap) -> u16 {
    guard.admit(headers).await.map_or_else(|refusal| refusal.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn only_who_says_the_password_is_let_in() {
    let place = Place::new();
    let guard = place.guard(USERS).unwrap();
    for _ in 0..2 {
        assert_eq!(status(&guard, &saying(ALICE)).await, 200);
        for wrong in ["Basic YWxpY2U6", "Basic Ym9iOmh1bnRlcjI=", "Bearer hunter2"] {
            assert_eq!(status(&guard, &saying(wrong)).await, 401, "{wrong}");
        }
    }
    let refusal = guard.admit(&HeaderMap::new()).await.unwrap_err();
    assert_eq!(refusal.headers()[WWW_AUTHENTICATE], "Basic");
}

#[tokio::test]
async fn headers_are_on_refusals_too() {
    let place = Place::new();
    let guard = place.guard(&format!("{USERS}http_server_config: {{ headers: {{ X-Frame-Options: deny }} }}")).unwrap();
    let refusal = guard.admit(&HeaderMap::new()).await.unwrap_err();
    assert_eq!(refusal.headers()["x-frame-options"], "deny");
}

#[tokio::test]
async fn a_file_that_is_wrong_lets_nobody_in_until_it_is_right_again() {
    let place = Place::new();
    let guard = place.guard("{}").unwrap();
    assert_eq!(status(&guard, &HeaderMap::new()).await, 200);
    place.write("web.yml", "basic_auth_user: {}");
    assert_eq!(status(&guard, &HeaderMap::new()).await, 500);
    fs::remove_file(place.folder.path().join("web.yml")).unwrap();
    assert_eq!(status(&guard, &HeaderMap::new()).await, 500);
    place.write("web.yml", USERS);
    assert_eq!(status(&guard, &HeaderMap::new()).await, 401);
    assert_eq!(status(&guard, &saying(ALICE)).await, 200);
}

#[tokio::test]
async fn a_file_that_loses_its_passwords_must_rest_first() {
    let place = Place::new();
    let guard = place.guard(USERS).unwrap();
    // As a program leaves it that has emptied it and is about to write.
    place.write("web.yml", "");
    assert_eq!(status(&guard, &saying(ALICE)).await, 500);
    assert_eq!(status(&guard, &HeaderMap::new()).await, 500);
    let file = fs::File::options().write(true).open(place.folder.path().join("web.yml")).unwrap();
    file.set_modified(std::time::SystemTime::now() - SETTLE).unwrap();
    assert_eq!(status(&guard, &HeaderMap::new()).await, 200);
}

#[tokio::test]
async fn over_the_rate_requests_are_refused_before_their_password() {
    let place = Place::new();
    let guard = place.guard(&format!("{USERS}rate_limit: {{ interval: 1h, burst: 1 }}")).unwrap();
    assert_eq!(status(&guard, &saying(ALICE)).await, 200);
    assert_eq!(status(&guard, &saying(ALICE)).await, 429);
}

#[test]
fn what_cannot_be_served_is_told_at_the_start() {
    let place = Place::new();
    let (one, other) = (Authority::new().leaf(&["localhost"]), Authority::new().leaf(&["localhost"]));
    place.server(&one);
    let tls = "tls_server_config: { cert_file: server.crt, key_file: server.key";
    let open = |config: String| place.guard(&config).map(drop);
    assert_eq!(open(format!("{tls} }}")), Ok(()));
    place.write("server.key", &other.key_pem);
    let told = open(format!("{tls} }}")).unwrap_err();
    assert!(told.starts_with("certificate and key cannot be used"), "{told}");
    let told = open("tls_server_config: { cert_file: server.crt, key_file: missing }".to_owned()).unwrap_err();
    assert!(told.starts_with("cannot read ") && told.contains("missing"), "{told}");
    let told = open("tls_server_config: { cert_file: server.key, key_file: server.key }".to_owned()).unwrap_err();
    assert_eq!(told, "the certificate: no certificate in PEM");
    let told = open("tls_server_config: { cert_file: server.crt, key_file: server.crt }".to_owned()).unwrap_err();
    assert_eq!(told, "the key: no key in PEM");
    assert!(Guard::open("/nonexistent/web.yml".into()).is_err());
}

/// What a client of TLS got: the answer, and whether its session was taken up again; or why there was none.
async fn handshake(guard: &Guard, client: &Arc<rustls::ClientConfig>) -> Result<Option<Vec<u8>>, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let config = guard.tls().map_err(|why| why.to_string())?;
    let serve = async {
        let mut stream = TlsAcceptor::from(config).accept(far).await?;
        stream.write_all(b"in").await?;
        stream.shutdown().await
    };
    let ask = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, near).await.map_err(|e| e.to_string())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
        assert_eq!(answer, b"in");
        Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    };
    let (_, asked) = tokio::join!(serve, ask);
    asked
}

fn client(
    trusted: &Authority,
    own: Option<&Leaf>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some(leaf) => {
            let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![leaf.der.clone()], key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// A certificate of an authority for clients.
fn for_clients(authority: &Authority, name: &str) -> Leaf {
    authority.leaf_with(&[name], |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    })
}

const TLS: &str = "cert_file: server.crt, key_file: server.key";

#[tokio::test]
async fn a_new_certificate_is_shown_from_the_next_handshake_on() {
    let (place, old, new) = (Place::new(), Authority::new(), Authority::new());
    place.server(&old.leaf(&["localhost"]));
    let guard = place.guard(&format!("tls_server_config: {{ {TLS} }}")).unwrap();
    let of = |authority| client(authority, None, rustls::ALL_VERSIONS);
    assert_eq!(handshake(&guard, &of(&old)).await, Ok(Some(b"h2".to_vec())));
    let before = guard.tls().unwrap();
    assert!(Arc::ptr_eq(&before, &guard.tls().unwrap()), "nothing is built twice");
    place.server(&new.leaf(&["localhost"]));
    assert_eq!(handshake(&guard, &of(&new)).await, Ok(Some(b"h2".to_vec())));
    assert!(handshake(&guard, &of(&old)).await.is_err());
    place.write("server.key", "broken");
    assert_eq!(handshake(&guard, &of(&new)).await, Err("the key: no key in PEM".to_owned()));
}

#[tokio::test]
async fn http_2_is_offered_unless_it_is_switched_off() {
    let (place, authority) = (Place::new(), Authority::new());
    place.server(&authority.leaf(&["localhost"]));
    let config = format!("tls_server_config: {{ {TLS} }}\nhttp_server_config: {{ http2: false }}");
    let guard = place.guard(&config).unwrap();
    let client = client(&authority, None, rustls::ALL_VERSIONS);
    assert_eq!(handshake(&guard, &client).await, Ok(Some(b"http/1.1".to_vec())));
}

#[tokio::test]
async fn clients_must_show_what_the_policy_says() {
    let (place, authority, strangers) = (Place::new(), Authority::new(), Authority::new());
    place.server(&authority.leaf(&["localhost"]));
    place.write("ca.crt", &authority.pem());
    let (known, other, strange) = (
        for_clients(&authority, "prometheus.example.org"),
        for_clients(&authority, "other.example.org"),
        for_clients(&strangers, "prometheus.example.org"),
    );
    let names = "client_allowed_sans: [prometheus.example.org]";
    // Who is let in: nobody's certificate, one of the authority with the name, with another, one of a stranger.
    let cases = [
        ("client_auth_type: NoClientCert", [true, true, true, true]),
        ("client_auth_type: RequestClientCert", [true, true, true, true]),
        ("client_auth_type: RequireAnyClientCert", [false, true, true, true]),
        ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.crt", [true, true, true, false]),
        ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt", [false, true, true, false]),
        (
            &format!("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt, {names}"),
            [false, true, false, false],
        ),
        (&format!("client_auth_type: RequireClientCert, {names}"), [false, true, false, true]),
    ];
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (policy, let_in) in &cases {
            let guard = place.guard(&format!("tls_server_config: {{ {TLS}, {policy} }}")).unwrap();
            for (own, expected) in [None, Some(&known), Some(&other), Some(&strange)].into_iter().zip(let_in) {
                let client = client(&authority, own, &[version]);
                assert_eq!(handshake(&guard, &client).await.is_ok(), *expected, "{policy} {version:?}");
            }
        }
    }
}

/// CVE-2025-68121: no session may outlive the authority of the client that began it.
#[tokio::test]
async fn a_client_whose_authority_is_taken_away_is_refused_at_once() {
    let (place, server, gone) = (Place::new(), Authority::new(), Authority::new());
    place.server(&server.leaf(&["localhost"]));
    place.write("ca.crt", &gone.pem());
    let policy = "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt";
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        place.write("ca.crt", &gone.pem());
        let guard = place.guard(&format!("tls_server_config: {{ {TLS}, {policy} }}")).unwrap();
        // One client, which keeps what it needs to take its session up again.
        let client = client(&server, Some(&for_clients(&gone, "p")), &[version]);
        for _ in 0..2 {
            assert!(handshake(&guard, &client).await.is_ok(), "{version:?}");
        }
        place.write("ca.crt", &server.pem());
        assert!(handshake(&guard, &client).await.is_err(), "{version:?}");
    }
}

#[tokio::test]
async fn versions_and_suites_are_those_of_the_file() {
    let (place, authority) = (Place::new(), Authority::new());
    place.server(&authority.leaf(&["localhost"]));
    let (old, new) = ([&rustls::version::TLS12], [&rustls::version::TLS13]);
    let cases = [
        ("min_version: TLS13", [false, true]),
        ("max_version: TLS12", [true, false]),
        ("min_version: TLS10", [true, true]),
        ("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]", [false, true]),
        ("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], curve_preferences: [CurveP384]", [true, true]),
    ];
    for (settings, expected) in cases {
        let guard = place.guard(&format!("tls_server_config: {{ {TLS}, {settings} }}")).unwrap();
        let mut got = [false; 2];
        for (got, versions) in got.iter_mut().zip([old, new]) {
            *got = handshake(&guard, &client(&authority, None, &versions)).await.is_ok();
        }
        assert_eq!(got, expected, "{settings}");
    }
}

#[test]
fn certificate_and_key_may_stand_in_the_file_itself() {
    let (place, leaf) = (Place::new(), Authority::new().leaf(&["localhost"]));
    let block = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let config = format!("tls_server_config:\n  cert: |\n{}  key: |\n{}", block(&leaf.pem), block(&leaf.key_pem));
    assert!(place.guard(&config).unwrap().over_tls());
}
