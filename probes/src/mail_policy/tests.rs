//! Domains as zones of a name server on loopback, policies on a web server beside it.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use serde_json::{Value, json};

use crate::report::{Report, Verdict};
use crate::testkit::{
    Act, Authority, Data, Leaf, Peer, ask_in, assert_laps_cover_the_run, close, flood, gist, hear, net_with_resolver,
    say, starttls, wait_for_ever, zone,
};

/// Ample: a test that needs it has failed.
const AMPLE: Duration = Duration::from_secs(20);

type Records = Vec<(&'static str, Data)>;

/// A domain that is in order, but for MTA-STS.
fn records() -> Records {
    vec![
        ("example.test.", Data::Mx(20, "b.example.test.")),
        ("example.test.", Data::Mx(10, "a.example.test.")),
        ("example.test.", Data::Txt("v=spf1 mx include:_spf.example.test -all")),
        ("example.test.", Data::Txt("something else")),
        ("_spf.example.test.", Data::Texts(&["v=spf1 ip4:192.0", ".2.0/24 ~all"])),
        ("_dmarc.example.test.", Data::Txt("v=DMARC1; p=reject; sp=none; pct=50; rua=mailto:d@example.test")),
        ("_smtp._tls.example.test.", Data::Txt("v=TLSRPTv1; rua=mailto:t@example.test")),
        ("a.example.test.", Data::A([192, 0, 2, 1])),
        ("a.example.test.", Data::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])),
        ("b.example.test.", Data::A([198, 51, 100, 2])),
        ("1.2.0.192.in-addr.arpa.", Data::Ptr("a.example.test.")),
        ("2.100.51.198.in-addr.arpa.", Data::Ptr("b.example.test.")),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", Data::Ptr("a.example.test.")),
        ("_25._tcp.a.example.test.", Data::Tlsa(3, 1, 1, vec![7; 32])),
        ("_25._tcp.a.example.test.", Data::Tlsa(1, 1, 1, vec![7; 32])),
        ("_25._tcp.b.example.test.", Data::Tlsa(2, 0, 2, vec![7; 64])),
    ]
}

/// The same without what belongs to a name.
fn without(name: &str) -> Records {
    records().into_iter().filter(|(owner, _)| *owner != name).collect()
}

/// The same, with other records at a name.
fn with(name: &'static str, data: impl IntoIterator<Item = Data>) -> Records {
    let mut records = without(name);
    // An alias must stand before the records that it leads to.
    records.splice(0..0, data.into_iter().map(|data| (name, data)));
    records
}

async fn asked_within(records: Records, settings: Value, timeout: Duration) -> Report {
    let server = zone(records).await;
    let net = net_with_resolver(server.address());
    let report = ask_in(&net, "mail_policy", settings, "example.test", timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

async fn asked(records: Records, settings: Value) -> Report {
    asked_within(records, settings, AMPLE).await
}

/// Reads one policy, which must be good, and gives reason, phase and sentence.
async fn judged(records: Records, policy: &str) -> (String, String) {
    let report = asked(records, json!({"require": [policy]})).await;
    (gist(&report), report.failure().map_or_else(String::new, |failure| failure.message().to_owned()))
}

/// The readings of one name's beginning, one a line.
fn readings(report: &Report, prefix: &str) -> Vec<String> {
    let line = |reading: &crate::Reading| {
        let labels: String = reading.labels.iter().map(|label| format!(" {}", label.value)).collect();
        let name =
            reading.measure.name.trim_start_matches("probe_").trim_start_matches("mail_").trim_start_matches("policy_");
        format!("{name}{labels} = {}", reading.value)
    };
    report.readings.iter().map(line).filter(|line| line.starts_with(prefix)).collect()
}

#[tokio::test]
async fn a_domain_in_order_passes() {
    let mut records = records();
    records.push((".", Data::Authentic));
    let settings = json!({
        "require": ["mx", "reverse", "spf", "dmarc", "tls_rpt", "dane"],
        "spf_senders": ["192.0.2.1", "198.51.100.2", "2001:db8::1"],
    });
    let report = asked(records, settings).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(
        readings(&report, "mx"),
        [
            "mx_records = 2",
            "mx_null = 0",
            "mx_implicit = 0",
            "mx_secure = 1",
            "mx_info a.example.test 10 = 1",
            "mx_info b.example.test 20 = 1",
            "mx_addresses a.example.test ip4 = 1",
            "mx_addresses a.example.test ip6 = 1",
            "mx_alias a.example.test = 0",
            "mx_addresses b.example.test ip4 = 1",
            "mx_addresses b.example.test ip6 = 0",
            "mx_alias b.example.test = 0",
        ]
    );
    assert_eq!(
        readings(&report, "fcrdns"),
        [
            "fcrdns_ok a.example.test 192.0.2.1 = 1",
            "fcrdns_ok a.example.test 2001:db8::1 = 1",
            "fcrdns_ok b.example.test 198.51.100.2 = 1",
        ]
    );
    assert_eq!(
        readings(&report, "spf"),
        [
            "spf_records = 1",
            "spf_lookups = 2",
            "spf_void_lookups = 0",
            "spf_valid = 1",
            "spf_all_info fail = 1",
            "spf_sender_pass 192.0.2.1 = 1",
            "spf_sender_info 192.0.2.1 pass = 1",
            "spf_sender_pass 198.51.100.2 = 1",
            "spf_sender_info 198.51.100.2 pass = 1",
            "spf_sender_pass 2001:db8::1 = 1",
            "spf_sender_info 2001:db8::1 pass = 1",
        ]
    );
    assert_eq!(
        readings(&report, "dmarc"),
        [
            "dmarc_present = 1",
            "dmarc_inherited = 0",
            "dmarc_info reject none = 1",
            "dmarc_percent = 50",
            "dmarc_report_addresses = 1",
        ]
    );
    assert_eq!(readings(&report, "tlsrpt"), ["tlsrpt_record_valid = 1"]);
    assert_eq!(
        readings(&report, "dane"),
        [
            "dane_tlsa_records a.example.test = 2",
            "dane_tlsa_usable a.example.test = 1",
            "dane_dnssec_secure a.example.test = 1",
            "dane_tlsa_records b.example.test = 1",
            "dane_tlsa_usable b.example.test = 1",
            "dane_dnssec_secure b.example.test = 1",
        ]
    );
    let ok = readings(&report, "check_ok");
    let names = ["mx", "reverse", "spf", "dmarc"].map(|name| format!("check_ok {name} = 1"));
    assert_eq!(ok[..4], names);
    assert_eq!(ok[4..], ["check_ok mta_sts = 0", "check_ok tls_rpt = 1", "check_ok dane = 1"]);
}

#[tokio::test]
async fn mail_hosts_that_take_no_mail_are_told() {
    for (records, expected, message) in [
        (vec![], "mx_missing in address", "example.test has neither an MX nor an address"),
        (
            vec![("example.test.", Data::Mx(0, "."))],
            "mx_missing in mx",
            "example.test says by a null MX (RFC 7505) that it takes no mail",
        ),
        (
            with("example.test.", [Data::Mx(0, "."), Data::Mx(10, "a.example.test.")]),
            "mx_invalid in address",
            "example.test has a null MX beside others (RFC 7505 section 3)",
        ),
        (without("b.example.test."), "mx_invalid in address", "the MX b.example.test has no address"),
        (
            with("b.example.test.", [Data::Alias("a.example.test.")]),
            "mx_invalid in address",
            "the MX b.example.test is an alias (RFC 2181 section 10.3)",
        ),
    ] {
        assert_eq!(judged(records, "mx").await, (expected.to_owned(), message.to_owned()));
    }
    let implicit = with("example.test.", [Data::A([192, 0, 2, 9])]);
    assert_eq!(judged(implicit, "mx").await.0, "up");
}

#[tokio::test]
async fn a_name_server_that_fails_says_nothing_about_the_domain() {
    for (name, policy, place) in [
        ("example.test.", "mx", "policy_unknown in mx"),
        ("b.example.test.", "mx", "policy_unknown in address"),
        ("2.100.51.198.in-addr.arpa.", "reverse", "policy_unknown in reverse"),
        ("example.test.", "spf", "policy_unknown in spf"),
        ("_spf.example.test.", "spf", "policy_unknown in spf"),
        ("key._domainkey.example.test.", "dkim", "policy_unknown in dkim"),
        ("_dmarc.example.test.", "dmarc", "policy_unknown in dmarc"),
        ("_mta-sts.example.test.", "mta_sts", "policy_unknown in mta_sts"),
        ("_smtp._tls.example.test.", "tls_rpt", "policy_unknown in tls_rpt"),
        ("_25._tcp.b.example.test.", "dane", "policy_unknown in tlsa"),
    ] {
        let mut settings = json!({"require": [policy], "dkim_selectors": ["key"]});
        let mut failing = with(name, [Data::Code(ResponseCode::ServFail)]);
        failing.push((".", Data::Authentic));
        let report = asked(failing, settings.clone()).await;
        assert_eq!(gist(&report), place, "{name}");
        assert_eq!(report.verdict(), Verdict::Unknown);
        let of = |prefix: &str| readings(&report, &format!("{prefix} {policy} "));
        assert_eq!((of("check_ok"), of("check_unknown")), (vec![], vec![format!("check_unknown {policy} = 1")]));
        // What is only read decides nothing.
        settings["require"] = json!([]);
        assert_eq!(gist(&asked(with(name, [Data::Code(ResponseCode::ServFail)]), settings).await), "up");
    }
}

#[tokio::test]
async fn what_is_wrong_weighs_more_than_what_is_unknown() {
    let mut records = with("example.test.", [Data::Code(ResponseCode::ServFail)]);
    records.retain(|(owner, _)| *owner != "_dmarc.example.test.");
    let report = asked(records, json!({})).await;
    assert_eq!(gist(&report), "dmarc_invalid in dmarc");
    assert_eq!(report.verdict(), Verdict::Down);
}

#[tokio::test]
async fn a_silent_name_server_leaves_the_other_policies_their_time() {
    let records = with("_spf.example.test.", [Data::Silence]);
    let report = asked_within(records, json!({}), Duration::from_secs(3)).await;
    assert_eq!(gist(&report), "policy_unknown in spf");
    assert_eq!(readings(&report, "check_ok dmarc"), ["check_ok dmarc = 1"]);
    let everything = vec![
        ("example.test.", Data::Silence),
        ("_dmarc.example.test.", Data::Silence),
        ("_mta-sts.example.test.", Data::Silence),
        ("_smtp._tls.example.test.", Data::Silence),
    ];
    let report = asked_within(everything, json!({}), Duration::from_millis(500)).await;
    assert_eq!(gist(&report), "policy_unknown in mx");
    assert_eq!(readings(&report, "check_ok"), [""; 0]);
}

#[tokio::test]
async fn an_address_without_a_name_that_leads_back_is_told() {
    for data in [None, Some(Data::Ptr("elsewhere.test."))] {
        let (gist, message) = judged(with("1.2.0.192.in-addr.arpa.", data), "reverse").await;
        assert_eq!(gist, "reverse_invalid in reverse");
        assert_eq!(message, "192.0.2.1 of a.example.test has no name that leads back to it");
    }
}

/// The SPF of `example.test` with this text, and records beside it.
async fn spf(text: &'static str, beside: Records) -> (String, String) {
    let mut records = with("example.test.", [Data::Txt(text)]);
    records.extend(beside);
    judged(records, "spf").await
}

#[tokio::test]
async fn spf_is_missing_doubled_or_wrong() {
    for (records, message) in [
        (without("example.test."), "example.test has no SPF record"),
        (with("example.test.", [Data::Txt("v=spf10 -all")]), "example.test has no SPF record"),
        (
            with("example.test.", [Data::Txt("v=spf1 -all"), Data::Txt("V=SPF1")]),
            "example.test has 2 SPF records, and one is allowed",
        ),
        (
            with("example.test.", [Data::Txt("v=spf1 ip4:192.0.2.300 -all")]),
            "SPF of example.test: example.test: \"ip4:192.0.2.300\": \"192.0.2.300\" is no IPv4 address",
        ),
        (without("_spf.example.test."), "SPF of example.test: _spf.example.test is included, but has no SPF record"),
        (
            with("example.test.", [Data::Txt("v=spf1 redirect=gone.example.test")]),
            "SPF of example.test: gone.example.test has no SPF record to redirect to",
        ),
    ] {
        assert_eq!(judged(records, "spf").await, ("spf_invalid in spf".to_owned(), message.to_owned()));
    }
}

#[tokio::test]
async fn spf_may_need_ten_lookups_and_two_that_find_nothing() {
    let ten = "v=spf1 a a a a a a a a a a -all";
    let own = || vec![("example.test.", Data::A([192, 0, 2, 1]))];
    assert_eq!(spf(ten, own()).await.0, "up");
    let eleven = "v=spf1 a a a a a a a a a a a -all";
    assert_eq!(spf(eleven, own()).await.1, "SPF of example.test: 11 lookups, and 10 are allowed");
    assert_eq!(spf("v=spf1 a:x.test a:y.test -all", vec![]).await.0, "up");
    assert_eq!(
        spf("v=spf1 a:x.test mx:y.test exists:z.test -all", vec![]).await.1,
        "SPF of example.test: 3 lookups that find nothing, and 2 are allowed"
    );
    // What comes after `all` is not looked at, and a macro of the sender's cannot be asked for.
    assert_eq!(spf("v=spf1 exists:%{i}.x.test -all a a a a a a a a a a a", vec![]).await.0, "up");
}

#[tokio::test]
async fn loops_of_includes_end() {
    for text in ["v=spf1 include:example.test -all", "v=spf1 redirect=example.test"] {
        let expected = ("spf_invalid in spf", "SPF of example.test: more than 10 lookups");
        let (gist, message) = spf(text, vec![]).await;
        assert_eq!((&*gist, &*message), expected, "{text}");
    }
    // Two that include each other twice would be walked a million times.
    let tree = "v=spf1 include:_spf.example.test include:_spf.example.test -all";
    let mut records = with("_spf.example.test.", [Data::Txt("v=spf1 include:example.test include:example.test -all")]);
    records.retain(|(owner, _)| *owner != "example.test.");
    records.push(("example.test.", Data::Txt(tree)));
    let report = asked(records, json!({"require": ["spf"], "spf_senders": ["203.0.113.1"]})).await;
    assert_eq!(gist(&report), "spf_invalid in spf");
    assert_eq!(readings(&report, "spf_lookups"), ["spf_lookups = 20"]);
}

#[tokio::test]
async fn spf_says_what_it_says_of_each_sender() {
    for (text, sender, said) in [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.255", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.0", "fail"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db8::1", "pass"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db9::1", "softfail"),
        ("v=spf1 -ip4:192.0.2.7 +all", "192.0.2.7", "fail"),
        ("v=spf1 ?all", "192.0.2.7", "neutral"),
        ("v=spf1", "192.0.2.7", "neutral"),
        ("v=spf1 a:a.example.test -all", "192.0.2.1", "pass"),
        ("v=spf1 a:a.example.test/24 -all", "192.0.2.9", "pass"),
        ("v=spf1 a:a.example.test//64 -all", "2001:db8::9", "pass"),
        ("v=spf1 a:a.example.test -all", "2001:db8::9", "fail"),
        ("v=spf1 mx:mail.test -all", "192.0.2.1", "pass"),
        ("v=spf1 ptr:example.test -all", "192.0.2.1", "pass"),
        ("v=spf1 ptr:ample.test -all", "192.0.2.1", "fail"),
        ("v=spf1 include:_spf.example.test -all", "192.0.2.1", "pass"),
        // That an included record ends in another way is no answer.
        ("v=spf1 include:_spf.example.test -all", "203.0.113.1", "fail"),
        ("v=spf1 redirect=_spf.example.test", "203.0.113.1", "softfail"),
        ("v=spf1 exists:%{ir}.list.test -all", "192.0.2.1", "pass"),
        ("v=spf1 exists:%{ir}.list.test -all", "192.0.2.2", "fail"),
    ] {
        let mut records = with("example.test.", [Data::Txt(text)]);
        records.push(("mail.test.", Data::Mx(1, "a.example.test.")));
        records.push(("1.2.0.192.list.test.", Data::A([127, 0, 0, 2])));
        let report = asked(records, json!({"require": ["spf"], "spf_senders": [sender]})).await;
        let expected = [format!("spf_sender_info {sender} {said} = 1")];
        assert_eq!(readings(&report, "spf_sender_info"), expected, "{text}");
        assert_eq!(gist(&report), if said == "pass" { "up" } else { "spf_invalid in spf" }, "{text}");
    }
}

#[tokio::test]
async fn dkim_keys_are_read() {
    const RSA_2048: &str = "v=DKIM1; k=rsa; t=y:s; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwIATqb1pQ0Jz";
    let key = |text| with("key._domainkey.example.test.", [Data::Txt(text)]);
    let ask = async |records: Records| {
        let report = asked(records, json!({"require": ["dkim"], "dkim_selectors": ["key"]})).await;
        let message = report.failure().map_or_else(String::new, |failure| failure.message().to_owned());
        (gist(&report), message, readings(&report, "dkim"))
    };
    // RFC 8463 appendix A.2.
    let (gist, message, readings) =
        ask(key("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")).await;
    assert_eq!((&*gist, &*message), ("up", ""));
    assert_eq!(
        readings,
        [
            "dkim_key_present key = 1",
            "dkim_key_revoked key = 0",
            "dkim_key_testing key = 0",
            "dkim_key_bits key = 256",
            "dkim_key_info key ed25519 = 1",
        ]
    );
    // RFC 6376 appendix C: a key of 1024 bits, in two strings.
    let example = with(
        "key._domainkey.example.test.",
        [Data::Texts(&[
            "v=DKIM1; t=y; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt",
            "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
        ])],
    );
    let (gist, message, readings) = ask(example).await;
    assert_eq!((&*gist, &*message), ("up", ""));
    assert!(readings.contains(&"dkim_key_bits key = 1024".to_owned()), "{readings:?}");
    assert!(readings.contains(&"dkim_key_testing key = 1".to_owned()), "{readings:?}");
    for (records, why) in [
        (records(), "there is none"),
        (key("v=DKIM1; p="), "it was revoked"),
        (key("v=DKIM1; k=rsa"), "the key is missing"),
        (key("k=rsa; v=DKIM1; p="), "its version is not DKIM1, or does not stand first"),
        (key("k=dsa; p=AAAA"), "keys of sort \"dsa\" are not known"),
        (key("p=!"), "the key is not base64"),
        (key("p=AAAA"), "the key is no RSA key"),
        (key(RSA_2048), "the key is no RSA key"),
        (key("k=ed25519; p=AAAA"), "the key is no Ed25519 key"),
        (key("p=MAYCAQMCAQM="), "2 bits, and 1024 are the least"),
        (with("key._domainkey.example.test.", [Data::Txt("p="), Data::Txt("p=")]), "2 records, and one is allowed"),
    ] {
        let (gist, message, _) = ask(records).await;
        assert_eq!(gist, "dkim_invalid in dkim");
        assert_eq!(message, format!("DKIM key key of example.test: {why}"));
    }
}

#[tokio::test]
async fn dmarc_and_tls_rpt_are_missing_doubled_or_wrong() {
    const DMARC: &str = "_dmarc.example.test.";
    const TLS_RPT: &str = "_smtp._tls.example.test.";
    for (policy, name, data, message) in [
        ("dmarc", DMARC, vec![], "example.test has no DMARC record"),
        (
            "dmarc",
            DMARC,
            vec![Data::Txt("v=DMARC1; p=none"); 2],
            "example.test has 2 DMARC records, and one is allowed",
        ),
        ("dmarc", DMARC, vec![Data::Txt("v=DMARC1; p=x")], "DMARC of example.test: p=x is no policy"),
        ("tls_rpt", TLS_RPT, vec![], "example.test has no TLS-RPT record"),
        (
            "tls_rpt",
            TLS_RPT,
            vec![Data::Txt("v=TLSRPTv1; rua=https://x.test/"); 2],
            "example.test has 2 TLS-RPT records, and one is allowed",
        ),
        ("tls_rpt", TLS_RPT, vec![Data::Txt("v=TLSRPTv1;")], "TLS-RPT of example.test: no address for reports (rua)"),
        (
            "tls_rpt",
            TLS_RPT,
            vec![Data::Txt("v=TLSRPTv1; rua=ftp://x")],
            "TLS-RPT of example.test: \"ftp://x\" is no address for reports",
        ),
    ] {
        let expected = (format!("{policy}_invalid in {policy}"), message.to_owned());
        assert_eq!(judged(with(name, data), policy).await, expected);
    }
}

#[tokio::test]
async fn a_domain_below_inherits_dmarc() {
    let server = zone(records()).await;
    let net = net_with_resolver(server.address());
    let report = ask_in(&net, "mail_policy", json!({"require": ["dmarc"]}), "a.b.example.test", AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(readings(&report, "dmarc_inherited"), ["dmarc_inherited = 1"]);
}

#[tokio::test]
async fn dane_tlsa_records_must_be_usable_and_verified() {
    let signed = |mut records: Records| {
        records.push((".", Data::Authentic));
        records
    };
    const TLSA: &str = "_25._tcp.b.example.test.";
    for (records, message) in [
        (signed(without(TLSA)), "the mail host b.example.test has no TLSA record"),
        (
            signed(with(TLSA, [Data::Tlsa(0, 0, 1, vec![7; 32]), Data::Tlsa(3, 1, 1, vec![7; 31])])),
            "no TLSA record of the mail host b.example.test can be used",
        ),
        (records(), "the TLSA records of a.example.test are not verified by DNSSEC"),
    ] {
        assert_eq!(judged(records, "dane").await, ("dane_invalid in tlsa".to_owned(), message.to_owned()));
    }
    let mut only_tlsa = records();
    only_tlsa.push(("_25._tcp.a.example.test.", Data::Authentic));
    only_tlsa.push((TLSA, Data::Authentic));
    assert_eq!(judged(only_tlsa, "dane").await.1, "the MX records are not verified by DNSSEC");
}

const POLICY: &str = "version: STSv1\r\nmode: enforce\r\nmx: *.example.test\r\nmax_age: 86400\r\n";

fn answer(head: &str, body: &str) -> Vec<Act> {
    let length = body.len();
    vec![hear("\r\n\r\n"), say(format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}")), close()]
}

fn text(body: &str) -> Vec<Act> {
    answer("200 OK\r\nContent-Type: text/plain; charset=utf-8", body)
}

/// Asks a domain whose policy host shows this certificate and then plays this script.
async fn sts_with(authority: &Authority, leaf: &Leaf, script: Vec<Act>, timeout: Duration) -> Report {
    let mut script = script;
    script.insert(0, starttls(leaf.server()));
    let peer = Peer::play(script).await;
    let mut records = records();
    records.push(("_mta-sts.example.test.", Data::Txt("v=STSv1; id=20260101;")));
    records.push(("mta-sts.example.test.", Data::A([127, 0, 0, 1])));
    let settings = json!({
        "require": ["mta_sts"],
        "mta_sts_port": peer.address().port(),
        "tls_config": {"ca": authority.pem()},
    });
    let report = asked_within(records, settings, timeout).await;
    let heard = String::from_utf8(peer.heard()).expect("a request");
    assert!(heard.is_empty() || heard.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{heard}");
    report
}

async fn sts(script: Vec<Act>) -> Report {
    let authority = Authority::new();
    let leaf = authority.leaf(&["mta-sts.example.test"]);
    sts_with(&authority, &leaf, script, AMPLE).await
}

#[tokio::test]
async fn an_mta_sts_policy_that_names_the_mail_hosts_is_good() {
    let report = sts(text(POLICY)).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(
        readings(&report, "mta_sts"),
        [
            "mta_sts_record_valid = 1",
            "mta_sts_policy_valid = 1",
            "mta_sts_info 20260101 enforce = 1",
            "mta_sts_max_age_seconds = 86400",
            "mta_sts_mx_match a.example.test = 1",
            "mta_sts_mx_match b.example.test = 1",
        ]
    );
}

#[tokio::test]
async fn an_mta_sts_policy_that_names_another_mail_host_is_told() {
    let report = sts(text(&POLICY.replace("*.example.test", "a.example.test"))).await;
    assert_eq!(gist(&report), "mta_sts_invalid in fetch");
    let message = "MTA-STS of example.test: the policy does not name the mail host b.example.test";
    assert_eq!(report.failure().map(|failure| failure.message()), Some(message));
    assert_eq!(
        readings(&report, "mta_sts_mx_match"),
        ["mta_sts_mx_match a.example.test = 1", "mta_sts_mx_match b.example.test = 0"]
    );
}

#[tokio::test]
async fn answers_that_are_no_mta_sts_policy_are_told() {
    let long = "x".repeat(70_000);
    for (script, expected) in [
        (text("version: STSv1\n"), "mta_sts_invalid in fetch"),
        (text(&long), "body_too_large in fetch"),
        (answer("200 OK\r\nContent-Type: text/html", POLICY), "header_unexpected in fetch"),
        (answer("200 OK", POLICY), "header_unexpected in fetch"),
        (answer("301 Moved\r\nLocation: https://x.test/", ""), "status_unexpected in fetch"),
        (answer("404 Not Found", ""), "status_unexpected in fetch"),
        (vec![hear("\r\n\r\n"), say("220 mx ESMTP\r\n"), close()], "protocol_error in fetch"),
        (vec![hear("\r\n\r\n"), flood(b'x')], "protocol_error in fetch"),
        (vec![hear("\r\n\r\n"), close()], "closed_early in fetch"),
    ] {
        let report = sts(script.clone()).await;
        assert_eq!(gist(&report), expected, "{:?}", report.failure());
        assert_eq!(readings(&report, "mta_sts_policy_valid"), ["mta_sts_policy_valid = 0"]);
    }
}

#[tokio::test]
async fn a_policy_host_that_is_silent_is_at_fault() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["mta-sts.example.test"]);
    let report = sts_with(&authority, &leaf, vec![wait_for_ever()], Duration::from_secs(2)).await;
    assert_eq!(gist(&report), "timeout in fetch");
    assert_eq!(readings(&report, "check_ok tls_rpt"), ["check_ok tls_rpt = 1"]);
}

#[tokio::test]
async fn the_policy_hosts_certificate_is_verified() {
    let authority = Authority::new();
    let stranger = Authority::new();
    for (leaf, expected) in [
        (authority.expired_leaf(&["mta-sts.example.test"]), "tls_cert_expired in fetch"),
        (authority.leaf(&["example.test"]), "tls_cert_name in fetch"),
        (stranger.leaf(&["mta-sts.example.test"]), "tls_cert_untrusted in fetch"),
    ] {
        let report = sts_with(&authority, &leaf, text(POLICY), AMPLE).await;
        assert_eq!(gist(&report), expected);
    }
}

#[tokio::test]
async fn mta_sts_is_missing_doubled_or_without_a_host() {
    const NAME: &str = "_mta-sts.example.test.";
    for (data, expected, why) in [
        (vec![], "mta_sts_invalid in mta_sts", "MTA-STS of example.test: there is no record"),
        (
            vec![Data::Txt("v=STSv1; id=1;"); 2],
            "mta_sts_invalid in mta_sts",
            "MTA-STS of example.test: 2 records, and one is allowed",
        ),
        (
            vec![Data::Txt("v=STSv1; id=;")],
            "mta_sts_invalid in mta_sts",
            "MTA-STS of example.test: \"\" is no id of up to 32 letters and digits",
        ),
    ] {
        assert_eq!(judged(with(NAME, data), "mta_sts").await, (expected.to_owned(), why.to_owned()));
    }
    let record = || with(NAME, [Data::Txt("v=STSv1; id=1;")]);
    assert_eq!(judged(record(), "mta_sts").await.0, "mta_sts_invalid in mta_sts");
    let mut failing = record();
    failing.push(("mta-sts.example.test.", Data::Code(ResponseCode::ServFail)));
    assert_eq!(judged(failing, "mta_sts").await.0, "policy_unknown in mta_sts");
    let mut silent = record();
    silent.push(("mta-sts.example.test.", Data::Silence));
    let report = asked_within(silent, json!({"require": ["mta_sts"]}), Duration::from_secs(2)).await;
    assert_eq!(gist(&report), "policy_unknown in mta_sts");
    assert_eq!(readings(&report, "mta_sts_policy"), [""; 0]);
}

#[tokio::test]
async fn floods_of_records_are_bounded() {
    let many: Records = (0..40).map(|_| ("example.test.", Data::Mx(10, "a.example.test."))).collect();
    let report = asked(many, json!({"require": []})).await;
    assert_eq!(gist(&report), "up");
    let texts: Records = (0..200).map(|_| ("example.test.", Data::Txt("v=spf1 -all"))).collect();
    let report = asked(texts, json!({"require": ["spf"]})).await;
    assert_ne!(gist(&report), "up");
}

#[test]
fn settings_and_targets_that_make_no_sense_are_refused() {
    let kind = crate::kind("mail_policy").expect("the kind");
    let refused = |settings: Value| kind.module(settings).expect_err("settings").to_string();
    assert_eq!(refused(json!({"require": ["dkim"]})), "`dkim` is required, but `dkim_selectors` names no key");
    assert_eq!(refused(json!({"dkim_selectors": ["a b"]})), "\"a b\" is no selector of a DKIM key");
    assert_eq!(refused(json!({"dkim_selectors": vec!["a"; 17]})), "17 selectors, at most 16 are allowed");
    assert_eq!(refused(json!({"spf_senders": vec!["::1"; 9]})), "9 senders, at most 8 are allowed");
    assert!(refused(json!({"require": ["bimi"]})).starts_with("unknown variant `bimi`"));
    let module = kind.module(json!({})).expect("settings");
    let invalid = |text: &str| module.bind(&crate::Target::new(text)).expect_err("a target").to_string();
    assert_eq!(invalid("192.0.2.1"), "\"192.0.2.1\" is an address, and no domain");
    assert_eq!(invalid("a@example.org"), "\"a@example.org\" is no host name");
}
