//! Policies over HTTPS.

use super::*;

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
            "mta_sts_mode enforce = 1",
            "mta_sts_mode testing = 0",
            "mta_sts_mode none = 0",
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
async fn a_policy_that_changes_without_its_id_is_told_until_the_id_changes() {
    let authority = Authority::new();
    let tls = starttls(authority.leaf(&["mta-sts.example.test"]).server());
    let peer = Peer::play(vec![wait_for_ever()]).await;
    let memory = crate::Memory::default();
    let run = async |id: &'static str, body: &str| {
        let mut script = text(body);
        script.insert(0, tls.clone());
        peer.now_plays(script);
        let mut records = records();
        records.push(("_mta-sts.example.test.", Data::Txt(id)));
        records.push(("mta-sts.example.test.", Data::A([127, 0, 0, 1])));
        let server = zone(records).await;
        let net = net_with_resolver(server.address()).with_memory(memory.clone());
        let settings = json!({
            "require": ["mta_sts"],
            "mta_sts_port": peer.address().port(),
            "tls_config": {"ca": authority.pem()},
        });
        let report = ask_in(&net, "mail_policy", settings, "example.test", AMPLE).await;
        let message = report.failure().map_or_else(String::new, |failure| failure.message().to_owned());
        let noted = |part: &str| report.notes.iter().any(|(_, _, text)| text.contains(part));
        let changed = report.reading_named("probe_mta_sts_policy_changed_timestamp_seconds");
        (message, changed, noted("has changed since"), noted("but the policy is the old one"))
    };
    let longer = POLICY.replace("86400", "172800");
    let one = "v=STSv1; id=1;";
    let wrong =
        "MTA-STS of example.test: the policy has changed, but the record's id is still 1: senders do not notice";
    let good = String::new;

    assert_eq!(run(one, POLICY).await, (good(), None, false, false));
    // Order and line ends mean nothing.
    assert_eq!(run(one, &POLICY.replace('\r', "")).await, (good(), None, false, false));
    let (message, changed, noted, _) = run(one, &longer).await;
    assert_eq!((&*message, changed.is_some_and(|at| at > 1.7e9), noted), (wrong, true, true));
    // It stays wrong, and since when it is so stays too.
    assert_eq!(run(one, &longer).await, (wrong.to_owned(), changed, false, false));
    assert_eq!(run("v=STSv1; id=2;", &longer).await, (good(), changed, false, true));
    let (message, later, noted, _) = run("v=STSv1; id=3;", POLICY).await;
    assert_eq!((message, later >= changed, noted), (good(), true, true));
}
