//! How handshakes end that do not succeed, apart from distrust.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};

use super::*;
use crate::net::{FileContent, Files, Resolver};
use crate::testkit::{Authority, close, flood, gist, hear, reset, trickle};

#[tokio::test]
async fn a_missing_client_certificate_is_named() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let leaf = authority.leaf(&["localhost"]);
    let without = json!({ "ca": authority.pem() });
    let tls12 = shake(leaf.server_for_clients_of(&clients, &TLS12), without.clone(), "localhost").await;
    assert_eq!(gist(&tls12), "tls_alert in tls");
    assert!(
        message(&tls12).ends_with(", after it asked for a client certificate; tls_config has none that fits"),
        "{}",
        message(&tls12)
    );
    // With TLS 1.3 the client is done before the server has looked: the alert answers the first read.
    let tls13 = shake(leaf.server_for_clients_of(&clients, &TLS13), without, "localhost").await;
    assert_eq!(gist(&tls13), "tls_alert in tls");
    for version in [&TLS12, &TLS13] {
        let client = clients.leaf_with(&["client"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        });
        let with = json!({ "ca": authority.pem(), "cert": client.pem, "key": client.key_pem });
        let server = leaf.server_for_clients_of(&clients, version);
        assert_eq!(gist(&shake(server, with, "localhost").await), "up");
        let stranger = Authority::new().leaf(&["client"]);
        let with = json!({ "ca": authority.pem(), "cert": stranger.pem, "key": stranger.key_pem });
        let server = leaf.server_for_clients_of(&clients, version);
        assert_eq!(gist(&shake(server, with, "localhost").await), "tls_alert in tls");
    }
}

#[tokio::test]
async fn versions_that_do_not_meet_break_the_handshake() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let settings = json!({ "ca": authority.pem(), "min_version": "TLS13" });
    let report = shake(leaf.server_of_version(&TLS12), settings, "localhost").await;
    assert_eq!(gist(&report), "tls_alert in tls");
    assert_eq!(
        message(&report),
        "the peer ended the handshake with alert ProtocolVersion: it speaks none of the offered TLS versions"
    );
    let settings = json!({ "ca": authority.pem(), "max_version": "TLS12" });
    assert_eq!(gist(&shake(leaf.server_of_version(&TLS12), settings.clone(), "localhost").await), "up");
    assert_eq!(gist(&shake(leaf.server_of_version(&TLS13), settings, "localhost").await), "tls_alert in tls");
    // A server of TLS 1.0 answers in TLS 1.0 (RFC 5246 appendix E.1).
    let hello = [[0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1].as_slice(), &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let report = misfortune(vec![say(hello), wait_for_ever()]).await;
    assert_eq!(gist(&report), "tls_handshake in tls");
    assert_eq!(message(&report), "the peer speaks neither TLS 1.2 nor TLS 1.3");
}

#[tokio::test]
async fn settings_that_cannot_be_used_fail_before_anything_is_said() {
    for tls_config in [
        json!({ "min_version": "TLS13", "max_version": "TLS12", "insecure_skip_verify": true }),
        json!({ "max_version": "TLS11", "insecure_skip_verify": true }),
        json!({ "ca": "no certificate" }),
        json!({ "ca_file": "/nonexistent/ca.pem" }),
        json!({ "ca_ref": "name" }),
        json!({ "cert": "none", "key": "none", "insecure_skip_verify": true }),
    ] {
        let peer = Peer::play(vec![hear("never")]).await;
        let probe = module(tls_config.clone()).bind(&Target::new(peer.address().to_string())).unwrap();
        let report = probe.run(&net(), PATIENCE).await;
        assert_eq!(gist(&report), "config_unusable in tls", "{tls_config}");
        assert_eq!(peer.heard(), b"");
    }
}

async fn misfortune(script: Vec<Act>) -> Report {
    shake_in(&net(), script, json!({ "insecure_skip_verify": true }), "localhost", SHORT).await
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_breaks_the_handshake() {
    for text in ["HTTP/1.1 400 Bad Request\r\n\r\n", "220 mx.example ESMTP\r\n", "\0\0\0\0\0\0\0\0", "SSH-2.0-x\r\n"] {
        let report = misfortune(vec![say(text), wait_for_ever()]).await;
        assert_eq!(gist(&report), "tls_handshake in tls", "{text:?}");
        assert!(message(&report).starts_with("what the peer says is not TLS ("), "{}", message(&report));
    }
    assert_eq!(gist(&misfortune(vec![flood(b'x')]).await), "tls_handshake in tls");
    assert_eq!(gist(&misfortune(vec![flood(0x16)]).await), "tls_handshake in tls");
}

#[tokio::test]
async fn a_silent_or_slow_peer_times_out_in_tls() {
    let hello = [[0x16, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3].as_slice(), &[7; 32], &[0]].concat();
    for script in [
        vec![wait_for_ever()],
        vec![say(hello.as_slice()), wait_for_ever()],
        vec![trickle(hello, Duration::from_millis(100))],
    ] {
        let report = misfortune(script).await;
        assert_eq!(gist(&report), "timeout in tls");
        assert!(report.duration < Duration::from_secs(3), "{:?}", report.duration);
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_is_told_from_one_that_resets() {
    let closed = misfortune(vec![hear("\u{3}"), close()]).await;
    assert_eq!(gist(&closed), "closed_early in tls");
    assert_eq!(message(&closed), "the peer closed the connection during the TLS handshake");
    assert_eq!(gist(&misfortune(vec![hear("\u{3}"), reset()]).await), "connection_reset in tls");
}

#[tokio::test]
async fn a_server_name_is_sent_for_names_only() {
    for (name, sent) in [("tuermer.example", true), ("127.0.0.1", false), ("::1", false), ("no name:443", false)] {
        let peer = Peer::play(vec![hear("never")]).await;
        let target = Target::new(peer.address().to_string()).with_hostname(name);
        module(json!({ "insecure_skip_verify": true })).bind(&target).unwrap().run(&net(), SHORT).await;
        let heard = peer.heard();
        assert!(!heard.is_empty());
        assert_eq!(heard.windows(name.len()).any(|window| window == name.as_bytes()), sent, "{name}");
    }
}

#[tokio::test]
async fn a_long_chain_is_counted_and_a_huge_one_refused() {
    let authority = Authority::new();
    let settings = json!({ "ca": authority.pem() });
    let noise = Authority::new().der();
    let long = authority.leaf(&["localhost"]).with_chain(vec![noise.clone(); 100]);
    let report = shake(long.server(), settings.clone(), "localhost").await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(report.reading_named("probe_tls_chain_certificates"), Some(101.0));
    let huge = authority.leaf(&["localhost"]).with_chain(vec![noise; 200]);
    let report = shake(huge.server(), settings, "localhost").await;
    assert_eq!(gist(&report), "tls_handshake in tls");
    assert_eq!(message(&report), "the peer's certificates take more than 64 KiB");
}

/// Files of one test.
#[derive(Default)]
struct Shelf(Mutex<HashMap<String, (Vec<u8>, u64)>>);

impl Shelf {
    fn put(&self, path: &str, content: &str) {
        let mut files = self.0.lock().unwrap();
        let version = files.get(path).map_or(0, |(_, version)| version + 1);
        files.insert(path.to_owned(), (content.as_bytes().to_vec(), version));
    }
}

impl Files for Shelf {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let files = self.0.lock().unwrap();
        let (bytes, version) = files.get(path.to_str().unwrap()).ok_or(io::ErrorKind::NotFound)?;
        Ok(FileContent { bytes: bytes.as_slice().into(), version: *version })
    }
}

#[tokio::test]
async fn a_changed_file_is_read_anew() {
    let (old, new, clients) = (Authority::new(), Authority::new(), Authority::new());
    let leaf = new.leaf(&["localhost"]);
    let client = clients.leaf_with(&["client"], |params| params.extended_key_usages.clear());
    let shelf = Arc::new(Shelf::default());
    shelf.put("ca.pem", &old.pem());
    shelf.put("cert.pem", &client.pem);
    shelf.put("key.pem", &Authority::new().leaf(&[]).key_pem);
    let net = Net::new(Resolver::of_servers(&[]).unwrap(), Arc::<Shelf>::clone(&shelf));
    let peer = Peer::play(greeting(leaf.server_for_clients_of(&clients, &TLS12))).await;
    let target = Target::new(peer.address().to_string()).with_hostname("localhost");
    let settings = json!({ "ca_file": "ca.pem", "cert_file": "cert.pem", "key": "${file:key.pem}" });
    let probe = module(settings).bind(&target).unwrap();
    assert_eq!(gist(&probe.run(&net, PATIENCE).await), "config_unusable in tls");
    shelf.put("key.pem", &client.key_pem);
    assert_eq!(gist(&probe.run(&net, PATIENCE).await), "tls_cert_untrusted in tls");
    shelf.put("ca.pem", &new.pem());
    assert_eq!(gist(&probe.run(&net, PATIENCE).await), "up");
}
