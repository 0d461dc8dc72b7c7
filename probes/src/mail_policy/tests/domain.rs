//! Mail hosts, what is known of nothing, and what can be asked at all.

use super::*;

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
            "mx_info a.example.test 10 = 1",
            "mx_info b.example.test 20 = 1",
            "mx_addresses a.example.test ip4 = 1",
            "mx_addresses a.example.test ip6 = 1",
            "mx_alias a.example.test = 0",
            "mx_addresses b.example.test ip4 = 1",
            "mx_addresses b.example.test ip6 = 0",
            "mx_alias b.example.test = 0",
            "mx_secure = 1",
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
            "dmarc_policy none = 0",
            "dmarc_policy quarantine = 0",
            "dmarc_policy reject = 1",
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

#[test]
fn whatever_is_a_policy_is_taken_for_one() {
    let policies = ["v=spf1 mx -all", "v=DKIM1; p=", "v=DMARC1; p=none", "version: STSv1\nmode: none\nmax_age: 0"];
    for (which, text) in (0..).zip(policies) {
        assert!(crate::testkit::is_mail_policy(which, text.as_bytes()), "{text}");
        assert!(!crate::testkit::is_mail_policy(which, b"\xff"), "{text}");
    }
}
