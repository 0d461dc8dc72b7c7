//! What to do with mail that is not the domain's own, and who wants to know of troubles.

use super::*;

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

/// Asks about DMARC of a domain, and gives reason, sentence and readings.
async fn dmarc_of(domain: &str, records: Records) -> (String, String, Vec<String>) {
    let server = zone(records).await;
    let net = net_with_resolver(server.address());
    let report = ask_in(&net, "mail_policy", json!({"require": ["dmarc"]}), domain, AMPLE).await;
    let message = report.failure().map_or_else(String::new, |failure| failure.message().to_owned());
    (gist(&report), message, readings(&report, "dmarc"))
}

#[tokio::test]
async fn a_domain_below_inherits_what_is_asked_for_domains_below() {
    let (gist, message, seen) = dmarc_of("a.b.example.test", records()).await;
    assert_eq!((&*gist, &*message), ("up", ""));
    assert_eq!(
        seen,
        [
            "dmarc_present = 1",
            "dmarc_inherited = 1",
            "dmarc_info reject none = 1",
            "dmarc_policy none = 1",
            "dmarc_policy quarantine = 0",
            "dmarc_policy reject = 0",
            "dmarc_percent = 50",
            "dmarc_report_addresses = 1",
        ]
    );
}

#[tokio::test]
async fn it_inherits_from_the_organization() {
    let mut records = records();
    records.push(("_dmarc.b.example.test.", Data::Txt("v=DMARC1; p=quarantine")));
    let info = async |domain: &str, records: Records| {
        let (gist, _, seen) = dmarc_of(domain, records).await;
        let info = seen.into_iter().find(|line| line.starts_with("dmarc_info")).unwrap_or_default();
        (gist, info)
    };
    let told = |gist: &str, info: &str| (gist.to_owned(), info.to_owned());
    // Not from the domain between, which has one for itself only.
    assert_eq!(info("b.example.test", records.clone()).await, told("up", "dmarc_info quarantine quarantine = 1"));
    assert_eq!(info("a.b.example.test", records.clone()).await, told("up", "dmarc_info reject none = 1"));
    // Of a long name the last seven labels are asked for.
    let long = "a.a.a.a.a.a.a.a.a.a.b.example.test";
    assert_eq!(info(long, records.clone()).await, told("up", "dmarc_info reject none = 1"));
    // A domain under which others register theirs is no organization, and says so.
    let at = records.iter_mut().find(|(name, _)| *name == "_dmarc.example.test.").expect("a record");
    at.1 = Data::Txt("v=DMARC1; p=none; psd=y");
    assert_eq!(info("a.b.example.test", records.clone()).await, told("up", "dmarc_info quarantine quarantine = 1"));
    // Where somebody on the way cannot be asked, nothing is known.
    records.push(("_dmarc.c.b.example.test.", Data::Code(ResponseCode::ServFail)));
    assert_eq!(info("d.c.b.example.test", records).await, told("policy_unknown in dmarc", ""));
}

#[tokio::test]
async fn reports_go_to_those_who_want_them() {
    const OWN: &str = "_dmarc.example.test.";
    const ELSEWHERE: &str = "example.test._report._dmarc.reports.elsewhere.test.";
    let with_rua = |rua: &'static str, beside: Records| {
        let mut records = with(OWN, [Data::Txt(rua)]);
        records.extend(beside);
        records
    };
    let foreign = "v=DMARC1; p=none; rua=mailto:d@example.test,mailto:d@reports.elsewhere.test!5m";
    let refused = "DMARC of example.test: reports.elsewhere.test does not say that it takes the reports";
    let yes = || (ELSEWHERE, Data::Txt("v=DMARC1;"));
    for (records, expected, message, authorized) in [
        (with_rua(foreign, vec![yes()]), "up", "", Some(1)),
        (with_rua(foreign, vec![]), "dmarc_invalid in dmarc", refused, Some(0)),
        (with_rua(foreign, vec![(ELSEWHERE, Data::Txt("yes"))]), "dmarc_invalid in dmarc", refused, Some(0)),
        (
            with_rua(foreign, vec![(ELSEWHERE, Data::Code(ResponseCode::ServFail))]),
            "policy_unknown in dmarc",
            "?",
            None,
        ),
        (
            with_rua("v=DMARC1; p=none; ruf=mailto:d@reports.elsewhere.test", vec![]),
            "dmarc_invalid in dmarc",
            refused,
            Some(0),
        ),
        // A domain below belongs to the same organization.
        (with_rua("v=DMARC1; p=none; rua=mailto:d@reports.example.test", vec![]), "up", "", None),
    ] {
        let (gist, said, seen) = dmarc_of("example.test", records).await;
        assert_eq!(gist, expected);
        assert!(said == message || message == "?", "{said}");
        let seen: Vec<String> = seen.into_iter().filter(|line| line.starts_with("dmarc_report_authorized")).collect();
        let line = authorized.map(|value| format!("dmarc_report_authorized reports.elsewhere.test = {value}"));
        assert_eq!(seen, Vec::from_iter(line));
    }
    // So does one beside it, by the record of both.
    let mut siblings = records();
    siblings.push(("_dmarc.a.example.test.", Data::Txt("v=DMARC1; p=none; rua=mailto:d@b.example.test")));
    assert_eq!(dmarc_of("a.example.test", siblings.clone()).await.0, "up");
    siblings.retain(|(name, _)| *name != OWN);
    assert_eq!(dmarc_of("a.example.test", siblings).await.0, "dmarc_invalid in dmarc");
}

#[tokio::test]
async fn a_crowd_of_receivers_is_bounded() {
    let crowd: String = (0..20).map(|number| format!(",mailto:d@x{number}.test")).collect();
    let text: &'static str = format!("v=DMARC1; p=none; rua=mailto:d@example.test{crowd}").leak();
    let parts: Vec<&'static str> =
        text.as_bytes().chunks(250).map(|part| std::str::from_utf8(part).expect("ASCII")).collect();
    let (gist, _, seen) = dmarc_of("example.test", with("_dmarc.example.test.", [Data::Texts(parts.leak())])).await;
    assert_eq!(gist, "dmarc_invalid in dmarc");
    assert_eq!(seen.iter().filter(|line| line.starts_with("dmarc_report_authorized")).count(), 10);
}
