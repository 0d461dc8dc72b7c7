//! The encrypted channel, from the start or by STARTTLS.

use serde_json::{Value, json};

use super::{CLEAR, LONG, ask, ask_briefly, ask_for, count, entries, flags, message, phases};
use crate::net::{Tls, TlsSettings};
use crate::recorder::Recorder;
use crate::report::{NoteKind, Report};
use crate::target::Target;
use crate::tcp::dialogue::Dialogue;
use crate::tcp::entry::of_bytes;
use crate::tcp::wire::Wire;
use crate::testkit::{self, Act, Authority, Leaf, Peer, close, gist, hear, say, starttls, wait_for_ever};

fn label(report: &Report, name: &str, label: &str) -> Option<String> {
    let reading = report.readings.iter().find(|reading| reading.measure.name == name)?;
    reading.labels.iter().find(|known| known.name == label).map(|label| label.value.to_string())
}

fn trusting(authority: &Authority, more: Value) -> Value {
    let mut settings = json!({"tls_config": {"ca": authority.pem()}});
    let object = settings.as_object_mut().expect("an object");
    for (key, value) in more.as_object().expect("an object") {
        match (object.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new.clone()),
            _ => drop(object.insert(key.clone(), value.clone())),
        }
    }
    settings
}

#[tokio::test]
async fn t3_the_certificate_must_be_for_the_target() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let peer = Peer::play(vec![starttls(leaf.server()), wait_for_ever()]).await;
    let port = peer.address().port();
    let tls =
        |more: Value| trusting(&authority, json!({"tls": true, "preferred_ip_protocol": "ip4", "tls_config": more}));

    let report = ask_for(LONG, tls(json!({})), &format!("127.0.0.1:{port}")).await;
    assert_eq!(gist(&report), "tls_cert_name in tls");
    assert_eq!(flags(&report), (None, None));
    assert_eq!(count(&report, "probe_ssl_earliest_cert_expiry"), 0);

    for (settings, target) in [
        (tls(json!({"max_version": "TLS12"})), format!("localhost:{port}")),
        (tls(json!({"max_version": "TLS12", "server_name": "localhost"})), format!("127.0.0.1:{port}")),
    ] {
        let report = ask_for(LONG, settings, &target).await;
        assert_eq!(gist(&report), "up");
        assert_eq!(flags(&report), CLEAR);
        assert_eq!(label(&report, "probe_tls_version_info", "version").as_deref(), Some("TLS 1.2"));
        assert_eq!(count(&report, "probe_tls_cipher_info"), 1);
        assert_eq!(count(&report, "probe_ssl_last_chain_info"), 1);
        let earliest = report.reading_named("probe_ssl_earliest_cert_expiry").expect("an expiry");
        assert_eq!(report.reading_named("probe_ssl_last_chain_expiry_timestamp_seconds"), Some(earliest));
        assert_eq!(phases(&report), ["resolve", "connect", "tls"]);
    }
}

#[tokio::test]
async fn the_hostname_is_the_name_to_verify() {
    let authority = Authority::new();
    let peer = Peer::play(vec![starttls(authority.leaf(&["mail.example"]).server()), wait_for_ever()]).await;
    let module = crate::kind("tcp").expect("the kind").module(trusting(&authority, json!({"tls": true})));
    let target = Target::new(peer.address().to_string()).with_hostname("mail.example");
    let probe = module.expect("settings").bind(&target).expect("a target");
    assert_eq!(gist(&probe.run(&testkit::net(), LONG).await), "up");
}

fn smtp_dialogue() -> Value {
    json!([
        {"expect": "^220 ([^ ]+) ESMTP (.+)$", "send": "EHLO prober\r"},
        {"expect": "^250-STARTTLS", "send": "STARTTLS\r"},
        {"expect": "^220", "starttls": true},
        {"send": "EHLO prober\r"},
        {"expect": "^250-AUTH", "send": "QUIT\r"},
    ])
}

fn smtp_server(leaf: &Leaf) -> Vec<Act> {
    vec![
        say("220 mail.example ESMTP hi\r\n"),
        hear("EHLO prober\r\n"),
        say("250-mail.example\r\n250-STARTTLS\r\n250 HELP\r\n"),
        hear("STARTTLS\r\n"),
        say("220 go ahead\r\n"),
        starttls(leaf.server()),
        hear("EHLO prober\r\n"),
        say("250-mail.example\r\n250-AUTH PLAIN\r\n250 HELP\r\n"),
        hear("QUIT\r\n"),
    ]
}

#[tokio::test]
async fn t5_a_mail_server_goes_on_encrypted() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["127.0.0.1"]);
    let settings = trusting(&authority, entries(smtp_dialogue()));
    let report = ask(settings, smtp_server(&leaf)).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(flags(&report), CLEAR);
    assert_eq!(count(&report, "probe_ssl_earliest_cert_expiry"), 1);
    assert_eq!(phases(&report), ["resolve", "connect", "exchange", "tls", "exchange"]);
    let said: Vec<_> = report.notes.iter().filter(|(_, kind, _)| *kind == NoteKind::Sent).map(|note| note.2).collect();
    assert_eq!(said, ["EHLO prober\\r", "STARTTLS\\r", "EHLO prober\\r", "QUIT\\r"]);
}

#[tokio::test]
async fn t6_an_untrusted_mail_server_fails_the_handshake() {
    let leaf = Authority::new().leaf(&["127.0.0.1"]);
    let settings = trusting(&Authority::new(), entries(smtp_dialogue()));
    let report = ask(settings, smtp_server(&leaf)).await;
    assert_eq!(gist(&report), "tls_cert_untrusted in tls");
    assert_eq!(flags(&report), CLEAR);
    assert_eq!(count(&report, "probe_ssl_earliest_cert_expiry"), 0);
    assert_eq!(count(&report, "probe_tls_version_info"), 0);
}

#[tokio::test]
async fn a_wrong_certificate_fails_the_handshake() {
    let authority = Authority::new();
    let settings = || trusting(&authority, json!({"tls": true}));
    let expired = authority.expired_leaf(&["127.0.0.1"]);
    assert_eq!(gist(&ask(settings(), vec![starttls(expired.server())]).await), "tls_cert_expired in tls");
    let elsewhere = authority.leaf(&["other.example"]);
    assert_eq!(gist(&ask(settings(), vec![starttls(elsewhere.server())]).await), "tls_cert_name in tls");
    let unknown = Authority::new().leaf(&["127.0.0.1"]);
    assert_eq!(gist(&ask(settings(), vec![starttls(unknown.server())]).await), "tls_cert_untrusted in tls");
}

#[tokio::test]
async fn a_handshake_goes_wrong_as_connections_do() {
    let tls = || json!({"tls": true});
    assert_eq!(gist(&ask(tls(), vec![say("220 plain text\r\n"), wait_for_ever()]).await), "tls_handshake in tls");
    assert_eq!(gist(&ask(tls(), vec![close()]).await), "connection_reset in tls");
    assert_eq!(gist(&ask_briefly(tls(), vec![wait_for_ever()]).await), "timeout in tls");
    let unreadable = json!({"tls": true, "tls_config": {"ca_file": "/no/such/file"}});
    assert_eq!(gist(&ask(unreadable, vec![wait_for_ever()]).await), "config_unusable in tls");
}

#[tokio::test]
async fn starttls_goes_wrong_as_connections_do() {
    let dialogue = || entries(json!([{"expect": "^220", "starttls": true}]));
    let report = ask_briefly(dialogue(), vec![say("220 go ahead\n"), wait_for_ever()]).await;
    assert_eq!(gist(&report), "timeout in tls");
    let report = ask(dialogue(), vec![say("220 go ahead\n"), hear("\u{1}"), say("500 no\r\n"), wait_for_ever()]).await;
    assert_eq!(gist(&report), "tls_handshake in tls");
    let report = ask(dialogue(), vec![say("220 go ahead\n"), hear("\u{1}"), close()]).await;
    assert_eq!(gist(&report), "closed_early in tls");
    assert_eq!(flags(&report), CLEAR);
}

#[tokio::test]
async fn text_from_before_the_handshake_does_not_count() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["127.0.0.1"]);
    let settings = trusting(&authority, entries(json!([{"expect": "^220", "starttls": true}, {"expect": "^250"}])));
    let script = vec![say("220 go ahead\r\n250 smuggled\r\n"), starttls(leaf.server()), say("500 no\r\n"), close()];
    let report = ask(settings, script).await;
    assert_eq!(gist(&report), "answer_unexpected in exchange");
    assert_eq!(message(&report), "no line matches \"^250\"; the last of 1 was \"500 no\"");
}

#[tokio::test]
async fn t21_the_second_channel_replaces_the_first() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["127.0.0.1"]);
    let settings = trusting(&authority, json!({"tls": true, "query_response": [{"expect": "go", "starttls": true}]}));
    // The peer cannot build a channel inside a channel, so the handshake fails where it does; nothing is read twice.
    let report = ask(settings, vec![starttls(leaf.server()), say("go\n"), hear("\u{1}"), close()]).await;
    assert_eq!(gist(&report), "closed_early in tls");
    assert_eq!(count(&report, "probe_tls_version_info"), 1);
    assert_eq!(count(&report, "probe_ssl_last_chain_info"), 1);
}

#[tokio::test]
async fn t22_a_database_is_asked_for_encryption_in_bytes() {
    // PostgreSQL's SSLRequest is no UTF-8; YAML gives it as `!!binary`.
    let authority = Authority::new();
    let leaf = authority.leaf(&["127.0.0.1"]);
    let request = b"\x00\x00\x00\x08\x04\xd2\x16\x2f";
    let peer = Peer::play(vec![hear("\u{4}"), say("S"), starttls(leaf.server()), wait_for_ever()]).await;
    let entries = vec![of_bytes(request, b"", false), of_bytes(b"", b"S", true)];
    let tls: TlsSettings = serde_json::from_value(json!({"ca": authority.pem()})).expect("settings");
    let dialogue = Dialogue::of(entries);
    let net = testkit::net();
    let mut recorder = Recorder::start(LONG);
    let stream = net.tcp(&mut recorder, peer.address(), None).await.expect("a connection");
    let client = Tls::new(tls, &[]);
    let held = dialogue.hold(&net, &mut recorder, Wire::new(stream), &client, "127.0.0.1").await;
    assert_eq!(held, Ok(()));
    assert_eq!(peer.heard(), [&request[..], b"\n"].concat());
}

#[tokio::test]
async fn a_certificate_may_be_left_unverified() {
    let leaf = Authority::new().leaf(&["other.example"]);
    let settings = json!({"tls": true, "tls_config": {"insecure_skip_verify": true}});
    let report = ask(settings, vec![starttls(leaf.server()), wait_for_ever()]).await;
    assert_eq!(gist(&report), "up");
    let never = report.reading_named("probe_ssl_last_chain_expiry_timestamp_seconds");
    assert_eq!(never, Some(-62_135_596_800.0));
}
