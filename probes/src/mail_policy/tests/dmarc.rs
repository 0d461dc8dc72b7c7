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

#[tokio::test]
async fn a_domain_below_inherits_dmarc() {
    let server = zone(records()).await;
    let net = net_with_resolver(server.address());
    let report = ask_in(&net, "mail_policy", json!({"require": ["dmarc"]}), "a.b.example.test", AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(readings(&report, "dmarc_inherited"), ["dmarc_inherited = 1"]);
}
