//! The dialogue against scripted peers: what blackbox_exporter's users rely on, and what goes wrong.

use std::time::Duration;

use serde_json::{Value, json};

use crate::report::{NoteKind, Report, Verdict};
use crate::target::Target;
use crate::testkit::{
    self, Act, Authority, Leaf, Peer, assert_laps_cover_the_run, close, flood, gist, hear, reset, say, starttls,
    trickle, wait_for_ever,
};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(400);

const SSH_BANNER: &str = "SSH-2.0-OpenSSH_6.9p1 Debian-2\n";

async fn ask_for(timeout: Duration, settings: Value, target: &str) -> Report {
    let report = testkit::ask("tcp", settings, target, timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

/// Asks a peer that plays a script.
async fn ask(settings: Value, script: Vec<Act>) -> Report {
    let peer = Peer::play(script).await;
    ask_for(LONG, settings, &peer.address().to_string()).await
}

async fn ask_briefly(settings: Value, script: Vec<Act>) -> Report {
    let peer = Peer::play(script).await;
    let report = ask_for(SHORT, settings, &peer.address().to_string()).await;
    assert!(report.duration >= SHORT && report.duration < LONG, "{:?}", report.duration);
    report
}

/// Asks a peer and gives what it heard, too.
async fn talk(settings: Value, script: Vec<Act>) -> (Report, String) {
    let peer = Peer::play(script).await;
    let report = ask_for(LONG, settings, &peer.address().to_string()).await;
    (report, String::from_utf8_lossy(&peer.heard()).into_owned())
}

fn entries(entries: Value) -> Value {
    json!({"query_response": entries})
}

/// `probe_failed_due_to_regex` and `probe_failed_due_to_bytes`.
fn flags(report: &Report) -> (Option<f64>, Option<f64>) {
    (report.reading_named("probe_failed_due_to_regex"), report.reading_named("probe_failed_due_to_bytes"))
}

const CLEAR: (Option<f64>, Option<f64>) = (Some(0.0), Some(0.0));
const NO_LINE: (Option<f64>, Option<f64>) = (Some(1.0), Some(0.0));
const OTHER_BYTES: (Option<f64>, Option<f64>) = (Some(0.0), Some(1.0));

/// The labels of `probe_expect_info`, one series after the other.
fn expect_info(report: &Report) -> Vec<Vec<(&str, &str)>> {
    let series = report.readings.iter().filter(|reading| reading.measure.name == "probe_expect_info");
    series.map(|reading| reading.labels.iter().map(|label| (&*label.name, &*label.value)).collect()).collect()
}

/// How often a metric was read.
fn count(report: &Report, name: &str) -> usize {
    report.readings.iter().filter(|reading| reading.measure.name == name).count()
}

fn label(report: &Report, name: &str, label: &str) -> Option<String> {
    let reading = report.readings.iter().find(|reading| reading.measure.name == name)?;
    reading.labels.iter().find(|known| known.name == label).map(|label| label.value.to_string())
}

fn phases(report: &Report) -> Vec<&str> {
    report.laps.iter().map(|lap| lap.phase.name()).collect()
}

fn message(report: &Report) -> &str {
    report.failure().expect("a failure").message()
}

// Plain connections.

#[tokio::test]
async fn t1_connecting_is_enough() {
    let report = ask(json!({}), vec![close()]).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(flags(&report), CLEAR);
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
    assert_eq!(report.reading_named("probe_ip_addr_hash"), Some(3_668_918_509.0));
    assert_eq!(phases(&report), ["resolve", "connect"]);
}

#[tokio::test]
async fn t2_a_target_without_port_or_with_scheme_cannot_be_asked() {
    for target in ["localhost", "tcp://localhost:80", "localhost:", "localhost:nosuch", "localhost:65536", "[::1"] {
        let report = ask_for(LONG, json!({}), target).await;
        assert_eq!(gist(&report), "target_invalid in no phase", "{target}");
        assert_eq!(report.readings.len(), 0, "{target}");
    }
}

#[tokio::test]
async fn t2_an_empty_host_is_looked_up_in_vain() {
    let report = ask_for(LONG, json!({}), ":0").await;
    assert_eq!(gist(&report), "target_invalid in resolve");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
    assert_eq!(flags(&report), (None, None));
}

#[tokio::test]
async fn t2_a_closed_port_refuses() {
    let report = ask_for(LONG, json!({}), &Peer::closed_port().await.to_string()).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
    assert_eq!(flags(&report), (None, None));
}

#[tokio::test]
async fn t23_the_source_address_is_used_when_it_is_one() {
    let report = ask(json!({"source_ip_address": "127.0.0.1"}), vec![close()]).await;
    assert_eq!(gist(&report), "up");
    let report = ask(json!({"source_ip_address": "garbage"}), vec![close()]).await;
    assert_eq!(gist(&report), "config_unusable in connect");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
}

#[tokio::test]
async fn t24_the_address_family_is_chosen() {
    let only = |family: &str| json!({"preferred_ip_protocol": family, "ip_protocol_fallback": false});
    let report = ask(only("ip4"), vec![close()]).await;
    assert_eq!(gist(&report), "up");
    let report = ask(only("ip6"), vec![close()]).await;
    assert_eq!(gist(&report), "dns_nodata in resolve");
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
}

// Lines.

#[tokio::test]
async fn t7_an_irc_server_is_greeted() {
    let dialogue = || entries(json!([{"send": "NICK prober"}, {"send": "USER a 0 * :b"}, {"expect": "^:[^ ]+ 001"}]));
    let (report, heard) =
        talk(dialogue(), vec![hear("USER a 0 * :b\n"), say(":irc NOTICE x\r\n:irc 001 hi\r\n"), close()]).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(heard, "NICK prober\nUSER a 0 * :b\n");
    assert_eq!(flags(&report), CLEAR);
    let report = ask(dialogue(), vec![hear("USER a 0 * :b\n"), say("ERROR :banned\r\n"), close()]).await;
    assert_eq!(gist(&report), "answer_unexpected in exchange");
    assert_eq!(message(&report), "no line matches \"^:[^ ]+ 001\"; the last of 1 was \"ERROR :banned\"");
    assert_eq!(flags(&report), NO_LINE);
}

#[tokio::test]
async fn t8_groups_go_into_the_answer_and_the_labels() {
    let settings = entries(json!([{
        "expect": "^SSH-2.0-([^ -]+)(?: (.*))?$",
        "send": "CONFIRM ${1}",
        "labels": [{"name": "ssh_version", "value": "${1}"}, {"name": "ssh_comments", "value": "${2}"}],
    }, {"expect": "^ok"}]));
    let (report, heard) = talk(settings, vec![say(SSH_BANNER), hear("\n"), say("ok\n")]).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(heard, "CONFIRM OpenSSH_6.9p1\n");
    assert_eq!(expect_info(&report), [[("ssh_version", "OpenSSH_6.9p1"), ("ssh_comments", "Debian-2")]]);
}

#[tokio::test]
async fn t9_labels_are_templates() {
    let settings = entries(json!([{
        "expect": "^SSH-2.0-([^ -]+)(?: (.*))?$",
        "labels": [{"name": "a", "value": "got ${1} here"}, {"name": "b", "value": "${1} on ${2}"}],
    }]));
    let report = ask(settings, vec![say(SSH_BANNER)]).await;
    assert_eq!(expect_info(&report), [[("a", "got OpenSSH_6.9p1 here"), ("b", "OpenSSH_6.9p1 on Debian-2")]]);
}

#[tokio::test]
async fn t10_a_peer_that_closes_in_silence_did_not_answer() {
    let report = ask(entries(json!([{"expect": "."}])), vec![close()]).await;
    assert_eq!(gist(&report), "closed_early in exchange");
    assert_eq!(flags(&report), NO_LINE);
}

#[tokio::test]
async fn t11_a_silent_peer_times_out_in_exchange() {
    let report = ask_briefly(entries(json!([{"expect": "."}])), vec![wait_for_ever()]).await;
    assert_eq!(gist(&report), "timeout in exchange");
    assert_eq!(flags(&report), CLEAR);
}

#[tokio::test]
async fn t12_the_last_line_needs_no_end() {
    let report = ask(entries(json!([{"expect": "^220 hi$"}])), vec![say("220 hi"), close()]).await;
    assert_eq!(gist(&report), "up");
}

#[tokio::test]
async fn t13_a_line_may_end_with_crlf() {
    let report = ask(entries(json!([{"expect": "^line one$"}])), vec![say("line one\r\nline two\r\n")]).await;
    assert_eq!(gist(&report), "up");
}

#[tokio::test]
async fn t14_lines_that_did_not_match_are_gone() {
    let report = ask(entries(json!([{"expect": "^c"}, {"expect": "^b"}])), vec![say("a\nb\nc\nd\n"), close()]).await;
    assert_eq!(gist(&report), "answer_unexpected in exchange");
    assert_eq!(flags(&report), NO_LINE);
}

#[tokio::test]
async fn t15_a_long_line_is_too_long() {
    let line = "x".repeat(70_000) + "\n";
    let report = ask(entries(json!([{"expect": "x"}])), vec![say(line), wait_for_ever()]).await;
    assert_eq!(gist(&report), "too_long in exchange");
    assert_eq!(flags(&report), CLEAR);
}

#[tokio::test]
async fn t19_a_line_feed_follows_what_is_sent() {
    let settings = entries(json!([{"send": "hello"}, {"send": ""}, {"send": "x\r"}, {"expect": "bye"}]));
    let (report, heard) = talk(settings, vec![hear("x\r\n"), say("bye\n")]).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(heard, "hello\nx\r\n");
}

#[tokio::test]
async fn t20_named_groups_go_into_the_answer() {
    let settings = entries(json!([{
        "expect": "^(?P<proto>[A-Z]+)-(?P<v>[0-9.]+)",
        "send": "$proto ${v} $v_x ${v}x $",
    }, {"expect": "ok"}]));
    let (_, heard) = talk(settings, vec![say(SSH_BANNER), hear("\n"), say("ok\n")]).await;
    assert_eq!(heard, "SSH 2.0  2.0x $\n");
}

#[tokio::test]
async fn t21_labels_of_several_lines_are_one_series() {
    let settings = entries(json!([
        {"expect": "a(.)", "labels": [{"name": "x", "value": "$1"}, {"name": "x", "value": "again"}]},
        {"expect": "b(.)b", "labels": [{"name": "y", "value": "$1"}, {"name": "a-b", "value": ""}]},
        {"expect": "c(.)", "labels": [{"name": "x", "value": "$1"}]},
    ]));
    let report = ask(settings, vec![say(b"a1\nb\xffb\nc3\n".to_vec())]).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(expect_info(&report), [[("x", "3"), ("y", "\u{fffd}"), ("a_b", "")]]);
}

#[tokio::test]
async fn an_empty_list_of_labels_shows_the_metric_without_labels() {
    let report = ask(entries(json!([{"expect": "a", "labels": []}])), vec![say("a\n")]).await;
    assert_eq!(expect_info(&report), [[]]);
    let report = ask(entries(json!([{"expect": "a"}])), vec![say("a\n")]).await;
    assert_eq!(expect_info(&report), Vec::<Vec<_>>::new());
    let report = ask(entries(json!([{"expect_bytes": "a", "labels": []}])), vec![say("a")]).await;
    assert_eq!(expect_info(&report), Vec::<Vec<_>>::new());
}

// Bytes.

#[tokio::test]
async fn t16_bytes_are_equal_different_or_missing() {
    let settings = || entries(json!([{"expect_bytes": "SSH-"}]));
    let report = ask(settings(), vec![say("SSH-2.0")]).await;
    assert_eq!((gist(&report).as_str(), flags(&report)), ("up", CLEAR));
    let report = ask(settings(), vec![say("HTTP/1.1 200")]).await;
    assert_eq!((gist(&report).as_str(), flags(&report)), ("answer_unexpected in exchange", OTHER_BYTES));
    assert_eq!(message(&report), "the peer sent \"HTTP\" and not \"SSH-\"");
    let report = ask(settings(), vec![say("SS"), close()]).await;
    assert_eq!((gist(&report).as_str(), flags(&report)), ("closed_early in exchange", CLEAR));
    assert_eq!(message(&report), "the peer closed the connection after 2 of 4 expected bytes");
    let report = ask(settings(), vec![close()]).await;
    assert_eq!((gist(&report).as_str(), flags(&report)), ("closed_early in exchange", CLEAR));
    let report = ask_briefly(settings(), vec![say("SS"), wait_for_ever()]).await;
    assert_eq!((gist(&report).as_str(), flags(&report)), ("timeout in exchange", CLEAR));
}

#[tokio::test]
async fn t17_bytes_may_come_one_by_one() {
    let report = ask(entries(json!([{"expect_bytes": "SSH-"}])), vec![trickle("SSH-", Duration::from_millis(5))]).await;
    assert_eq!(gist(&report), "up");
}

#[tokio::test]
async fn t18_bytes_may_come_with_the_line_before() {
    let settings = entries(json!([{"expect": "^220"}, {"expect_bytes": "SSH"}, {"expect": "^-2.0$"}]));
    let report = ask(settings, vec![say("220 hi\r\nSSH-2.0\r\n")]).await;
    assert_eq!(gist(&report), "up");
}

// What goes wrong.

#[tokio::test]
async fn a_peer_that_resets_is_told_from_one_that_closes() {
    let settings = entries(json!([{"send": "hello"}, {"expect": "x"}]));
    let report = ask(settings, vec![hear("hello\n"), reset()]).await;
    assert_eq!(gist(&report), "connection_reset in exchange");
    assert_eq!(flags(&report), CLEAR);
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let settings = entries(json!([{"expect": "^220"}]));
    let report = ask(settings, vec![say(b"\x00\xff\x1b[2J\n\xfe".to_vec()), close()]).await;
    assert_eq!(gist(&report), "answer_unexpected in exchange");
    assert_eq!(message(&report), "no line matches \"^220\"; the last of 2 was \"\\xfe\"");
}

#[tokio::test]
async fn a_peer_that_closes_midway_did_not_answer() {
    let settings = entries(json!([{"expect": "^220", "send": "HELO x"}, {"expect": "^250"}]));
    let report = ask(settings, vec![say("220 hi\n"), hear("HELO x\n"), close()]).await;
    assert_eq!(gist(&report), "closed_early in exchange");
    assert_eq!(flags(&report), NO_LINE);
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let report = ask(entries(json!([{"expect": "y"}])), vec![flood(b'x')]).await;
    assert_eq!(gist(&report), "too_long in exchange");
    let report = ask(entries(json!([{"expect": "y"}])), vec![flood(b'\n')]).await;
    assert_eq!(gist(&report), "too_long in exchange");
    let report = ask(json!({"tls": true}), vec![flood(b'x')]).await;
    assert_eq!(gist(&report), "tls_handshake in tls");
}

#[tokio::test]
async fn a_trickle_does_not_outlast_the_deadline() {
    let drop_by_drop = || vec![trickle(vec![b'x'; 10_000], Duration::from_millis(20))];
    let report = ask_briefly(entries(json!([{"expect": "y"}])), drop_by_drop()).await;
    assert_eq!(gist(&report), "timeout in exchange");
    let report = ask_briefly(entries(json!([{"expect_bytes": "x".repeat(9000)}])), drop_by_drop()).await;
    assert_eq!(gist(&report), "timeout in exchange");
}

#[tokio::test]
async fn a_peer_that_does_not_listen_times_out_in_exchange() {
    // More than the buffers of a connection on loopback hold.
    let settings = entries(json!([{"send": "x".repeat(16 << 20)}]));
    let peer = Peer::play(vec![say("220\n"), Act::Trickle(vec![b'x'], LONG)]).await;
    let report = ask_for(SHORT, settings, &peer.address().to_string()).await;
    assert_eq!(gist(&report), "timeout in exchange");
}

// The encrypted channel.

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
    let entries = vec![super::entry::of_bytes(request, b"", false), super::entry::of_bytes(b"", b"S", true)];
    let tls: crate::net::TlsSettings = serde_json::from_value(json!({"ca": authority.pem()})).expect("settings");
    let dialogue = super::Dialogue::of(entries);
    let net = testkit::net();
    let mut recorder = crate::Recorder::start(LONG);
    let stream = net.tcp(&mut recorder, peer.address(), None).await.expect("a connection");
    let client = crate::net::Tls::new(tls, &[]);
    let held = dialogue.hold(&net, &mut recorder, super::Wire::new(stream), &client, "127.0.0.1").await;
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

// Settings, notes.

#[test]
fn unknown_settings_are_errors() {
    let module = |settings| crate::kind("tcp").expect("the kind").module(settings).map(drop);
    assert!(module(json!({"query_response": [{"expect": "a", "unknown": 1}]})).is_err());
    assert!(module(json!({"querry_response": []})).is_err());
    assert!(module(json!({"tls_config": {"min_version": "TLS9"}})).is_err());
    assert!(module(json!({"source_ip_address": "garbage", "tls": false})).is_ok());
}

#[tokio::test]
async fn a_secret_is_sent_but_not_shown() {
    let path = std::env::temp_dir().join(format!("tuermer-tcp-secret-{}", std::process::id()));
    std::fs::write(&path, "hunter2\n").expect("a file");
    let settings = entries(json!([
        {"send": format!("PASS ${{file:{}}}\r", path.display())},
        {"expect": "got (.*)", "labels": [{"name": "said", "value": "$1"}]},
        {"expect": "bye"},
    ]));
    let (report, heard) = talk(settings, vec![hear("\n"), say("got hunter2\r\nhunter2?\r\n"), close()]).await;
    std::fs::remove_file(&path).expect("the file");
    assert_eq!(heard, "PASS hunter2\r\n");
    assert_eq!(expect_info(&report), [[("said", "<secret>")]]);
    assert_eq!(message(&report), "no line matches \"bye\"; the last of 1 was \"<secret>?\"");
    assert!(report.notes.iter().all(|(_, _, text)| !text.contains("hunter2")));
}

#[tokio::test]
async fn a_module_whose_secret_file_is_missing_is_unusable() {
    let report = ask(entries(json!([{"send": "${file:/no/such/file}"}])), vec![wait_for_ever()]).await;
    assert_eq!(gist(&report), "config_unusable in exchange");
    assert_eq!(report.verdict(), Verdict::Down);
}
