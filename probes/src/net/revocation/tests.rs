//! Lists are fetched beside the runs, from where they may come, and looked into by the runs.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::SubjectPublicKeyInfoDer;
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::net::{Net, Resolver};
use crate::report::Report;
use crate::testkit::{
    Act, Authority, DiskFiles, Leaf, ListOf, Peer, ask_in, assert_laps_cover_the_run, close, flood, gist, hear,
    in_days, say, starttls, wait_for_ever,
};

/// Where the lists of unit tests are said to come from.
pub(super) const URL: &str = "http://ca.example/1.crl";

const PATIENCE: Duration = Duration::from_secs(10);

/// What an authority signs with.
pub(super) fn signer(authority: &Authority) -> Signer {
    let der = authority.der();
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let name = webpki::anchor_from_trusted_cert(&der).unwrap().subject.as_ref().into();
    Signer { name, key: SubjectPublicKeyInfoDer::from(certificate.public_key().raw.to_vec()) }
}

fn world(from_anywhere: bool) -> Net {
    let net = Net::new(Resolver::system().unwrap(), Arc::new(DiskFiles));
    net.with_revocation_lists(RevocationLists::default(), from_anywhere)
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}Connection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server that publishes bytes.
async fn publisher(answer: Vec<u8>) -> Peer {
    Peer::play(vec![hear("\r\n\r\n"), say(answer), close()]).await
}

/// Runs before and after the lists were fetched.
async fn ask_twice(net: &Net, leaf: &Leaf, settings: Value) -> [Report; 2] {
    let peer = Peer::play(vec![starttls(leaf.server()), wait_for_ever()]).await;
    let target = peer.address().to_string();
    let ask = async || {
        let report = ask_in(net, "tcp", settings.clone(), &target, PATIENCE).await;
        assert_laps_cover_the_run(&report);
        report
    };
    let before = ask().await;
    tokio::time::timeout(PATIENCE, net.revocation_lists().fetch_due(net)).await.expect("in time");
    [before, ask().await]
}

fn trusting(authority: &Authority, wish: &str) -> Value {
    json!({ "tls": true, "tls_config": { "ca": authority.pem(), wish: true } })
}

/// Position, address and value of each series of a measure.
fn series(report: &Report, name: &str) -> Vec<(String, String, f64)> {
    let of_measure = report.readings.iter().filter(|reading| reading.measure.name == name);
    let label = |reading: &crate::Reading, at: usize| reading.labels[at].value.to_string();
    of_measure.map(|reading| (label(reading, 5), label(reading, 6), reading.value)).collect()
}

fn row(position: &str, url: &str, value: f64) -> (String, String, f64) {
    (position.to_owned(), url.to_owned(), value)
}

#[tokio::test]
async fn a_revoked_certificate_is_shown_once_the_list_is_there() {
    let authority = Authority::new();
    let until = in_days(7.0);
    let list = ListOf { revoked: vec![vec![0x0b, 0xff]], until, ..ListOf::default() };
    let server = publisher(http("200 OK", "", &authority.revocation_list(&list))).await;
    let url = format!("http://{}/1.crl", server.address());
    let leaf = authority.listed_leaf(&["127.0.0.1"], &[0x0b, 0xff], &url);
    let net = world(true);
    let [before, after] = ask_twice(&net, &leaf, trusting(&authority, "check_revoked")).await;
    assert_eq!(gist(&before), "up");
    assert_eq!(
        series(&before, "probe_ssl_crl_revoked"),
        [row("1", "", 0.0)],
        "only of the trusted one is anything known"
    );
    // As in blackbox_exporter, the metrics tell and the probe is no failure.
    assert_eq!(gist(&after), "up");
    assert_eq!(series(&after, "probe_ssl_crl_revoked"), [row("0", &url, 1.0), row("1", "", 0.0)]);
    assert_eq!(series(&after, "probe_ssl_crl_available"), [row("0", &url, 1.0), row("1", "", 0.0)]);
    assert_eq!(series(&after, "probe_ssl_crl_stale"), [row("0", &url, 0.0), row("1", "", 0.0)]);
    let until = until.duration_since(UNIX_EPOCH).unwrap().as_secs() as f64;
    assert_eq!(series(&after, "probe_ssl_crl_next_update_timestamp_seconds"), [row("0", &url, until)]);
    assert!(after.reading_named("probe_ssl_crl_fetch_time_seconds").is_some_and(|seconds| seconds > 0.0));

    // The list is had: nobody asks again.
    let [again, _] = ask_twice(&net, &leaf, trusting(&authority, "fail_if_revoked")).await;
    assert_eq!(gist(&again), "tls_cert_revoked in tls");
    let heard = String::from_utf8(server.heard()).unwrap();
    assert_eq!(heard.matches("GET /1.crl HTTP/1.1").count(), 1, "{heard}");
}

#[tokio::test]
async fn a_good_certificate_stays_good() {
    let authority = Authority::new();
    let between = authority.intermediate("between", in_days(-1.0), in_days(50.0));
    let list = between.revocation_list(&ListOf { revoked: vec![vec![8]], ..ListOf::default() });
    let server = publisher(http("200 OK", "", &list)).await;
    let url = format!("http://{}/", server.address());
    let leaf = between.listed_leaf(&["127.0.0.1"], &[9], &url).with_chain([between.der()]);
    let [_, after] = ask_twice(&world(true), &leaf, trusting(&authority, "fail_if_revoked")).await;
    assert_eq!(gist(&after), "up");
    assert_eq!(series(&after, "probe_ssl_crl_revoked"), [row("0", &url, 0.0), row("1", "", 0.0), row("2", "", 0.0)]);
}

#[tokio::test]
async fn a_stale_list_is_told_and_still_counts() {
    let authority = Authority::new();
    let list = ListOf { revoked: vec![vec![9]], from: in_days(-9.0), until: in_days(-2.0), address: None };
    let server = publisher(http("200 OK", "", &authority.revocation_list(&list))).await;
    let url = format!("http://{}/", server.address());
    let leaf = authority.listed_leaf(&["127.0.0.1"], &[9], &url);
    let [_, after] = ask_twice(&world(true), &leaf, trusting(&authority, "check_revoked")).await;
    assert_eq!(series(&after, "probe_ssl_crl_stale")[0], row("0", &url, 1.0));
    assert_eq!(series(&after, "probe_ssl_crl_revoked")[0], row("0", &url, 1.0));
}

#[tokio::test]
async fn a_list_that_cannot_be_had_is_told_apart_and_delays_no_run() {
    let authority = Authority::new();
    let good = authority.revocation_list(&ListOf::default());
    let strange = Authority::new().revocation_list(&ListOf::default());
    let truncated = [b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n".as_slice(), &good].concat();
    let mut bomb = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    bomb.resize(11 << 20, b'x');
    let scripts: Vec<(Vec<Act>, &str)> = vec![
        (vec![hear("\r\n\r\n"), say(http("404 Not Found", "", b"")), close()], "the server answers 404"),
        (vec![hear("\r\n\r\n"), say(http("200 OK", "", b"<html>")), close()], "no usable list"),
        (
            vec![hear("\r\n\r\n"), say(http("200 OK", "", &strange)), close()],
            "not signed by the certificate's authority",
        ),
        (vec![hear("\r\n\r\n"), say(truncated), close()], "HTTP: "),
        (vec![hear("\r\n\r\n"), say(bomb), close()], "longer than 10 MiB"),
        (vec![hear("\r\n\r\n"), flood(b'x')], "HTTP: "),
        (vec![close()], "HTTP: "),
    ];
    for (script, due) in scripts {
        let server = Peer::play(script).await;
        let url = format!("http://{}/", server.address());
        let leaf = authority.listed_leaf(&["127.0.0.1"], &[9], &url);
        let [before, after] = ask_twice(&world(true), &leaf, trusting(&authority, "fail_if_crl_unavailable")).await;
        assert_eq!(gist(&before), "up", "nothing is known yet");
        assert_eq!(gist(&after), "tls_crl_unavailable in tls", "{due}");
        let message = after.failure().unwrap().message();
        assert!(message.contains(due), "{message}");
        assert_eq!(series(&after, "probe_ssl_crl_available")[0], row("0", &url, 0.0));
    }
}

#[tokio::test]
async fn redirects_are_followed_twice() {
    let authority = Authority::new();
    let server = publisher(http("200 OK", "", &authority.revocation_list(&ListOf::default()))).await;
    let location = format!("Location: http://{}/moved.crl\r\n", server.address());
    let first = publisher(http("302 Found", &location, b"")).await;
    let url = format!("http://{}/", first.address());
    let leaf = authority.listed_leaf(&["127.0.0.1"], &[9], &url);
    let [_, after] = ask_twice(&world(true), &leaf, trusting(&authority, "check_revoked")).await;
    assert_eq!(series(&after, "probe_ssl_crl_available")[0], row("0", &url, 1.0));
    let looping = publisher(http("302 Found", "Location: /again\r\n", b"")).await;
    let leaf = authority.listed_leaf(&["127.0.0.1"], &[9], &format!("http://{}/", looping.address()));
    let [_, after] = ask_twice(&world(true), &leaf, trusting(&authority, "fail_if_crl_unavailable")).await;
    assert!(after.failure().unwrap().message().contains("more than 2 redirects"));
}

#[tokio::test]
async fn nothing_is_fetched_from_private_addresses_or_for_chains_that_are_not_verified() {
    let authority = Authority::new();
    let server = publisher(http("200 OK", "", &authority.revocation_list(&ListOf::default()))).await;
    let url = format!("http://{}/", server.address());
    let leaf = authority.listed_leaf(&["127.0.0.1"], &[9], &url);
    let [_, after] = ask_twice(&world(false), &leaf, trusting(&authority, "fail_if_crl_unavailable")).await;
    let message = after.failure().unwrap().message();
    assert!(message.ends_with("could not be had: 127.0.0.1 is no public address"), "{message}");
    let skipping =
        json!({ "tls": true, "tls_config": { "insecure_skip_verify": true, "fail_if_crl_unavailable": true } });
    let net = world(true);
    let [_, after] = ask_twice(&net, &leaf, skipping).await;
    assert_eq!(gist(&after), "up");
    assert_eq!(series(&after, "probe_ssl_crl_available"), []);
    let untrusting = trusting(&Authority::new(), "fail_if_crl_unavailable");
    let [_, after] = ask_twice(&net, &leaf, untrusting).await;
    assert_eq!(gist(&after), "tls_cert_untrusted in tls");
    assert_eq!(server.heard(), b"", "nobody was asked");
}

#[tokio::test]
async fn the_keeper_fetches_what_a_run_wants() {
    let authority = Authority::new();
    let server = publisher(http("200 OK", "", &authority.revocation_list(&ListOf::default()))).await;
    let url: Arc<str> = format!("http://{}/", server.address()).into();
    let lists = RevocationLists::default();
    let net = Net::new(Resolver::system().unwrap(), Arc::new(DiskFiles));
    let net = Arc::new(net.with_revocation_lists(lists.clone(), true));
    let signer = Arc::new(signer(&authority));
    let keeper = lists.keep(|| Arc::clone(&net));
    let had = async {
        while !matches!(lists.look(&url, &signer), Standing::Had(_)) {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = async {
        tokio::select! { () = keeper => {} () = had => {} }
    };
    tokio::time::timeout(PATIENCE, done).await.expect("fetched");
    assert!(!lists.are_wanted());
}

#[test]
fn what_is_kept_is_bounded() {
    let lists = RevocationLists::default();
    let signer = Arc::new(signer(&Authority::new()));
    for number in 0..LISTS_MAX + 50 {
        lists.look(&format!("http://ca.example/{number}").into(), &signer);
    }
    assert_eq!(lists.entries().len(), LISTS_MAX);
}
