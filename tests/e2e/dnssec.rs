//! DNSSEC, proved by the agent itself from what an authoritative BIND serves.

use std::net::SocketAddr;

use crate::daemon::bind::{Bind, Signing};
use crate::daemon::folder;
use crate::daemon::tuermer::{Metrics, Tuermer, command, output};

const ZONE: &str = "$TTL 300
@ SOA ns hostmaster 2026112301 3600 600 86400 60
@ NS ns
@ MX 10 mail
ns A 127.0.0.1
mail A 192.0.2.25
_25._tcp.mail TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
bare MX 10 untold
untold A 192.0.2.26
";

const MODULE: &str = "modules: { dane: { prober: mail_policy, timeout: 20s, mail_policy: { require: [dane] } } }";

fn signed(signing: &Signing) -> Option<Bind> {
    Bind::start_signed("town.example", ZONE, signing)
}

/// What kind `mail_policy` finds of a domain's DANE, with this BIND as the only name server.
async fn dane(server: SocketAddr, anchor: &str, domain: &str) -> Metrics {
    let files = folder();
    let path = files.path().join("anchors");
    std::fs::write(&path, anchor).expect("written");
    let config =
        format!("{MODULE}\nprobe_metrics: all\nresolver: ['{server}']\ndnssec_trust_anchors: {}\n", path.display());
    Tuermer::start(&config).probe("dane", domain).await
}

fn reason(metrics: &Metrics) -> &str {
    metrics.find("probe_failure_info", &[]).expect("a failure").0
}

#[tokio::test]
async fn dane_is_proved_with_the_zones_own_key() {
    for is_hashed in [false, true] {
        let Some(bind) = signed(&Signing { is_hashed, ..Signing::default() }) else { return };
        let found = dane(bind.address, &bind.anchor, "town.example").await;
        assert_eq!(found.value("probe_success"), Some(1.0), "{found:?}");
        assert_eq!(found.value("probe_mail_mx_secure"), Some(1.0), "{found:?}");
        let secure = found.find("probe_dane_dnssec_secure", &[r#"mx="mail.town.example""#]);
        assert_eq!(secure.expect("a reading").1, 1.0);

        // That there is no record is proved as well (NSEC, or NSEC3).
        let found = dane(bind.address, &bind.anchor, "bare.town.example").await;
        assert!(reason(&found).contains(r#"reason="dane_invalid""#), "{found:?}");
        assert_eq!(found.value("probe_mail_mx_secure"), Some(1.0), "{found:?}");
    }
}

#[tokio::test]
async fn signatures_that_are_over_are_not_to_be_believed() {
    let Some(bind) = signed(&Signing { is_expired: true, ..Signing::default() }) else { return };
    let found = dane(bind.address, &bind.anchor, "town.example").await;
    assert_eq!(found.value("probe_success"), Some(0.0), "{found:?}");
    assert!(reason(&found).contains(r#"reason="dns_bogus""#), "{found:?}");
}

#[tokio::test]
async fn another_key_than_the_trusted_one_is_not_to_be_believed() {
    let Some(bind) = signed(&Signing::default()) else { return };
    let Some(other) = signed(&Signing::default()) else { return };
    let found = dane(bind.address, &other.anchor, "town.example").await;
    assert!(reason(&found).contains(r#"reason="dns_bogus""#), "{found:?}");
}

#[tokio::test]
async fn without_an_anchor_nothing_is_known() {
    // This server cannot be asked for the keys of the root.
    let Some(bind) = signed(&Signing::default()) else { return };
    let tuermer = Tuermer::start(&format!("{MODULE}\nresolver: ['{}']\n", bind.address));
    let (status, text) = tuermer.get("/probe?module=dane&target=town.example").await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("policy_unknown") && text.contains("to the question for . DNSKEY"), "{text}");
}

#[tokio::test]
async fn a_zone_without_signatures_is_not_to_be_believed_where_a_key_is_trusted() {
    let Some(other) = signed(&Signing::default()) else { return };
    let Some(bind) = Bind::start("town.example", ZONE) else { return };
    let found = dane(bind.address, &other.anchor, "town.example").await;
    assert!(reason(&found).contains(r#"reason="dns_bogus""#), "{found:?}");
}

#[tokio::test]
async fn trust_anchors_are_read_again_when_the_file_changes() {
    let Some(bind) = signed(&Signing::default()) else { return };
    let Some(other) = signed(&Signing::default()) else { return };
    let files = folder();
    let path = files.path().join("anchors");
    std::fs::write(&path, &other.anchor).expect("written");
    let at = path.display();
    let config = format!("{MODULE}\nprobe_metrics: all\nresolver: ['{}']\ndnssec_trust_anchors: {at}\n", bind.address);
    let tuermer = Tuermer::start(&config);
    let found = tuermer.probe("dane", "town.example").await;
    assert!(reason(&found).contains(r#"reason="dns_bogus""#), "{found:?}");
    std::fs::write(&path, format!("; the new one\n{}\n", bind.anchor)).expect("written");
    assert_eq!(tuermer.post("/-/reload").await.0, 200);
    let found = tuermer.probe("dane", "town.example").await;
    assert_eq!(found.value("probe_success"), Some(1.0), "{found:?}");

    // A file that cannot be used changes nothing, and is told with the place.
    std::fs::write(&path, "; keys\ntown.example. DS 1 13 2 xyz\n").expect("written");
    let (status, text) = tuermer.post("/-/reload").await;
    assert_eq!(status, 500, "{text}");
    let expected = format!("error: `xyz` is not a digest in hexadecimal digits\n  --> {at}:2:25\n");
    assert!(text.contains(&expected), "{text}");
    let checked = output(command().arg("check").arg(tuermer.config_file()));
    assert!(!checked.status.success());
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(said.starts_with(&expected), "{said}");
    let found = tuermer.probe("dane", "town.example").await;
    assert_eq!(found.value("probe_success"), Some(1.0), "{found:?}");
}
