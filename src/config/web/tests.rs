use std::path::Path;

use super::*;

/// `hunter2`, cost 4.
const HASH: &str = "$2b$04$BWcfIUuHZyP1ZAmgkRcYjOD2qtuG2Tm7MvUlsy6a8D4SRT5Vkj83y";

fn wrong(text: &str) -> String {
    parse(text, Path::new("web.yml")).expect_err(text).to_string()
}

fn right(text: &str) -> WebConfig {
    parse(text, Path::new("/etc/web.yml")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn everything_is_read() {
    let config = right(&format!(
        "tls_server_config:
  cert_file: server.crt
  key_file: /run/server.key
  client_ca_file: ca.crt
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.example.org]
  min_version: TLS13
  max_version: TLS13
  cipher_suites: [TLS_AES_128_GCM_SHA256]
  curve_preferences: [CurveP256, X25519]
  prefer_server_cipher_suites: true
http_server_config:
  http2: false
  headers: {{ X-Frame-Options: deny, X-Content-Type-Options: nosniff, Strict-Transport-Security: '' }}
basic_auth_users: {{ alice: {HASH} }}
rate_limit: {{ interval: 1s, burst: 5 }}
"
    ));
    let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    assert_eq!(config.tls.as_ref().map(|tls| tls.suites.clone()), Some(vec![Suite("TLS_AES_128_GCM_SHA256")]));
    assert_eq!(
        config,
        WebConfig {
            tls: Some(TlsConfig {
                certificate: Pem::File("/etc/server.crt".into()),
                key: Pem::File("/run/server.key".into()),
                client_authorities: Some(Pem::File("/etc/ca.crt".into())),
                client_auth: ClientAuth::RequireAndVerify,
                client_names: vec!["prometheus.example.org".to_owned()],
                min_version: Version::Tls13,
                max_version: Version::Tls13,
                suites: vec![Suite("TLS_AES_128_GCM_SHA256")],
                curves: vec![Curve::P256, Curve::X25519],
            }),
            http2: false,
            headers: vec![header("x-content-type-options", "nosniff"), header("x-frame-options", "deny")],
            users: BTreeMap::from([("alice".to_owned(), PasswordHash { text: HASH.into(), cost: 4 })]),
            rate: Some(RateLimit { interval: Duration::from_secs(1), burst: 5 }),
            warnings: Vec::new(),
        }
    );
    assert!(!format!("{config:?}").contains("$2b$"));
}

#[test]
fn nothing_is_a_configuration_too() {
    for text in ["", "# nothing\n", "{}", "tls_server_config:", "basic_auth_users: {}"] {
        let config = right(text);
        assert_eq!((config.tls, config.http2, config.users.len(), config.warnings.len()), (None, true, 0, 0), "{text}");
    }
    let config = right("tls_server_config: { min_version: TLS12 }");
    assert_eq!((config.tls, config.warnings.len()), (None, 1));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let tls = |rest: &str| format!("tls_server_config: {{ cert_file: a, key_file: b, {rest} }}");
    let cases = [
        ("tls_config: {}".to_owned(), "unknown key `tls_config`"),
        (tls("cert_fiel: x"), "unknown key `cert_fiel`"),
        (tls("cert: x"), "`cert` and `cert_file` exclude each other"),
        ("tls_server_config: { cert_file: a }".to_owned(), "TLS needs `key` or `key_file`"),
        ("tls_server_config: { key: a }".to_owned(), "TLS needs `cert` or `cert_file`"),
        ("tls_server_config: { client_auth_type: RequestClientCert }".to_owned(), "TLS needs `cert`"),
        (tls("client_ca_file: c"), "clients have an authority, but need no certificate"),
        (tls("client_auth_type: RequireAndVerifyClientCert"), "need an authority"),
        (tls("client_auth_type: Sometimes"), "unknown value `Sometimes`"),
        (tls("min_version: TLS1.2"), "unknown value `TLS1.2`"),
        (tls("max_version: TLS11"), "TLS 1.0 and 1.1 cannot be served"),
        (tls("min_version: TLS13, max_version: TLS12"), "is older than"),
        (tls("cipher_suites: [TLS_NULL]"), "unknown value `TLS_NULL`"),
        (tls("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA], max_version: TLS12"), "none of these suites"),
        (tls("curve_preferences: [CurveP521]"), "none of these key exchanges"),
        ("http_server_config: { headers: { Server: x } }".to_owned(), "unknown header `Server`"),
        ("http_server_config: { headers: { X-Frame-Options: DENY } }".to_owned(), "unknown value `DENY`"),
        ("basic_auth_users: { alice: hunter2 }".to_owned(), "not a password's hash by bcrypt"),
        ("basic_auth_users: [alice]".to_owned(), "expected a map"),
        ("rate_limit: { interval: 1 }".to_owned(), "invalid duration"),
        ("rate_limit: { interval: 1s, burst: -1 }".to_owned(), "expected a whole number"),
    ];
    for (text, what) in cases {
        let told = wrong(&text);
        assert!(told.contains(what) && told.contains("--> web.yml:1:"), "{text}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn what_cannot_be_served_is_a_warning_where_the_rest_can() {
    let config = right(
        "tls_server_config: { cert_file: a, key_file: b, min_version: TLS10, curve_preferences: [CurveP521, CurveP256],
           cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256] }",
    );
    assert_eq!(
        config.warnings,
        [
            "TLS 1.0 and 1.1 cannot be served (RFC 8996): `min_version` is TLS12",
            "not served, because weak: TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
            "not served by this build: CurveP521",
        ]
    );
}
