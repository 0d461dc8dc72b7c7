//! Tokens from a token server.

use serde_json::{Value, json};

use super::requests::Scratch;
use super::site::{Page, Seen, Site, page};
use super::{LONG, SHORT, probe, url};
use crate::report::Report;
use crate::testkit::{
    Authority, Peer, ask, assert_laps_cover_the_run, close, flood, gist, hear, hear_nothing_more, say,
};

const TOKEN: &str = r#"{"access_token": "tok-1", "token_type": "bearer", "expires_in": 3600}"#;

/// A module that fetches its token from here.
fn oauth2(token_url: &str) -> Value {
    json!({"client_id": "me & co", "client_secret": "hun:ter2", "token_url": token_url})
}

/// A page of this status.
fn status(status: u16, body: &str) -> Page {
    let mut page = page(body.to_owned());
    *page.status_mut() = status.try_into().expect("a status");
    page
}

async fn ask_site(site: &Site, oauth2: Value) -> Report {
    let report = probe(json!({"oauth2": oauth2}), &site.url("/")).await;
    let notes: String = report.notes.iter().map(|(_, _, text)| text.to_owned()).collect();
    let message = report.failure().map_or("", |failure| failure.message());
    assert!(!notes.contains("ter2") && !message.contains("ter2") && !notes.contains("tok-1"), "{notes} {message}");
    report
}

fn form(seen: &Seen) -> String {
    String::from_utf8(seen.body.to_vec()).expect("text")
}

#[tokio::test]
async fn a_token_is_fetched_and_shown() {
    let site = Site::open(|seen| if seen.path == "/token?x" { page(TOKEN) } else { page("hello") }).await;
    let mut settings = oauth2(&site.url("/token?x"));
    settings["scopes"] = json!(["one", "two"]);
    settings["endpoint_params"] = json!({"audience": "https://a/", "aa": "1"});
    let report = ask_site(&site, settings).await;
    assert_eq!(gist(&report), "up");
    let seen = site.seen();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].header("content-type")),
        ("POST", "application/x-www-form-urlencoded")
    );
    assert_eq!(seen[0].header("user-agent"), concat!("tuermer/", env!("CARGO_PKG_VERSION")));
    assert_eq!(form(&seen[0]), "grant_type=client_credentials&scope=one+two&aa=1&audience=https%3A%2F%2Fa%2F");
    // `me+%26+co:hun%3Ater2`
    assert_eq!(seen[0].header("authorization"), "Basic bWUrJTI2K2NvOmh1biUzQXRlcjI=");
    assert_eq!(seen[1].header("authorization"), "Bearer tok-1");
    let laps: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    let own: Vec<_> = laps.iter().filter(|name| **name != "token").copied().collect();
    assert_eq!(own, ["resolve", "connect", "processing", "transfer", "check"]);
    assert_eq!(laps[1], "token");
}

#[tokio::test]
async fn the_secret_goes_into_the_body_if_the_header_is_refused() {
    let site = Site::open(|seen| match seen.path.as_str() {
        "/token" if seen.headers.contains_key("authorization") => status(401, r#"{"error": "invalid_client"}"#),
        "/token" => {
            let mut page = page("access_token=tok-1&token_type=mac");
            page.headers_mut().insert("content-type", "text/plain; charset=utf-8".parse().expect("a value"));
            page
        }
        _ => page("hello"),
    })
    .await;
    let report = ask_site(&site, oauth2(&site.url("/token"))).await;
    assert_eq!(gist(&report), "up");
    let seen = site.seen();
    let due = "grant_type=client_credentials&client_id=me+%26+co&client_secret=hun%3Ater2";
    assert_eq!((form(&seen[1]).as_str(), seen[1].header("authorization")), (due, ""));
    assert_eq!(seen[2].header("authorization"), "MAC tok-1");
}

#[tokio::test]
async fn an_own_authorization_needs_no_token() {
    let site = Site::open(|_| page("hello")).await;
    let settings = json!({"oauth2": oauth2(&site.url("/token")), "headers": {"Authorization": "Own x"}});
    assert_eq!(gist(&probe(settings, &site.url("/")).await), "up");
    let seen = site.seen();
    assert_eq!((seen.len(), seen[0].header("authorization")), (1, "Own x"));
}

#[tokio::test]
async fn a_token_server_that_gives_none_is_told() {
    for (code, body, words) in [
        (200, r#"{"error": "invalid_scope", "error_description": "hun:ter2"}"#, "200 OK: invalid_scope"),
        (400, r#"{"error": "hun:ter2"}"#, "400 Bad Request and an error"),
        (302, "", "302 Found"),
        (500, "oops", "500 Internal Server Error"),
        (200, "oops", "without a token"),
        (200, r#"{"access_token": ""}"#, "without a token"),
        (200, r#"{"access_token": "a\nb"}"#, "no header can carry"),
    ] {
        let site = Site::open(move |_| status(code, body)).await;
        let report = ask_site(&site, oauth2(&site.url("/token"))).await;
        assert_eq!(gist(&report), "token_error in token");
        let message = report.failure().expect("a failure").message();
        assert!(message.contains(words), "{message}");
        assert_eq!(site.seen().len(), 2, "the secret was shown in both places, and the target not asked");
    }
}

#[tokio::test]
async fn a_token_server_that_misbehaves_is_told_apart() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    for (script, timeout, due) in [
        (vec![hear("\r\n\r\n"), close()], LONG, "token_error in token"),
        (vec![hear("\r\n\r\n"), say("SSH-2.0\r\n")], LONG, "token_error in token"),
        (vec![hear("\r\n\r\n"), say(head), flood(b'x')], LONG, "token_error in token"),
        (vec![hear("\r\n\r\n"), flood(b'x')], LONG, "token_error in token"),
        (vec![hear("\r\n\r\n"), say(head), hear_nothing_more()], SHORT, "timeout in token"),
        (vec![hear_nothing_more()], SHORT, "timeout in token"),
    ] {
        let server = Peer::play(script).await;
        let settings = json!({"oauth2": oauth2(&url(server.address())), "preferred_ip_protocol": "ip4"});
        let report = ask("http", settings, "http://127.0.0.1:1/", timeout).await;
        assert_eq!(gist(&report), due);
        assert_laps_cover_the_run(&report);
    }
    let closed = url(Peer::closed_port().await);
    let report = probe(json!({"oauth2": oauth2(&closed)}), "http://127.0.0.1:1/").await;
    assert_eq!(gist(&report), "token_error in token");
    assert!(report.failure().expect("a failure").message().starts_with("the token server: connect_refused: "));
    let report = probe(json!({"oauth2": oauth2("http://no.such.name.invalid/")}), "http://127.0.0.1:1/").await;
    assert_eq!(gist(&report), "token_error in token");
}

#[tokio::test]
async fn a_token_server_has_its_own_trust_and_proxy() {
    let authority = Authority::new();
    for alpn in [&["h2"][..], &[]] {
        let config = authority.leaf(&["localhost"]).server_config(alpn);
        let server = Site::open_encrypted(config, |_| page(TOKEN)).await;
        let site = Site::open(|_| page("hello")).await;
        let mut settings = oauth2(&format!("https://localhost:{}/token", server.port()));
        assert_eq!(gist(&ask_site(&site, settings.clone()).await), "token_error in token");
        settings["tls_config"] = json!({"ca": authority.pem()});
        let report = ask_site(&site, settings).await;
        assert_eq!(gist(&report), "up");
        assert_eq!(report.reading_named("probe_tls_chain_certificates"), None, "it is not the target's certificate");
        assert_eq!(server.seen()[0].header("authorization"), "Basic bWUrJTI2K2NvOmh1biUzQXRlcjI=");
    }
    let proxy = Site::open(|_| page(TOKEN)).await;
    let site = Site::open(|_| page("hello")).await;
    let mut settings = oauth2("http://no.such.name.invalid/token");
    settings["proxy_url"] = json!(format!("http://127.0.0.1:{}", proxy.port()));
    settings["endpoint_params"] = json!({"grant_type": "password"});
    // The name of the token server is the proxy's affair, that of the target is not.
    assert_eq!(gist(&ask_site(&site, settings).await), "up");
    assert_eq!(form(&proxy.seen()[0]), "grant_type=password");
}

#[tokio::test]
async fn secrets_and_settings_are_used_as_they_are_now() {
    let site = Site::open(|seen| if seen.path == "/token" { page(TOKEN) } else { page("hello") }).await;
    let file = Scratch::with("hun:ter2\n");
    let mut settings = oauth2(&site.url("/token"));
    settings.as_object_mut().expect("an object").remove("client_secret");
    settings["client_secret_file"] = json!(file.path());
    assert_eq!(gist(&ask_site(&site, settings.clone()).await), "up");
    assert_eq!(site.seen()[0].header("authorization"), "Basic bWUrJTI2K2NvOmh1biUzQXRlcjI=");
    settings["client_secret_file"] = json!("/nonexistent/secret");
    assert_eq!(gist(&ask_site(&site, settings.clone()).await), "config_unusable in token");
    for (key, value) in [("client_secret_ref", json!("x")), ("endpoint_params", json!({"scope": "x"}))] {
        let mut settings = oauth2(&site.url("/token"));
        settings["scopes"] = json!(["y"]);
        settings[key] = value;
        if key == "client_secret_ref" {
            settings.as_object_mut().expect("an object").remove("client_secret");
        }
        assert_eq!(gist(&ask_site(&site, settings).await), "config_unusable in check");
    }
}

#[tokio::test]
async fn a_client_can_sign_an_assertion() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let site = Site::open(|seen| if seen.path == "/token" { page(TOKEN) } else { page("hello") }).await;
    let mut settings = json!({
        "client_id": "me",
        "token_url": site.url("/token"),
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "client_certificate_key": key.serialize_pem(),
        "client_certificate_key_id": "key-1",
        "scopes": ["one", "two"],
        "claims": {"sub": "you", "own": [1]},
        "endpoint_params": {"x": "y"},
    });
    let algorithms: [(_, &dyn rustls_pki_types::SignatureVerificationAlgorithm); 3] = [
        ("RS256", webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256),
        ("RS384", webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA384),
        ("RS512", webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA512),
    ];
    for (name, algorithm) in algorithms {
        settings["signature_algorithm"] = json!(name);
        assert_eq!(gist(&ask_site(&site, settings.clone()).await), "up");
        let seen = site.seen();
        let request = &seen[seen.len() - 2];
        assert_eq!(request.header("authorization"), "");
        let form = form(request);
        let assertion = form
            .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
            .expect("the grant and the assertion");
        let (message, signature) = assertion.rsplit_once('.').expect("a signature");
        algorithm.verify_signature(key.public_key_raw(), message.as_bytes(), &uncoded(signature)).expect("its own");
        let (header, claims) = message.split_once('.').expect("two parts");
        let read = |part: &str| serde_json::from_slice::<Value>(&uncoded(part)).expect("JSON");
        assert_eq!(read(header), json!({"alg": name, "typ": "JWT", "kid": "key-1"}));
        let mut claims = read(claims);
        let mut take = |name: &str| claims.as_object_mut().and_then(|claims| claims.remove(name)).expect("a claim");
        let (issued, expires) = (take("iat").as_u64(), take("exp").as_u64());
        assert_eq!(expires, issued.map(|issued| issued + 600));
        assert_eq!(take("jti").as_str().map(str::len), Some(36));
        let due = json!({"iss": "me", "sub": "you", "aud": site.url("/token"), "scope": "one two", "own": [1]});
        assert_eq!(claims, due);
    }
    settings["client_certificate_key"] = json!("hun:ter2");
    assert_eq!(gist(&ask_site(&site, settings).await), "config_unusable in token");
}

/// The bytes that a text in base64url means.
fn uncoded(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<u8> = text.bytes().flat_map(|byte| (0..6).rev().map(move |bit| value(byte) >> bit & 1)).collect();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}
