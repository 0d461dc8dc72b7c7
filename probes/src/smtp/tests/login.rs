//! Submission: encryption from the start, logging in, LMTP, and what must be refused.

use super::*;
use crate::report::Verdict;
use crate::testkit::gist;

/// NUL user NUL pencil.
const PLAIN: &str = "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n";

fn with(mut settings: Value, more: Value) -> Value {
    let fields = settings.as_object_mut().expect("settings");
    fields.extend(more.as_object().expect("settings").clone());
    settings
}

/// In the open, with a password that may be heard.
fn user() -> Value {
    json!({"username": "user", "password": "pencil", "allow_cleartext_login": true})
}

/// A dialogue with a login after the greetings.
fn submission() -> Vec<Stage> {
    let mut stages = plain();
    stages[1].2 = say("250-mx.example.org\r\n250 AUTH PLAIN LOGIN\r\n");
    stages.insert(2, ("auth", vec![hear(PLAIN)], say("235 2.7.0 in\r\n")));
    stages
}

fn message(report: &Report) -> &str {
    report.failure().map_or("", |failure| failure.message())
}

#[tokio::test]
async fn a_user_logs_in_before_the_sender_is_named() {
    let peer = Peer::play(script(&submission())).await;
    let report = ask_peer(&peer, user(), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(reading(&report, Some("127.0.0.1"), "probe_smtp_auth_ok", &["PLAIN"]), Some(1.0));
    let said = dialogue(&report).join("\n");
    assert!(said.contains("C: AUTH PLAIN\n") && !said.contains("AHVzZXIAcGVuY2ls"), "{said}");
}

#[tokio::test]
async fn login_answers_questions_and_its_answers_are_not_noted() {
    let mut stages = submission();
    let questions = vec![
        hear("AUTH LOGIN\r\n"),
        say("334 VXNlcm5hbWU6\r\n"),
        hear("dXNlcg==\r\n"),
        say("334 UGFzc3dvcmQ6\r\n"),
        hear("cGVuY2ls\r\n"),
    ];
    stages[2].1 = questions;
    let peer = Peer::play(script(&stages)).await;
    let report = ask_peer(&peer, with(user(), json!({"mechanism": "LOGIN"})), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let said = dialogue(&report).join("\n");
    assert!(!said.contains("dXNlcg") && !said.contains("cGVuY2ls"), "{said}");
}

#[tokio::test]
async fn a_refused_login_says_of_what() {
    let cases = [
        ("535 5.7.8 authentication failed\r\n", "auth_refused in auth"),
        ("454 4.7.0 later\r\n", "rejected_temporarily in auth"),
        ("534 5.7.9 too weak\r\n", "auth_missing in auth"),
        ("250 what\r\n", "protocol_error in auth"),
    ];
    let stages = submission();
    for (reply, expected) in cases {
        let peer = Peer::play(refusing(&stages, 2, reply)).await;
        let report = ask_peer(&peer, user(), AMPLE).await;
        assert_eq!(gist(&report), expected, "{reply}");
        assert_eq!(reading(&report, Some("127.0.0.1"), "probe_smtp_auth_ok", &["PLAIN"]), Some(0.0));
    }
    let peer = Peer::play(script_with(&stages, 2, [wait_for_ever()])).await;
    assert_eq!(gist(&ask_peer(&peer, user(), SHORT).await), "timeout in auth");
    let peer = Peer::play(script_with(&stages, 2, [close()])).await;
    assert_eq!(gist(&ask_peer(&peer, user(), AMPLE).await), "closed_early in auth");
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_open() {
    let peer = Peer::play(script(&submission())).await;
    let report = ask_peer(&peer, with(user(), json!({"allow_cleartext_login": false})), AMPLE).await;
    assert_eq!(gist(&report), "config_unusable in auth");
    let heard = String::from_utf8(peer.heard()).expect("text");
    assert!(!heard.contains("AUTH"), "{heard}");
}

#[tokio::test]
async fn a_server_without_logins_has_none() {
    let peer = Peer::play(script(&plain())).await;
    assert_eq!(gist(&ask_peer(&peer, user(), AMPLE).await), "auth_missing in auth");
}

#[tokio::test]
async fn the_connection_may_be_encrypted_from_the_start() {
    let (config, trust) = trusted(&Authority::new());
    let mut stages = vec![starttls(config)];
    stages.extend(script(&submission()));
    let peer = Peer::play(stages).await;
    let settings = with(with(user(), trust), json!({"tls": true, "allow_cleartext_login": false}));
    let report = ask_peer(&peer, settings, AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let phases: Vec<&str> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases[..5], ["resolve", "connect", "tls", "greeting", "ehlo"], "{phases:?}");
    let capability = |tls| reading(&report, Some("127.0.0.1"), "probe_smtp_capability", &["AUTH", tls]);
    assert_eq!((capability("before"), capability("after")), (None, Some(1.0)));
}

#[tokio::test]
async fn lmtp_greets_in_its_own_way() {
    let mut stages = plain();
    stages[1].1 = vec![hear("LHLO [127.0.0.1]\r\n")];
    let peer = Peer::play(script(&stages)).await;
    let report = ask_peer(&peer, json!({"protocol": "lmtp"}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let peer = Peer::play(refusing(&stages, 1, "500 5.5.1 what\r\n")).await;
    assert_eq!(gist(&ask_peer(&peer, json!({"protocol": "lmtp"}), AMPLE).await), "rejected in ehlo");
}

/// What is asked after the recipients were named, and the last answer to it.
fn asking(recipient: &str, answer: &str) -> Vec<Act> {
    let mut stages = plain();
    let asked = vec![
        hear("RSET\r\n"),
        say("250 Ok\r\n"),
        hear("MAIL FROM:<>\r\n"),
        say("250 Ok\r\n"),
        hear(format!("RCPT TO:<{recipient}>\r\n")),
    ];
    stages.insert(4, ("refused", asked, say(answer)));
    script(&stages)
}

#[tokio::test]
async fn what_must_be_refused_is_asked_for() {
    let (nobody, stranger) = ("nobody@example.org", "x@elsewhere.example");
    let recipient = json!({"refuses": {"recipient": nobody}});
    let relay = json!({"refuses": {"relay": stranger}});
    let invalid = "probe_smtp_invalid_rcpt_rejected";
    let open = "probe_smtp_open_relay";
    let cases = [
        (nobody, &recipient, "550 5.1.1 unknown\r\n", "up", invalid, Some(1.0)),
        (nobody, &recipient, "250 Ok\r\n", "accepted_unexpectedly in rcpt_invalid", invalid, Some(0.0)),
        (nobody, &recipient, "450 4.1.1 later\r\n", "up", invalid, None),
        (stranger, &relay, "554 5.7.1 relay denied\r\n", "up", open, Some(0.0)),
        (stranger, &relay, "250 Ok\r\n", "accepted_unexpectedly in relay", open, Some(1.0)),
    ];
    for (address, settings, answer, expected, name, value) in cases {
        let peer = Peer::play(asking(address, answer)).await;
        let report = ask_peer(&peer, settings.clone(), AMPLE).await;
        assert_eq!(gist(&report), expected, "{answer}: {}", message(&report));
        assert_eq!(reading(&report, Some("127.0.0.1"), name, &[]), value, "{answer}");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_told_where_it_was_refused_though_more_was_asked() {
    let mut stages = plain();
    stages[3].2 = say("550 5.1.1 unknown\r\n");
    let asked = vec![
        hear("RSET\r\n"),
        say("250 Ok\r\n"),
        hear("MAIL FROM:<>\r\n"),
        say("250 Ok\r\n"),
        hear("RCPT TO:<x@y>\r\n"),
    ];
    stages.insert(4, ("refused", asked, say("550 no\r\n")));
    let peer = Peer::play(script(&stages)).await;
    let report = ask_peer(&peer, json!({"refuses": {"recipient": "x@y"}}), AMPLE).await;
    assert_eq!(gist(&report), "recipient_refused in rcpt");
    assert_eq!(reading(&report, Some("127.0.0.1"), "probe_smtp_invalid_rcpt_rejected", &[]), Some(1.0));
}

#[tokio::test]
async fn a_wrong_password_is_tried_first_where_that_is_wanted() {
    let settings = with(user(), json!({"refuses": {"wrong_password": true}, "mechanism": "PLAIN"}));
    let cases = [
        ("535 5.7.8 no\r\n", "up", Some(1.0)),
        ("235 welcome\r\n", "accepted_unexpectedly in bad_auth", Some(0.0)),
        ("454 4.7.0 later\r\n", "rejected_temporarily in bad_auth", None),
    ];
    for (answer, expected, value) in cases {
        let mut stages = submission();
        stages.insert(2, ("bad_auth", vec![hear("AUTH PLAIN ")], say(answer)));
        let mut acts = script(&stages);
        acts.extend([hear("RSET\r\n"), say("250 Ok\r\n"), hear("QUIT\r\n"), say("221 Bye\r\n")]);
        let peer = Peer::play(acts).await;
        let report = ask_peer(&peer, settings.clone(), Duration::from_secs(3)).await;
        assert_eq!(gist(&report), expected, "{answer}: {}", message(&report));
        assert_eq!(reading(&report, Some("127.0.0.1"), "probe_smtp_bad_auth_rejected", &[]), value, "{answer}");
        assert_ne!(report.verdict(), Verdict::Unknown);
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let kind = crate::kind("smtp").expect("the kind");
    let refused = |settings: Value| kind.module(settings).map(drop).expect_err("settings").to_string();
    assert_eq!(refused(json!({"tls": true, "starttls": "required"})), "`tls` and `starttls` exclude each other");
    assert_eq!(refused(json!({"username": "u"})), "`username` and `password` go together");
    let wrong = json!({"refuses": {"wrong_password": true}});
    assert_eq!(refused(wrong), "`refuses.wrong_password` needs `username` and `password`");
    let relay = with(user(), json!({"refuses": {"relay": "x@y"}}));
    assert_eq!(refused(relay), "`refuses.relay` is asked by strangers: a server may relay for those who log in");
    assert!(refused(json!({"refuses": {"recipient": "a\r\nQUIT@x"}})).contains("invalid mail address"));
}
