//! What three methods say of one channel: trusted authorities, TLSA records, the MTA-STS policy.

use hickory_proto::op::ResponseCode;
use sha2::{Digest, Sha256, Sha512};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::recorder::READINGS_MAX;
use crate::report::Verdict;
use crate::smtp::servers::SERVERS_MAX;
use crate::testkit::{Data, Leaf, ask_in, gist, in_days, net_with_resolver, zone};

const STEP: &str = "mx.example.org 127.0.0.1";
const POLICY_STEP: &str = "mta-sts.example.org";

pub(super) type Records = Vec<(&'static str, Data)>;

/// What stands in a TLSA record of this certificate.
fn association(der: &[u8], selector: u8, matching: u8) -> Vec<u8> {
    let (_, certificate) = X509Certificate::from_der(der).expect("a certificate");
    let selected = if selector == 0 { der } else { certificate.public_key().raw };
    match matching {
        0 => selected.to_vec(),
        1 => Sha256::digest(selected).to_vec(),
        _ => Sha512::digest(selected).to_vec(),
    }
}

pub(super) fn tlsa(usage: u8, selector: u8, matching: u8, der: &[u8]) -> Data {
    Data::Tlsa(usage, selector, matching, association(der, selector, matching))
}

/// A mail host of `example.org`, and what its zone says.
pub(super) struct Town {
    pub(super) peer: Peer,
    policy_host: Option<Peer>,
    pub(super) authority: Authority,
    pub(super) records: Records,
}

impl Town {
    async fn with_server(authority: Authority, leaf: Option<&Leaf>) -> Self {
        let mut stages = leaf.map_or_else(plain, |leaf| encrypted(leaf.server()));
        let rcpt = stage(&stages, "rcpt");
        stages[rcpt].1 = vec![hear("RCPT TO:<postmaster@example.org>\r\n")];
        let peer = Peer::play(script(&stages)).await;
        let records =
            vec![("example.org.", Data::Mx(10, "mx.example.org.")), ("mx.example.org.", Data::A([127, 0, 0, 1]))];
        Self { peer, policy_host: None, authority, records }
    }

    /// A mail host that shows this certificate.
    pub(super) async fn new(authority: Authority, leaf: &Leaf) -> Self {
        Self::with_server(authority, Some(leaf)).await
    }

    /// A mail host whose certificate is as it should be.
    pub(super) async fn in_order() -> Self {
        let authority = Authority::new();
        let leaf = authority.leaf(&["mx.example.org"]);
        Self::new(authority, &leaf).await
    }

    /// A mail host that does not encrypt.
    async fn in_the_open() -> Self {
        Self::with_server(Authority::new(), None).await
    }

    pub(super) fn tlsa_name(&self) -> &'static str {
        format!("_{}._tcp.mx.example.org.", self.peer.address().port()).leak()
    }

    /// The same town, whose zone has these TLSA records and is signed.
    pub(super) fn with_tlsa(mut self, records: impl IntoIterator<Item = Data>) -> Self {
        let name = self.tlsa_name();
        self.records.retain(|(owner, _)| *owner != name && *owner != ".");
        self.records.extend(records.into_iter().map(|data| (name, data)));
        self.records.push((".", Data::Authentic));
        self
    }

    /// The same town with this answer of its policy host.
    async fn with_policy(mut self, acts: Vec<Act>) -> Self {
        let leaf = self.authority.leaf(&["mta-sts.example.org"]);
        let peer = Peer::play([vec![starttls(leaf.server())], acts].concat()).await;
        self.records.push(("_mta-sts.example.org.", Data::Txt("v=STSv1; id=1;")));
        self.records.push(("mta-sts.example.org.", Data::A([127, 0, 0, 1])));
        self.policy_host = Some(peer);
        self
    }

    async fn with_rules(self, mode: &str, mx: &str) -> Self {
        let body = format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        self.with_policy(vec![hear("\r\n\r\n"), say(head + &body), close()]).await
    }

    /// Asks whether mail is taken.
    async fn asked_within(&self, mut tls_policy: Value, timeout: Duration) -> Report {
        if let Some(host) = &self.policy_host {
            tls_policy["mta_sts_port"] = json!(host.address().port());
            tls_policy["mta_sts_tls_config"] = json!({"ca": self.authority.pem()});
        }
        let settings = json!({
            "port": self.peer.address().port(),
            "tls_config": {"ca": self.authority.pem()},
            "tls_policy": tls_policy,
        });
        let zone = zone(self.records.clone()).await;
        let report = ask_in(&net_with_resolver(zone.address()), "smtp", settings, "example.org", timeout).await;
        assert_laps_cover_the_run(&report);
        report
    }

    pub(super) async fn asked(&self, tls_policy: Value) -> Report {
        self.asked_within(tls_policy, AMPLE).await
    }
}

pub(super) fn read(report: &Report, name: &str) -> Option<f64> {
    reading(report, Some(STEP), name, &[])
}

/// The verdicts by WebPKI, DANE and MTA-STS.
pub(super) fn verdicts(report: &Report) -> [Option<f64>; 3] {
    ["webpki", "dane", "mta_sts"].map(|method| reading(report, Some(STEP), "probe_tls_verified", &[method]))
}

pub(super) const YES: Option<f64> = Some(1.0);
pub(super) const NO: Option<f64> = Some(0.0);

#[tokio::test]
async fn nothing_is_asked_for_and_authorities_decide_unless_somebody_wants_more() {
    let town = Town::in_order().await.with_rules("enforce", "other.example.org").await;
    let town = town.with_tlsa([Data::Tlsa(3, 1, 1, vec![7; 32])]);
    let report = town.asked(json!({})).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(verdicts(&report), [YES, None, None]);
    assert_eq!(read(&report, "probe_dane_tlsa_records"), None);
    assert_eq!(town.policy_host.expect("a policy host").heard(), b"");
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert!(!phases.iter().any(|phase| ["tlsa", "mta_sts", "fetch"].contains(phase)), "{phases:?}");
}

#[tokio::test]
async fn every_sort_of_tlsa_record_is_held_against_the_chain() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["mx.example.org"]).with_chain([authority.der()]);
    // Another authority is trusted: DANE does not need one.
    let mut town = Town::new(Authority::new(), &leaf).await;
    for (usage, der) in [(3, leaf.der.clone()), (2, authority.der())] {
        for selector in [0, 1] {
            for matching in [0, 1, 2] {
                let case = format!("{usage} {selector} {matching}");
                town = town.with_tlsa([tlsa(usage, selector, matching, &der)]);
                let report = town.asked(json!({"dane": "require"})).await;
                assert_eq!(gist(&report), "up", "{case}: {:?}", report.failure());
                assert_eq!(verdicts(&report), [NO, YES, None], "{case}");
                assert_eq!(read(&report, "probe_dane_match"), Some(1.0), "{case}");

                let mut other = association(&der, selector, matching);
                *other.last_mut().expect("data") ^= 1;
                town = town.with_tlsa([Data::Tlsa(usage, selector, matching, other)]);
                let report = town.asked(json!({"dane": "require"})).await;
                assert_eq!(gist(&report), "tls_dane_mismatch in tls", "{case}");
                assert_eq!(verdicts(&report), [NO, NO, None], "{case}");
                assert_eq!(read(&report, "probe_dane_match"), Some(0.0), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn records_of_both_keys_are_there_before_one_takes_over() {
    let authority = Authority::new();
    let (leaf, next) = (authority.leaf(&["mx.example.org"]), authority.leaf(&["mx.example.org"]));
    let town = Town::new(authority, &leaf).await;
    let town = town.with_tlsa([tlsa(3, 1, 1, &leaf.der), tlsa(3, 1, 1, &next.der), Data::Tlsa(1, 1, 1, vec![7; 32])]);
    let report = town.asked(json!({"dane": "report"})).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(verdicts(&report), [YES, YES, None]);
    assert_eq!(read(&report, "probe_dane_tlsa_records"), Some(3.0));
    assert_eq!(read(&report, "probe_dane_tlsa_usable"), Some(2.0));
    assert_eq!(read(&report, "probe_dane_dnssec_secure"), Some(1.0));
    assert_eq!(read(&report, "probe_dane_match"), Some(1.0));
    assert_eq!(read(&report, "probe_smtp_starttls_stripped"), Some(0.0));
}

#[tokio::test]
async fn a_certificate_that_a_record_names_may_be_expired_and_of_another_name() {
    let authority = Authority::new();
    let leaf = authority.expired_leaf(&["elsewhere.example"]);
    let town = Town::new(authority, &leaf).await.with_tlsa([tlsa(3, 1, 1, &leaf.der)]);
    for (tls_policy, expected) in [
        (json!({"dane": "require"}), "up"),
        (json!({"dane": "report"}), "tls_cert_expired in tls"),
        (json!({"dane": "require", "webpki": "require"}), "tls_cert_expired in tls"),
        (json!({"dane": "report", "webpki": "report"}), "up"),
    ] {
        let report = town.asked(tls_policy.clone()).await;
        assert_eq!(gist(&report), expected, "{tls_policy}");
        assert_eq!(verdicts(&report), [NO, YES, None], "{tls_policy}");
    }
}

#[tokio::test]
async fn below_an_authority_that_a_record_names_name_and_time_must_be_right() {
    for (names, from, until, expected) in [
        ("mx.example.org", -1.0, 30.0, "up"),
        ("*.example.org", -1.0, 30.0, "up"),
        ("example.org", -1.0, 30.0, "up"),
        ("elsewhere.example", -1.0, 30.0, "tls_cert_name in tls"),
        ("mx.example.org", -30.0, -1.0, "tls_cert_expired in tls"),
    ] {
        let authority = Authority::new();
        let leaf = authority.leaf_valid(&[names], in_days(from), in_days(until)).with_chain([authority.der()]);
        let town = Town::new(Authority::new(), &leaf).await.with_tlsa([tlsa(2, 0, 1, &authority.der())]);
        let report = town.asked(json!({"dane": "require"})).await;
        assert_eq!(gist(&report), expected, "{names}");
        assert_eq!(verdicts(&report), [NO, Some(f64::from(u8::from(expected == "up"))), None], "{names}");
        assert_eq!(read(&report, "probe_dane_match"), Some(1.0), "{names}");
    }
}

#[tokio::test]
async fn an_authority_that_a_record_names_must_be_shown_and_vouch_for_the_certificate() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (chain, expected) in [(vec![], "tls_dane_mismatch in tls"), (vec![stranger.der()], "tls_cert_untrusted in tls")]
    {
        let named = if chain.is_empty() { authority.der() } else { stranger.der() };
        let leaf = authority.leaf(&["mx.example.org"]).with_chain(chain);
        let town = Town::new(Authority::new(), &leaf).await.with_tlsa([tlsa(2, 0, 1, &named)]);
        assert_eq!(gist(&town.asked(json!({"dane": "require"})).await), expected);
    }
}

#[tokio::test]
async fn a_record_that_does_not_match_only_shows_where_it_is_not_required() {
    let town = Town::in_order().await.with_tlsa([Data::Tlsa(3, 1, 1, vec![7; 32])]);
    let report = town.asked(json!({"dane": "report"})).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(verdicts(&report), [YES, NO, None]);
}

#[tokio::test]
async fn records_that_also_ask_for_an_authority_of_the_web_are_of_no_use() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["mx.example.org"]).with_chain([authority.der()]);
    let records = [tlsa(1, 1, 1, &leaf.der), tlsa(0, 0, 1, &authority.der()), Data::Tlsa(3, 1, 1, vec![7; 31])];
    let town = Town::new(authority, &leaf).await.with_tlsa(records);
    for (demand, expected) in [("report", "up"), ("require", "dane_invalid in tls")] {
        let report = town.asked(json!({"dane": demand})).await;
        assert_eq!(gist(&report), expected);
        assert_eq!(verdicts(&report), [YES, None, None]);
        assert_eq!(read(&report, "probe_dane_tlsa_usable"), Some(0.0));
        assert_eq!(read(&report, "probe_dane_match"), None);
    }
}

#[tokio::test]
async fn records_that_nobody_vouches_for_are_passed_over() {
    let mut town = Town::in_order().await.with_tlsa([Data::Tlsa(3, 1, 1, vec![7; 32])]);
    let tlsa_name = town.tlsa_name();
    for signed in [&["example.org."][..], &[tlsa_name], &[]] {
        town.records.retain(|(_, data)| !matches!(data, Data::Authentic));
        town.records.extend(signed.iter().map(|name| (*name, Data::Authentic)));
        for (demand, expected) in [("report", "up"), ("require", "policy_unknown in tlsa")] {
            let report = town.asked(json!({"dane": demand})).await;
            assert_eq!(gist(&report), expected, "{signed:?}");
            assert_eq!(verdicts(&report), [YES, None, None], "{signed:?}");
            assert_eq!(read(&report, "probe_dane_tlsa_records"), Some(1.0), "{signed:?}");
            // This name server gives no signatures, so that nothing is proved.
            assert_eq!(read(&report, "probe_dane_dnssec_secure"), None, "{signed:?}");
            assert_eq!(report.failure().map(|_| report.verdict()), report.failure().map(|_| Verdict::Unknown));
        }
    }
}

#[tokio::test]
async fn without_records_dane_says_nothing() {
    let town = Town::in_order().await.with_tlsa([]);
    for (demand, expected) in [("report", "up"), ("require", "dane_invalid in tlsa")] {
        let report = town.asked(json!({"dane": demand})).await;
        assert_eq!(gist(&report), expected);
        assert_eq!(verdicts(&report), [YES, None, None]);
        assert_eq!(read(&report, "probe_dane_tlsa_records"), Some(0.0));
        assert_eq!(read(&report, "probe_smtp_starttls_stripped"), None);
    }
}

#[tokio::test]
async fn name_servers_that_fail_or_are_silent_tell_nothing_about_records() {
    let mut town = Town::in_order().await;
    for fault in [Data::Code(ResponseCode::ServFail), Data::Silence] {
        town = town.with_tlsa([fault]);
        for (demand, expected) in [("report", "up"), ("require", "policy_unknown in tlsa")] {
            let report = town.asked_within(json!({"dane": demand}), Duration::from_secs(4)).await;
            assert_eq!(gist(&report), expected, "{:?}", report.failure());
            assert_eq!(verdicts(&report), [YES, None, None]);
            assert_eq!(read(&report, "probe_dane_tlsa_records"), None);
            let expected = if demand == "report" { Verdict::Up } else { Verdict::Unknown };
            assert_eq!(report.verdict(), expected);
        }
    }
}

#[tokio::test]
async fn a_host_that_is_named_is_judged_by_its_records_too() {
    let authority = Authority::new();
    let leaf = Leaf::self_signed(&["mx.example.org"], |_| {});
    let town = Town::new(authority, &leaf).await.with_tlsa([tlsa(3, 0, 2, &leaf.der)]);
    let zone = zone(town.records.clone()).await;
    let target = format!("mx.example.org:{}", town.peer.address().port());
    let settings = json!({"tls_policy": {"dane": "require"}, "recipients": []});
    let report = ask_in(&net_with_resolver(zone.address()), "smtp", settings, &target, AMPLE).await;
    assert_eq!(verdicts(&report), [NO, YES, None], "{:?}", report.failure());
}

#[tokio::test]
async fn encryption_that_is_not_offered_though_records_ask_for_it_was_taken_out() {
    let town = Town::in_the_open().await.with_tlsa([Data::Tlsa(3, 1, 1, vec![7; 32])]);
    for (demand, expected) in [("report", "up"), ("require", "starttls_missing in ehlo")] {
        let report = town.asked(json!({"dane": demand})).await;
        assert_eq!(gist(&report), expected);
        assert_eq!(verdicts(&report), [None, NO, None]);
        assert_eq!(read(&report, "probe_smtp_starttls_stripped"), Some(1.0));
    }
}

#[tokio::test]
async fn encryption_that_is_not_offered_though_the_policy_asks_for_it_was_taken_out() {
    let town = Town::in_the_open().await.with_rules("enforce", "mx.example.org").await;
    for (demand, expected) in [("report", "up"), ("require", "starttls_missing in ehlo")] {
        let report = town.asked(json!({"mta_sts": demand})).await;
        assert_eq!(gist(&report), expected);
        assert_eq!(verdicts(&report), [None, None, NO]);
        assert_eq!(read(&report, "probe_smtp_starttls_stripped"), Some(1.0));
    }
}

#[tokio::test]
async fn a_policy_that_names_the_mail_host_asks_for_a_trusted_certificate() {
    for (mode, mx) in [("enforce", "mx.example.org"), ("testing", "*.example.org")] {
        let town = Town::in_order().await.with_rules(mode, mx).await;
        let report = town.asked(json!({"mta_sts": "require"})).await;
        assert_eq!(gist(&report), "up", "{:?}", report.failure());
        assert_eq!(verdicts(&report), [YES, None, YES]);
        assert_eq!(read(&report, "probe_mta_sts_mx_match"), Some(1.0));
        assert_eq!(reading(&report, Some(POLICY_STEP), "probe_mta_sts_info", &["1", mode]), Some(1.0));
    }
    for expected in ["tls_cert_untrusted in tls", "tls_cert_name in tls", "tls_cert_expired in tls"] {
        let authority = Authority::new();
        let leaf = match expected {
            "tls_cert_untrusted in tls" => Authority::new().leaf(&["mx.example.org"]),
            "tls_cert_name in tls" => authority.leaf(&["example.org"]),
            _ => authority.expired_leaf(&["mx.example.org"]),
        };
        let town = Town::new(authority, &leaf).await.with_rules("enforce", "mx.example.org").await;
        let report = town.asked(json!({"mta_sts": "require", "webpki": "report"})).await;
        assert_eq!(gist(&report), expected);
        assert_eq!(verdicts(&report), [NO, None, NO]);
    }
}

#[tokio::test]
async fn a_policy_that_names_another_mail_host_keeps_mail_away_from_this_one() {
    let town = Town::in_order().await.with_rules("enforce", "other.example.org").await;
    for (demand, expected) in [("report", "up"), ("require", "tls_policy in tls")] {
        let report = town.asked(json!({"mta_sts": demand})).await;
        assert_eq!(gist(&report), expected);
        assert_eq!(verdicts(&report), [YES, None, NO]);
        assert_eq!(read(&report, "probe_mta_sts_mx_match"), Some(0.0));
    }
}

#[tokio::test]
async fn a_policy_of_none_asks_for_nothing() {
    let town = Town::in_order().await.with_rules("none", "other.example.org").await;
    for (demand, expected) in [("report", "up"), ("require", "mta_sts_invalid in fetch")] {
        let report = town.asked(json!({"mta_sts": demand})).await;
        assert_eq!(gist(&report), expected);
        assert_eq!(verdicts(&report), [YES, None, None]);
        assert_eq!(read(&report, "probe_mta_sts_mx_match"), None);
    }
}

#[tokio::test]
async fn a_policy_host_that_says_nothing_is_no_verdict_on_the_mail_hosts() {
    let silent = Town::in_order().await.with_policy(vec![wait_for_ever()]).await;
    let wrong =
        Town::in_order().await.with_policy(vec![hear("\r\n\r\n"), say("HTTP/1.1 404 No\r\n\r\n"), close()]).await;
    let none = Town::in_order().await;
    for (town, required, verdict) in [
        (silent, "policy_unknown in fetch", Verdict::Unknown),
        (wrong, "mta_sts_invalid in fetch", Verdict::Down),
        (none, "mta_sts_invalid in mta_sts", Verdict::Down),
    ] {
        for (demand, expected, verdict) in [("report", "up", Verdict::Up), ("require", required, verdict)] {
            let report = town.asked_within(json!({"mta_sts": demand}), Duration::from_secs(4)).await;
            assert_eq!(gist(&report), expected, "{:?}", report.failure());
            assert_eq!(verdicts(&report), [YES, None, None]);
            assert_eq!(report.verdict(), verdict);
        }
    }
}

#[tokio::test]
async fn the_policy_is_fetched_once_for_all_servers() {
    let mut town = Town::in_order().await.with_rules("enforce", "mx.example.org").await;
    town.records.push(("example.org.", Data::Mx(20, "two.example.org.")));
    town.records.push(("two.example.org.", Data::A([127, 0, 0, 1])));
    let report = town.asked(json!({"mta_sts": "report"})).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(verdicts(&report), [YES, None, YES]);
    let two = reading(&report, Some("two.example.org 127.0.0.1"), "probe_tls_verified", &["mta_sts"]);
    assert_eq!(two, NO);
    let heard = String::from_utf8(town.policy_host.expect("a policy host").heard()).expect("requests");
    assert_eq!(heard.matches("GET ").count(), 1, "{heard}");
}

#[tokio::test]
async fn what_a_server_shows_is_written_down_also_where_nobody_trusts_it() {
    let authority = Authority::new();
    let until = in_days(-1.0);
    let leaf = authority.leaf_valid(&["mx.example.org"], in_days(-30.0), until);
    let town = Town::new(authority, &leaf).await;
    let report = town.asked(json!({})).await;
    assert_eq!(gist(&report), "tls_cert_expired in tls");
    let seconds = until.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() as f64;
    for name in ["probe_ssl_earliest_cert_expiry", "probe_tls_certificate_not_after_timestamp_seconds"] {
        assert_eq!(read(&report, name), Some(seconds), "{name}");
    }
    assert_eq!(read(&report, "probe_tls_certificate_verified"), Some(0.0));
    let info = |name, value| reading(&report, Some(STEP), name, &[value]);
    assert_eq!(info("probe_tls_version_info", "TLS 1.3"), Some(1.0));
    assert_eq!(info("probe_tls_cipher_info", "TLS_AES_256_GCM_SHA384"), Some(1.0));
    let groups = ["X25519", "X25519MLKEM768"].map(|group| info("probe_tls_key_exchange_info", group));
    assert!(groups.contains(&Some(1.0)), "{:?}", report.readings);
    assert_eq!(verdicts(&report), [NO, None, None]);
    // Nothing is said over a channel that nobody trusts.
    assert_eq!(dialogue(&report).last().map(String::as_str), Some("S: 220 2.0.0 Go ahead"));
}

#[tokio::test]
async fn every_server_has_room_in_the_notebook() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["mx.example.org"]);
    let town = Town::new(authority, &leaf).await.with_tlsa([tlsa(3, 1, 1, &leaf.der)]);
    let town = town.with_rules("enforce", "mx.example.org").await;
    let report = town.asked(json!({"dane": "report", "mta_sts": "report"})).await;
    assert_eq!(verdicts(&report), [YES; 3], "{:?}", report.failure());
    let of_server = report.readings.iter().filter(|reading| reading.step.as_deref() == Some(STEP)).count();
    // Twenty more: ways to log in, statuses, what must be refused.
    assert!((of_server + 20) * SERVERS_MAX < READINGS_MAX, "{of_server}");
}

#[tokio::test]
async fn a_client_that_takes_any_certificate_gives_no_verdict_by_authorities() {
    let leaf = Leaf::self_signed(&["elsewhere.example"], |_| {});
    let town = Town::new(Authority::new(), &leaf).await.with_tlsa([tlsa(3, 1, 1, &leaf.der)]);
    let town = town.with_rules("enforce", "mx.example.org").await;
    let zone = zone(town.records.clone()).await;
    let settings = json!({
        "port": town.peer.address().port(),
        "tls_config": {"insecure_skip_verify": true},
        "tls_policy": {
            "dane": "require",
            "mta_sts": "report",
            "mta_sts_port": town.policy_host.as_ref().expect("a policy host").address().port(),
            "mta_sts_tls_config": {"ca": town.authority.pem()},
        },
    });
    let report = ask_in(&net_with_resolver(zone.address()), "smtp", settings, "example.org", AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(verdicts(&report), [None, YES, None]);
    assert_eq!(read(&report, "probe_mta_sts_mx_match"), Some(1.0));
}
