//! Encrypted targets.

use serde_json::{Value, json};

use super::site::{Site, page, redirect};
use super::{LONG, answer, lengths, phases, probe, read, reads};
use crate::report::Report;
use crate::target::Target;
use crate::testkit::{Authority, Peer, assert_laps_cover_the_run, gist, hear, net, say, starttls};

/// A site for these names, and settings that trust it.
async fn site(names: &[&str], alpn: &[&str]) -> (Site, Value) {
    let authority = Authority::new();
    let site = Site::open_encrypted(authority.leaf(names).server_config(alpn), |_| page("hello")).await;
    (site, json!({"tls_config": {"ca": authority.pem()}}))
}

fn by_name(site: &Site) -> String {
    format!("https://localhost:{}/", site.port())
}

/// Names of the TLS family that were read.
fn tls_family(report: &Report) -> Vec<&'static str> {
    let names = report.readings.iter().filter(|reading| !reading.measure.extra).map(|reading| reading.measure.name);
    names.filter(|name| name.starts_with("probe_ssl") || name.starts_with("probe_tls")).collect()
}

const TLS_FAMILY: [&str; 5] = [
    "probe_tls_version_info",
    "probe_tls_cipher_info",
    "probe_ssl_earliest_cert_expiry",
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "probe_ssl_last_chain_info",
];

#[tokio::test]
async fn an_encrypted_answer_shows_phases_and_certificate() {
    let (site, settings) = site(&["localhost"], &[]).await;
    let report = probe(settings, &by_name(&site)).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(lengths(&report), [Some(200.0), Some(5.0), Some(5.0)]);
    assert_eq!(reads(&report, ["http_ssl", "http_version"]), [Some(1.0), Some(1.1)]);
    let laps: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(laps, ["resolve", "connect", "tls", "processing", "transfer", "check"]);
    assert_eq!(tls_family(&report), TLS_FAMILY);
}

#[tokio::test]
async fn http_2_is_offered_unless_it_is_switched_off() {
    let (site, settings) = site(&["localhost"], &["h2", "http/1.1"]).await;
    let report = probe(settings.clone(), &by_name(&site)).await;
    assert_eq!((gist(&report), read(&report, "http_version")), ("up".to_owned(), Some(2.0)));
    assert_eq!(lengths(&report), [Some(200.0), Some(5.0), Some(5.0)]);
    let seen = &site.seen()[0];
    assert_eq!(seen.authority.as_deref(), Some(format!("localhost:{}", site.port()).as_str()));
    assert_eq!((seen.version, seen.header("connection"), seen.header("host")), (http::Version::HTTP_2, "", ""));
    let mut without = settings;
    without["enable_http2"] = json!(false);
    let report = probe(without, &by_name(&site)).await;
    assert_eq!((gist(&report), read(&report, "http_version")), ("up".to_owned(), Some(1.1)));
}

#[tokio::test]
async fn http_2_is_not_called_http_2() {
    let (site, mut settings) = site(&["localhost"], &["h2"]).await;
    settings["valid_http_versions"] = json!(["HTTP/2"]);
    let report = probe(settings.clone(), &by_name(&site)).await;
    assert_eq!((gist(&report), read(&report, "http_version")), ("version_unexpected in check".to_owned(), Some(2.0)));
    settings["valid_http_versions"] = json!(["HTTP/2.0"]);
    assert_eq!(gist(&probe(settings, &by_name(&site)).await), "up");
}

#[tokio::test]
async fn http_2_sends_and_reads_large_bodies() {
    let authority = Authority::new();
    let config = authority.leaf(&["localhost"]).server_config(&["h2"]);
    let site = Site::open_encrypted(config, |seen| page(seen.body.clone())).await;
    let body = "x".repeat(3 << 20);
    let settings = json!({
        "tls_config": {"ca": authority.pem()},
        "method": "POST",
        "body": body,
        "headers": {"Host": "vhost.example"},
        "fail_if_body_not_matches_regexp": ["^x{1000}"],
    });
    let mut settings = settings;
    settings["tls_config"]["server_name"] = json!("localhost");
    let report = probe(settings, &by_name(&site)).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(read(&report, "http_uncompressed_body_length"), Some(body.len() as f64));
    assert_eq!(site.seen()[0].authority.as_deref(), Some("vhost.example"));
}

#[tokio::test]
async fn a_certificate_must_be_good() {
    let (trusted, settings) = site(&["localhost"], &[]).await;
    let strangers = site(&["localhost"], &[]).await.1;
    let report = probe(strangers, &by_name(&trusted)).await;
    assert_eq!(gist(&report), "tls_cert_untrusted in tls");
    assert_eq!(lengths(&report), [Some(0.0); 3]);
    assert_eq!((read(&report, "http_ssl"), tls_family(&report)), (Some(0.0), vec![]));
    assert_eq!(phases(&report), ["connect", "processing", "resolve", "tls", "transfer"]);
    let by_address = format!("https://127.0.0.1:{}/", trusted.port());
    assert_eq!(gist(&probe(settings, &by_address).await), "tls_cert_name in tls");
    let authority = Authority::new();
    let expired = authority.expired_leaf(&["localhost"]).server_config(&[]);
    let expired = Site::open_encrypted(expired, |_| page("")).await;
    let report = probe(json!({"tls_config": {"ca": authority.pem()}}), &by_name(&expired)).await;
    assert_eq!(gist(&report), "tls_cert_expired in tls");
}

#[tokio::test]
async fn a_bad_certificate_can_be_accepted() {
    let (site, _) = site(&["other.example"], &[]).await;
    let report = probe(json!({"tls_config": {"insecure_skip_verify": true}}), &by_name(&site)).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(read(&report, "ssl_last_chain_expiry_timestamp_seconds"), Some(-62_135_596_800.0));
    assert!(read(&report, "ssl_earliest_cert_expiry") > Some(0.0));
}

#[tokio::test]
async fn the_name_to_verify_can_be_given() {
    let (site, settings) = site(&["*.example.com"], &[]).await;
    let with = |key: &str, value: Value| {
        let mut settings = settings.clone();
        settings[key] = value;
        settings
    };
    assert_eq!(gist(&probe(settings.clone(), &by_name(&site)).await), "tls_cert_name in tls");
    let mut named = settings.clone();
    named["tls_config"]["server_name"] = json!("foo.example.com");
    assert_eq!(gist(&probe(named, &by_name(&site)).await), "up");
    assert_eq!(site.seen()[0].header("host"), format!("localhost:{}", site.port()));
    // blackbox_exporter would verify the port too.
    let hosted = with("headers", json!({"Host": "foo.example.com:8443"}));
    assert_eq!(gist(&probe(hosted, &by_name(&site)).await), "up");
    assert_eq!(site.seen()[1].header("host"), "foo.example.com:8443");
    let by_ip4 = with("preferred_ip_protocol", json!("ip4"));
    let module = crate::kind("http").expect("the kind").module(by_ip4).expect("settings");
    let target = Target::new(by_name(&site)).with_hostname("bar.example.com");
    let report = module.bind(&target).expect("a probe").run(&net(), LONG).await;
    assert_eq!(gist(&report), "up");
    assert_laps_cover_the_run(&report);
    assert_eq!(site.seen()[2].header("host"), "bar.example.com");
}

#[tokio::test]
async fn an_encrypted_answer_can_be_a_failure() {
    let (site, mut settings) = site(&["localhost"], &[]).await;
    settings["fail_if_ssl"] = json!(true);
    let report = probe(settings, &by_name(&site)).await;
    assert_eq!((gist(&report), read(&report, "http_ssl")), ("tls_unexpected in check".to_owned(), Some(1.0)));
    assert_eq!(tls_family(&report), TLS_FAMILY);
}

#[tokio::test]
async fn a_redirect_to_an_encrypted_place_verifies_its_name() {
    let authority = Authority::new();
    let config = authority.leaf(&["localhost"]).server_config(&[]);
    let encrypted = Site::open_encrypted(config, |_| page("arrived")).await;
    let place = by_name(&encrypted);
    let entrance = Site::open(move |_| redirect(301, &place)).await;
    // The name is the first host's: elsewhere it does not count.
    let settings = json!({"tls_config": {"ca": authority.pem(), "server_name": "first.example"}});
    let report = probe(settings, &entrance.url("/")).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(reads(&report, ["http_ssl", "http_redirects"]), [Some(1.0), Some(1.0)]);
    assert_eq!(tls_family(&report), TLS_FAMILY);
    assert_eq!(encrypted.seen()[0].header("host"), format!("localhost:{}", encrypted.port()));
    let laps: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    let due = ["resolve", "connect", "processing", "resolve", "connect", "tls", "processing", "transfer", "check"];
    assert_eq!(laps, due);
}

#[tokio::test]
async fn tls_settings_that_cannot_be_used_fail_plain_targets_too() {
    let peer = super::answering(answer("200 OK", "", "")).await;
    for (tls, due) in [
        (json!({"min_version": "TLS13", "max_version": "TLS12"}), "config_unusable in check"),
        (json!({"ca_file": "/nonexistent/ca.pem"}), "config_unusable in check"),
        (json!({"insecure_skip_verify": true, "server_name": "x"}), "up"),
    ] {
        let report = super::probe_peer(json!({"tls_config": tls}), &peer).await;
        assert_eq!(gist(&report), due, "{tls}");
        if due != "up" {
            assert_eq!(phases(&report), ["resolve"]);
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_of_encryption_is_still_whole() {
    let authority = Authority::new();
    let server = authority.leaf(&["localhost"]).server();
    let script = vec![starttls(server), hear("\r\n\r\n"), say(answer("200 OK", "", "hello"))];
    let peer = Peer::play(script).await;
    let settings = json!({"tls_config": {"ca": authority.pem()}});
    let report = probe(settings, &format!("https://localhost:{}/", peer.address().port())).await;
    assert_eq!(gist(&report), "up");
}
