//! Signatures: made, and verified where the mail arrives.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::ResponseCode;
use mail_auth::arc::ArcSealer;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::{ArcOutput, AuthenticatedMessage, AuthenticationResults};
use serde_json::{Value, json};

use super::post::{Post, Rules};
use super::{AMPLE, labelled, message, read, settings, step};
use crate::mail::settings::tests::written;
use crate::mail::settings::{Method, Settings};
use crate::mail::verify::{Evidence, check};
use crate::recorder::Recorder;
use crate::report::{Report, Verdict};
use crate::testkit::{Data, Letters, ask_in, assert_laps_cover_the_run, gist, net_with_resolver, zone};

/// A key in PEM, and what is published of it.
struct Pair {
    pem: String,
    published: &'static [&'static str],
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

fn leaked(texts: Vec<String>) -> &'static [&'static str] {
    Box::leak(texts.into_iter().map(|text| &*Box::leak(text.into_boxed_str())).collect())
}

impl Pair {
    fn ed25519() -> Self {
        let key = Ed25519KeyPair::generate().expect("a key");
        let der = key.to_pkcs8v1().expect("a document");
        let public = STANDARD.encode(key.public_key().as_ref());
        Self { pem: pem(der.as_ref()), published: leaked(vec![format!("v=DKIM1; k=ed25519; p={public}")]) }
    }

    fn rsa() -> Self {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&key).expect("a document");
        let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = key.public_key().as_der().expect("a document");
        let public = STANDARD.encode(public.as_ref());
        // A string of a record has at most 255 bytes.
        let (first, rest) = public.split_at(200);
        Self { pem: pem(der.as_ref()), published: leaked(vec![format!("v=DKIM1; p={first}"), rest.to_owned()]) }
    }
}

fn dkim(key: &str) -> Value {
    json!({"domain": "town.example", "selector": "one", "private_key": key})
}

/// Sends a mail in a world whose name server has these records.
async fn sent(post: &Post, records: Vec<(&'static str, Data)>, more: Value) -> Report {
    let zone = zone(records).await;
    let net = net_with_resolver(zone.address());
    let report = ask_in(&net, "mail", settings(post.imap, more), &post.smtp.to_string(), AMPLE).await;
    assert_laps_cover_the_run(&report);
    report
}

const KEY_NAME: &str = "one._domainkey.town.example.";

#[tokio::test]
async fn a_signed_mail_is_verified_where_it_arrives() {
    for pair in [Pair::ed25519(), Pair::rsa()] {
        let post = Post::open(Rules::inbox(str::to_owned)).await;
        let records = vec![
            (KEY_NAME, Data::Texts(pair.published)),
            ("_dmarc.town.example.", Data::Txt("v=DMARC1; p=reject; adkim=s")),
        ];
        let more = json!({"dkim": dkim(&pair.pem), "padding_bytes": 2000, "attachment_bytes": 300,
            "check_authentication": ["dkim", "dmarc", "arc"], "require_authentication": ["dkim", "dmarc"]});
        let report = sent(&post, records, more).await;
        assert_eq!(gist(&report), "up", "{} {:?}", message(&report), report.notes);
        assert_eq!(read(&report, "dkim_local_pass"), Some(1.0));
        assert_eq!(labelled(&report, "auth_local_pass", "dmarc"), Some(1.0));
        assert_eq!(labelled(&report, "auth_local_pass", "arc"), Some(0.0));
        assert_eq!(labelled(&report, "auth_local_result_info", "none"), Some(1.0), "there is no chain");
        assert_eq!(read(&report, "body_intact"), Some(1.0));
        assert!(report.laps.iter().any(|lap| lap.phase.name() == "authentication"));
    }
}

#[tokio::test]
async fn the_signature_stands_first_and_covers_every_header() {
    let (seen, post) = (Arc::new(std::sync::Mutex::new(String::new())), Pair::ed25519());
    let copy = Arc::clone(&seen);
    let office = Post::open(Rules::inbox(move |text| {
        text.clone_into(&mut copy.lock().expect("no panic"));
        text.to_owned()
    }))
    .await;
    let report = sent(&office, vec![], json!({"dkim": dkim(&post.pem)})).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let text = seen.lock().expect("no panic").clone();
    assert!(
        text.starts_with("DKIM-Signature: v=1; a=ed25519-sha256; s=one; d=town.example; c=relaxed/relaxed;\r\n\t"),
        "{text}"
    );
    let (header, rest) = text.split_once("\r\nDate: ").expect("the mail follows");
    assert!(rest.contains("\r\n\r\nThis mail"), "{rest}");
    let list: String = header.split_once("h=").expect("a list").1.split(';').next().unwrap_or_default().to_owned();
    let mut names: Vec<_> = list.split(':').map(str::trim).collect();
    names.sort_unstable();
    let mut expected = [
        "Date",
        "From",
        "From",
        "To",
        "Message-ID",
        "Subject",
        "X-Tuermer-Token",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn what_was_changed_is_not_signed() {
    let pair = Pair::ed25519();
    let required =
        json!({"dkim": dkim(&pair.pem), "check_authentication": ["dkim"], "require_authentication": ["dkim"]});
    for change in [
        |text: &str| text.to_owned() + "-- \r\nSent through a list\r\n",
        |text: &str| text.replace("Subject: ", "Subject: [external] "),
        |text: &str| format!("From: <mayor@town.example>\r\n{text}"),
    ] {
        let post = Post::open(Rules::inbox(change)).await;
        let report = sent(&post, vec![(KEY_NAME, Data::Texts(pair.published))], required.clone()).await;
        assert_eq!((gist(&report).as_str(), step(&report)), ("mail_unauthenticated in retrieval", "fetch"));
        assert_eq!(message(&report), "dkim does not pass, as far as the probe can see: fail");
        assert_eq!((read(&report, "arrived"), read(&report, "dkim_local_pass")), (Some(1.0), Some(0.0)));
        assert_eq!(report.verdict(), Verdict::Down);
    }
}

#[tokio::test]
async fn a_key_that_is_not_there_is_told_from_one_that_nobody_could_ask_for() {
    let (pair, other) = (Pair::ed25519(), Pair::ed25519());
    let more = json!({"dkim": dkim(&pair.pem), "check_authentication": ["dkim"], "require_authentication": ["dkim"]});
    for (records, expected, verdict, pass, result) in [
        (vec![], "mail_unauthenticated", Verdict::Down, Some(0.0), Some("permerror")),
        (
            vec![(KEY_NAME, Data::Txt("v=DKIM1; p="))],
            "mail_unauthenticated",
            Verdict::Down,
            Some(0.0),
            Some("permerror"),
        ),
        (
            vec![(KEY_NAME, Data::Texts(other.published))],
            "mail_unauthenticated",
            Verdict::Down,
            Some(0.0),
            Some("fail"),
        ),
        (vec![(KEY_NAME, Data::Code(ResponseCode::ServFail))], "policy_unknown", Verdict::Unknown, None, None),
    ] {
        let post = Post::open(Rules::inbox(str::to_owned)).await;
        let report = sent(&post, records, more.clone()).await;
        assert_eq!(gist(&report), format!("{expected} in retrieval"), "{}", message(&report));
        assert_eq!(report.verdict(), verdict);
        assert_eq!((read(&report, "arrived"), read(&report, "dkim_local_pass")), (Some(1.0), pass));
        match result {
            Some(result) => assert_eq!(labelled(&report, "auth_local_result_info", result), Some(1.0), "{result}"),
            None => assert!(report.notes.iter().any(|note| format!("{note:?}").contains("is not known")), "{report:?}"),
        }
        assert_eq!(post.mails(), [], "it is deleted all the same");
    }
}

#[tokio::test]
async fn trusted_servers_word_is_enough_where_nobody_could_ask() {
    let pair = Pair::ed25519();
    let received = "Authentication-Results: mx.town.example; dkim=pass\r\n";
    let post = Post::open(Rules::inbox(move |text| format!("{received}{text}"))).await;
    let more = json!({"dkim": dkim(&pair.pem), "check_authentication": ["dkim"], "require_authentication": ["dkim"],
        "trusted_authserv_ids": ["mx.town.example"]});
    let report = sent(&post, vec![(KEY_NAME, Data::Code(ResponseCode::ServFail))], more.clone()).await;
    assert_eq!((gist(&report).as_str(), read(&report, "dkim_local_pass")), ("up", None), "{}", message(&report));
    // It is not where the probe knows better.
    let report = sent(&post, vec![], more).await;
    assert_eq!(gist(&report), "mail_unauthenticated in retrieval");
}

#[tokio::test]
async fn a_silent_name_server_costs_no_arrival() {
    let pair = Pair::ed25519();
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    let zone = zone(vec![(KEY_NAME, Data::Silence)]).await;
    let net = net_with_resolver(zone.address());
    let more = json!({"dkim": dkim(&pair.pem), "check_authentication": ["dkim"]});
    let report = ask_in(&net, "mail", settings(post.imap, more), &post.smtp.to_string(), super::SHORT).await;
    assert_laps_cover_the_run(&report);
    assert_eq!((gist(&report).as_str(), read(&report, "arrived")), ("up", Some(1.0)), "{}", message(&report));
    assert_eq!(read(&report, "dkim_local_pass"), None);
    assert!(report.duration < super::SHORT, "{:?}", report.duration);
}

#[tokio::test]
async fn a_key_in_a_file_is_read_for_every_mail() {
    let (one, other) = (Pair::ed25519(), Pair::ed25519());
    let file = std::env::temp_dir().join(format!("tuermer-dkim-{}.pem", std::process::id()));
    let more = json!({"dkim": dkim(&format!("${{file:{}}}", file.display())), "check_authentication": ["dkim"]});
    for (content, expected, pass) in [
        (Some(&*one.pem), "up", Some(1.0)),
        (Some(&*other.pem), "up", Some(0.0)),
        (Some("no key, but secret"), "config_unusable in no phase", None),
        (None, "config_unusable in no phase", None),
    ] {
        match content {
            Some(content) => std::fs::write(&file, content).expect("written"),
            None => std::fs::remove_file(&file).expect("removed"),
        }
        let post = Post::open(Rules::inbox(str::to_owned)).await;
        let report = sent(&post, vec![(KEY_NAME, Data::Texts(one.published))], more.clone()).await;
        assert_eq!(
            (gist(&report).as_str(), read(&report, "dkim_local_pass")),
            (expected, pass),
            "{}",
            message(&report)
        );
        assert!(!message(&report).contains("secret"), "{}", message(&report));
        assert_eq!(read(&report, "submitted"), Some(f64::from(u8::from(expected == "up"))));
    }
}

#[test]
fn settings_of_signatures_are_strict() {
    let pair = Pair::ed25519();
    let error = |dkim: Value| {
        let written = crate::mail::settings::tests::written(json!({ "dkim": dkim }));
        serde_json::from_value::<Settings>(written).err().map(|error| error.to_string())
    };
    assert_eq!(error(dkim(&pair.pem)), None);
    let body = STANDARD.encode("not a key at all");
    for wrong in [
        dkim("hunter2"),
        dkim(&format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")),
        json!({"domain": "town.example", "selector": "a b", "private_key": pair.pem}),
        json!({"domain": "town.example\r\nx", "selector": "a", "private_key": pair.pem}),
        json!({"domain": "town.example", "selector": "a", "private_key": pair.pem, "headers": ["To"]}),
        json!({"domain": "town.example", "selector": "a", "private_key": pair.pem, "headers": ["From", "To\r\nx"]}),
        json!({"domain": "town.example", "private_key": pair.pem}),
    ] {
        let said = error(wrong.clone()).unwrap_or_else(|| panic!("{wrong}"));
        let secret = pair.pem.lines().nth(1).expect("a line");
        assert!(!said.contains("hunter2") && !said.contains(&body) && !said.contains(secret), "{said}");
    }
    let settings = crate::mail::settings::tests::settings(json!({"dkim": dkim(&pair.pem)}));
    assert!(!format!("{settings:?}").contains(pair.pem.lines().nth(1).expect("a line")));
}

/// What is found of a mail, in words.
async fn found(
    records: Vec<(&'static str, Data)>,
    methods: &[Method],
    stored: &[u8],
    client: Option<IpAddr>,
) -> Vec<Option<&'static str>> {
    let zone = zone(records).await;
    let net = net_with_resolver(zone.address());
    let mut recorder = Recorder::start(AMPLE);
    let evidence = Evidence { stored, sender_domain: "football.example.com", client };
    let findings = check(&net, &mut recorder, methods, &evidence).await;
    assert_eq!(findings.iter().map(|finding| finding.method).collect::<Vec<_>>(), methods);
    findings.into_iter().map(|finding| finding.result.ok()).collect()
}

/// The example of RFC 8463 appendix A.
const EXAMPLE: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\nDKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\nFrom: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\nSubject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\nMessage-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
const BRISBANE: (&str, Data) = (
    "brisbane._domainkey.football.example.com.",
    Data::Txt("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
);
const TEST: (&str, Data) = (
    "test._domainkey.football.example.com.",
    Data::Txt(
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
    ),
);
const RSA_NAME: &str = TEST.0;

#[tokio::test]
async fn the_example_of_the_standard_passes() {
    let unknown = || (RSA_NAME, Data::Code(ResponseCode::ServFail));
    for (records, expected) in [
        (vec![BRISBANE, TEST], Some("pass")),
        (vec![BRISBANE], Some("pass")),
        (vec![TEST], Some("pass")),
        (vec![BRISBANE, unknown()], Some("pass")),
        (vec![unknown()], None),
        (vec![], Some("permerror")),
    ] {
        assert_eq!(found(records, &[Method::Dkim], EXAMPLE.as_bytes(), None).await, [expected]);
    }
    let without_returns = EXAMPLE.replace("\r\n", "\n");
    assert_eq!(found(vec![BRISBANE], &[Method::Dkim], without_returns.as_bytes(), None).await, [Some("pass")]);
    let changed = EXAMPLE.replace("lost", "won");
    assert_eq!(found(vec![BRISBANE, TEST], &[Method::Dkim], changed.as_bytes(), None).await, [Some("fail")]);
    let old = EXAMPLE.replace("ed25519-sha256", "rsa-sha1").replace("rsa-sha256", "rsa-sha1");
    assert_eq!(found(vec![BRISBANE, TEST], &[Method::Dkim], old.as_bytes(), None).await, [Some("policy")]);
}

#[tokio::test]
async fn dmarc_goes_by_dkim_and_spf() {
    const POLICY: &str = "_dmarc.football.example.com.";
    let methods = [Method::Spf, Method::Dmarc];
    let client = || Some(IpAddr::from([192, 0, 2, 1]));
    let unsigned = EXAMPLE.split_once("\r\nFrom:").map(|(_, rest)| format!("From:{rest}")).expect("a header");
    let relaxed = || (POLICY, Data::Txt("v=DMARC1; p=none"));
    let spf = |text| ("football.example.com.", Data::Txt(text));
    for (records, stored, client, expected) in [
        (vec![relaxed(), BRISBANE], EXAMPLE, None, [None, Some("pass")]),
        (vec![relaxed(), spf("v=spf1 ip4:192.0.2.1 -all")], &unsigned, client(), [Some("pass"), Some("pass")]),
        (vec![relaxed(), spf("v=spf1 -all")], &unsigned, client(), [Some("fail"), Some("fail")]),
        (vec![relaxed(), spf("v=spf1 ip4:192.0.2.1 -all")], &unsigned, None, [None, Some("fail")]),
        (vec![spf("v=spf1 ip4:192.0.2.1 -all")], &unsigned, client(), [Some("pass"), Some("none")]),
        (
            vec![relaxed(), ("football.example.com.", Data::Code(ResponseCode::ServFail))],
            &unsigned,
            client(),
            [None, None],
        ),
        (vec![(POLICY, Data::Code(ResponseCode::ServFail)), BRISBANE], EXAMPLE, None, [None, None]),
        (vec![(POLICY, Data::Txt("v=DMARC1; p=perhaps")), BRISBANE], EXAMPLE, None, [None, Some("permerror")]),
    ] {
        assert_eq!(found(records, &methods, stored.as_bytes(), client).await, expected);
    }
}

#[tokio::test]
async fn the_receiver_knows_whom_spf_is_about() {
    for (record, expected, spf, dmarc) in [
        ("v=spf1 ip4:127.0.0.1 -all", "up", Some(1.0), Some(1.0)),
        ("v=spf1 ip4:192.0.2.1 -all", "mail_unauthenticated in retrieval", Some(0.0), Some(0.0)),
    ] {
        let letters = Letters::for_address("box@town.example");
        let inbox = Arc::clone(&letters);
        let rules = Rules::routed(move |text| {
            inbox.arrive("watch@town.example", text);
            Vec::new()
        });
        let post = Post::open(rules).await;
        let records = vec![
            ("town.example.", Data::Txt(record)),
            ("_dmarc.town.example.", Data::Txt("v=DMARC1; p=reject; aspf=s")),
        ];
        let zone = zone(records).await;
        let net = net_with_resolver(zone.address()).with_inbox(letters as Arc<dyn crate::inbox::Inbox>);
        let settings = written(json!({"token_key": super::KEY, "fetch": {"protocol": "receiver"},
            "check_authentication": ["spf", "dmarc"], "require_authentication": ["spf"]}));
        let report = ask_in(&net, "mail", settings, &post.smtp.to_string(), AMPLE).await;
        assert_eq!(gist(&report), expected, "{}", message(&report));
        let seen = ["spf", "dmarc"].map(|method| labelled(&report, "auth_local_pass", method));
        assert_eq!(seen, [spf, dmarc]);
        assert_eq!(read(&report, "dkim_local_pass"), None);
    }
}

#[tokio::test]
async fn a_chain_of_those_who_handed_on_is_verified() {
    let key = Ed25519KeyPair::generate().expect("a key");
    let der = key.to_pkcs8v1().expect("a document");
    let public = format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(key.public_key().as_ref()));
    let record = || ("one._domainkey.list.example.", Data::Texts(leaked(vec![public.clone()])));
    let sealer = ArcSealer::from_key(Ed25519Key::from_pkcs8_maybe_unchecked_der(der.as_ref()).expect("a key"))
        .domain("list.example")
        .selector("one")
        .headers(["From", "To", "Subject", "Date", "Message-ID"]);
    let message = AuthenticatedMessage::parse(EXAMPLE.as_bytes()).expect("a mail");
    let results = AuthenticationResults::new("list.example");
    let set = sealer.seal(&message, &results, &ArcOutput::default()).expect("a seal");
    let sealed = format!("{}{EXAMPLE}", set.to_header());
    let arc = [Method::Arc];
    assert_eq!(found(vec![record()], &arc, sealed.as_bytes(), None).await, [Some("pass")]);
    assert_eq!(found(vec![], &arc, EXAMPLE.as_bytes(), None).await, [Some("none")]);
    let changed = sealed.replace("lost", "won");
    assert_eq!(found(vec![record()], &arc, changed.as_bytes(), None).await, [Some("fail")]);
    assert_eq!(found(vec![], &arc, sealed.as_bytes(), None).await, [Some("permerror")]);
    let silent = vec![("one._domainkey.list.example.", Data::Code(ResponseCode::ServFail))];
    assert_eq!(found(silent, &arc, sealed.as_bytes(), None).await, [None]);
}

#[tokio::test]
async fn mails_that_cost_too_much_are_not_verified() {
    let methods = [Method::Dkim];
    let many = EXAMPLE.replacen("h=from : to :", &format!("h={}from : to :", "x:".repeat(300)), 1);
    assert_eq!(found(vec![BRISBANE], &methods, many.as_bytes(), None).await, [Some("permerror")]);
    let long = format!("X: {}\r\n{EXAMPLE}", "x".repeat(300_000));
    assert_eq!(found(vec![BRISBANE, TEST], &methods, long.as_bytes(), None).await, [Some("permerror")]);
    let forged = "DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=x; h=from; bh=AAAA; b=AAAA\r\n".repeat(20);
    let crowded = format!("{forged}{EXAMPLE}");
    assert_eq!(found(vec![BRISBANE, TEST], &methods, crowded.as_bytes(), None).await, [Some("fail")]);
    assert_eq!(found(vec![], &[Method::Dkim, Method::Dmarc], b"", None).await, [Some("permerror"); 2]);
}
