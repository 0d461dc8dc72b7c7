//! Mail stores that follow a script.

use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::Reason;
use crate::report::{NoteKind, Report};
use crate::testkit::{
    Act, Authority, Peer, ask, assert_laps_cover_the_run, close, gist, hear, reset, say, starttls, trickle,
    wait_for_ever,
};

/// Ample: a test that needs it has failed.
const AMPLE: Duration = Duration::from_secs(20);
/// For peers that stay silent.
const SHORT: Duration = Duration::from_millis(400);

/// What a server waits for and then says, phase by phase.
type Stage = (&'static str, Option<&'static str>, Act);

/// `AHVzZXIAcGVuY2ls`: NUL user NUL pencil.
fn imap() -> Vec<Stage> {
    vec![
        ("greeting", None, say("* OK ready\r\n")),
        (
            "capability",
            Some("a1 CAPABILITY\r\n"),
            say("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN QUOTA\r\na1 OK done\r\n"),
        ),
        ("login", Some("a2 AUTHENTICATE PLAIN AHVzZXIAcGVuY2ls\r\n"), say("a2 OK [READ-WRITE] in\r\n")),
        ("login", Some("a3 CAPABILITY\r\n"), say("* CAPABILITY IMAP4rev1 QUOTA STATUS=SIZE\r\na3 OK done\r\n")),
        (
            "select",
            Some("a4 STATUS \"INBOX\" (MESSAGES UNSEEN SIZE)\r\n"),
            say("* STATUS {5}\r\nINBOX (MESSAGES 17 UNSEEN 2 SIZE 4096)\r\na4 OK done\r\n"),
        ),
        (
            "quota",
            Some("a5 GETQUOTAROOT \"INBOX\"\r\n"),
            say(
                "* QUOTAROOT INBOX \"User quota\"\r\n* QUOTA \"User quota\" (STORAGE 512 1024 MESSAGE 17 20)\r\na5 OK done\r\n",
            ),
        ),
        ("logout", Some("a6 LOGOUT\r\n"), say("* BYE see you\r\na6 OK done\r\n")),
    ]
}

fn pop3() -> Vec<Stage> {
    vec![
        ("greeting", None, say("+OK ready\r\n")),
        ("capability", Some("CAPA\r\n"), say("+OK\r\nTOP\r\nSASL PLAIN LOGIN\r\nUIDL\r\n.\r\n")),
        ("login", Some("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n"), say("+OK in\r\n")),
        ("select", Some("STAT\r\n"), say("+OK 3 1234\r\n")),
        ("logout", Some("QUIT\r\n"), say("+OK bye\r\n")),
    ]
}

fn sieve() -> Vec<Stage> {
    vec![
        (
            "greeting",
            None,
            say("\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"PLAIN\"\r\n\"VERSION\" \"1.0\"\r\nOK \"ready\"\r\n"),
        ),
        ("login", Some("AUTHENTICATE \"PLAIN\" \"AHVzZXIAcGVuY2ls\"\r\n"), say("OK \"in\"\r\n")),
        ("select", Some("LISTSCRIPTS\r\n"), say("\"away\" ACTIVE\r\n{4}\r\nspam\r\nOK\r\n")),
        ("logout", Some("LOGOUT\r\n"), say("OK \"bye\"\r\n")),
    ]
}

fn protocols() -> [(&'static str, Vec<Stage>); 3] {
    [("imap", imap()), ("pop3", pop3()), ("managesieve", sieve())]
}

/// In the open, with a password that may be heard.
fn settings(protocol: &str) -> Value {
    json!({"protocol": protocol, "encryption": "none", "username": "user", "password": "pencil",
        "allow_cleartext_login": true})
}

fn with(mut settings: Value, more: Value) -> Value {
    let fields = settings.as_object_mut().expect("settings");
    fields.extend(more.as_object().expect("settings").clone());
    settings
}

/// The dialogue, or its beginning up to the stage, whose answer is replaced.
fn script(stages: &[Stage], broken: usize, act: Option<Act>) -> Vec<Act> {
    let mut script = Vec::new();
    for (_, heard, said) in &stages[..broken] {
        script.extend(heard.map(hear));
        script.push(said.clone());
    }
    if let (Some((_, heard, _)), Some(act)) = (stages.get(broken), act) {
        script.extend(heard.map(hear));
        script.push(act);
    }
    script
}

fn whole(stages: &[Stage]) -> Vec<Act> {
    script(stages, stages.len(), None)
}

async fn asked(script: Vec<Act>, settings: Value, timeout: Duration) -> Report {
    let peer = Peer::play(script).await;
    let report = ask("mailbox", settings, &peer.address().to_string(), timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

/// The stages with another answer where this is asked.
fn answering(mut stages: Vec<Stage>, asked: &str, answer: &str) -> Vec<Act> {
    let at = stages.iter().position(|(_, heard, _)| heard.is_some_and(|heard| heard.contains(asked)));
    let at = at.expect("a stage in which this is asked");
    stages[at].2 = say(answer);
    stages.truncate(at + 1);
    whole(&stages)
}

fn message(report: &Report) -> &str {
    report.failure().map_or("", |failure| failure.message())
}

#[tokio::test]
async fn an_imap_store_shows_messages_and_room() {
    let report = asked(whole(&imap()), settings("imap"), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let read = |name: &str| report.reading_named(&format!("probe_mailbox_{name}"));
    assert_eq!(read("login_ok"), Some(1.0));
    assert_eq!(read("messages"), Some(17.0));
    assert_eq!(read("unseen"), Some(2.0));
    assert_eq!(read("size_bytes"), Some(4096.0));
    assert_eq!(read("quota_used_bytes"), Some(512.0 * 1024.0));
    assert_eq!(read("quota_limit_bytes"), Some(1024.0 * 1024.0));
    assert_eq!(read("quota_used_ratio"), Some(0.85));
}

#[tokio::test]
async fn a_pop3_store_shows_messages_and_their_size() {
    let report = asked(whole(&pop3()), settings("pop3"), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(report.reading_named("probe_mailbox_messages"), Some(3.0));
    assert_eq!(report.reading_named("probe_mailbox_size_bytes"), Some(1234.0));
}

#[tokio::test]
async fn a_managesieve_server_shows_scripts() {
    let report = asked(whole(&sieve()), settings("managesieve"), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(report.reading_named("probe_mailbox_sieve_scripts"), Some(2.0));
    assert_eq!(report.reading_named("probe_mailbox_sieve_scripts_active"), Some(1.0));
}

#[tokio::test]
async fn without_a_user_nobody_logs_in() {
    let stages = [
        ("greeting", None, say("* OK ready\r\n")),
        imap()[1].clone(),
        ("logout", Some("a2 LOGOUT\r\n"), say("a2 OK\r\n")),
    ];
    let report = asked(whole(&stages), json!({"encryption": "none"}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
    assert_eq!(report.reading_named("probe_mailbox_login_ok"), None);
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_open() {
    for (protocol, stages) in protocols() {
        let settings = with(settings(protocol), json!({"allow_cleartext_login": false}));
        let peer = Peer::play(whole(&stages)).await;
        let report = ask("mailbox", settings, &peer.address().to_string(), AMPLE).await;
        assert_eq!(gist(&report), "config_unusable in login", "{protocol}");
        let heard = String::from_utf8(peer.heard()).expect("text");
        assert!(!heard.contains("AUTH") && !heard.contains("USER"), "{heard}");
    }
}

#[tokio::test]
async fn no_secret_stands_in_the_notes() {
    for (protocol, stages) in protocols() {
        let report = asked(whole(&stages), settings(protocol), AMPLE).await;
        assert_eq!(gist(&report), "up", "{protocol}: {}", message(&report));
        for (_, _, text) in report.notes.iter() {
            assert!(!text.contains("pencil") && !text.contains("AHVzZXIAcGVuY2ls"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_refused_login_is_told_from_one_that_will_pass() {
    let cases = [
        ("imap", imap(), "AUTHENTICATE", "a2 NO [AUTHENTICATIONFAILED] no\r\n", "auth_refused in login"),
        ("imap", imap(), "AUTHENTICATE", "a2 NO [UNAVAILABLE] later\r\n", "rejected_temporarily in login"),
        ("imap", imap(), "AUTHENTICATE", "a2 BAD what\r\n", "protocol_error in login"),
        ("imap", imap(), "AUTHENTICATE", "* BYE too many\r\n", "rejected_temporarily in login"),
        ("pop3", pop3(), "AUTH", "-ERR [AUTH] no\r\n", "auth_refused in login"),
        ("pop3", pop3(), "AUTH", "-ERR [IN-USE] another session\r\n", "rejected_temporarily in login"),
        ("managesieve", sieve(), "AUTHENTICATE", "NO \"no\"\r\n", "auth_refused in login"),
        ("managesieve", sieve(), "AUTHENTICATE", "NO (TRYLATER) \"later\"\r\n", "rejected_temporarily in login"),
        ("managesieve", sieve(), "AUTHENTICATE", "BYE \"no\"\r\n", "rejected_temporarily in login"),
    ];
    for (protocol, stages, asked_for, answer, expected) in cases {
        let report = asked(answering(stages, asked_for, answer), settings(protocol), AMPLE).await;
        assert_eq!(gist(&report), expected, "{protocol}: {answer}");
        assert_eq!(report.reading_named("probe_mailbox_login_ok"), Some(0.0));
    }
}

#[tokio::test]
async fn older_servers_are_logged_in_to_by_their_own_commands() {
    let imap = [
        say("* OK ready\r\n"),
        hear("CAPABILITY\r\n"),
        say("* CAPABILITY IMAP4rev1\r\na1 OK\r\n"),
        hear("a2 LOGIN \"user\" \"pencil\"\r\n"),
        say("a2 OK\r\n"),
        hear("a3 CAPABILITY\r\n"),
        say("* CAPABILITY IMAP4rev1\r\na3 OK\r\n"),
        hear("(MESSAGES UNSEEN)\r\n"),
        say("* STATUS INBOX (UNSEEN 0 MESSAGES 1)\r\na4 OK\r\n"),
    ];
    let pop3 = [
        say("+OK ready\r\n"),
        hear("CAPA\r\n"),
        say("-ERR unknown\r\n"),
        hear("USER user\r\n"),
        say("+OK\r\n"),
        hear("PASS pencil\r\n"),
        say("+OK\r\n"),
        hear("STAT\r\n"),
        say("+OK 1 20\r\n"),
    ];
    for (protocol, script) in [("imap", imap), ("pop3", pop3)] {
        let report = asked(script.to_vec(), settings(protocol), AMPLE).await;
        assert_eq!(gist(&report), "up", "{protocol}: {}", message(&report));
        assert_eq!(report.reading_named("probe_mailbox_messages"), Some(1.0), "{protocol}");
        let sent: Vec<_> = report.notes.iter().filter(|(_, kind, _)| *kind == NoteKind::Sent).collect();
        assert!(sent.iter().any(|(_, _, text)| text.contains("<secret>")), "{protocol}");
        assert!(!sent.iter().any(|(_, _, text)| text.contains("pencil")), "{protocol}");
    }
}

#[tokio::test]
async fn where_no_login_is_offered_none_is_tried() {
    let disabled = answering(imap(), "CAPABILITY", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\na1 OK\r\n");
    assert_eq!(gist(&asked(disabled, settings("imap"), AMPLE).await), "auth_missing in login");
    // Dovecot's list where it wants the channel encrypted first.
    let silent = answering(pop3(), "CAPA", "+OK\r\nTOP\r\nUIDL\r\nSTLS\r\nSASL\r\n.\r\n");
    assert_eq!(gist(&asked(silent, settings("pop3"), AMPLE).await), "auth_missing in login");
    let wanted = with(settings("imap"), json!({"mechanism": "SCRAM-SHA-256"}));
    assert_eq!(gist(&asked(whole(&imap()), wanted, AMPLE).await), "auth_missing in login");
    let mut stages = sieve();
    stages[0].2 = say("\"IMPLEMENTATION\" \"x\"\r\nOK\r\n");
    assert_eq!(gist(&asked(whole(&stages), settings("managesieve"), AMPLE).await), "auth_missing in login");
}

#[tokio::test]
async fn a_mailbox_without_room_fails() {
    let full = with(settings("imap"), json!({"fail_if_quota_above": 0.8}));
    let report = asked(whole(&imap()), full, AMPLE).await;
    assert_eq!(gist(&report), "mailbox_full in quota");
    assert_eq!(message(&report), "85 % of the quota are used, more than 80 %");
    let ample = with(settings("imap"), json!({"fail_if_quota_above": 0.9, "fail_if_more_messages_than": 17}));
    assert_eq!(gist(&asked(whole(&imap()), ample, AMPLE).await), "up");
    for (protocol, stages, most) in [("imap", imap(), 16), ("pop3", pop3(), 2)] {
        let few = with(settings(protocol), json!({"fail_if_more_messages_than": most}));
        let report = asked(whole(&stages), few, AMPLE).await;
        assert_eq!(report.failure().map(|failure| failure.reason()), Some(Reason::MailboxFull), "{protocol}");
    }
    let untold = answering(imap(), "a3 CAPABILITY", "* CAPABILITY IMAP4rev1\r\na3 OK\r\n");
    let mut untold = untold;
    untold.extend([hear("STATUS"), say("* STATUS INBOX (MESSAGES 1 UNSEEN 0)\r\na4 OK\r\n")]);
    let wanted = with(settings("imap"), json!({"fail_if_quota_above": 0.9}));
    assert_eq!(gist(&asked(untold, wanted, AMPLE).await), "answer_unexpected in select");
}

#[tokio::test]
async fn the_dialogue_becomes_encrypted_from_the_start_or_on_the_way() {
    let authority = Authority::new();
    let config = || authority.leaf(&["127.0.0.1"]).server();
    let trust = json!({"tls_config": {"ca": authority.pem()}, "allow_cleartext_login": false});
    let encrypted = |protocol: &str, encryption: &str| {
        with(with(settings(protocol), trust.clone()), json!({"encryption": encryption}))
    };
    for (protocol, stages) in protocols() {
        let mut script = vec![starttls(config())];
        script.extend(whole(&stages));
        let report = asked(script, encrypted(protocol, "tls"), AMPLE).await;
        assert_eq!(gist(&report), "up", "{protocol}: {}", message(&report));
        assert!(report.reading_named("probe_ssl_earliest_cert_expiry").is_some(), "{protocol}");
    }
    let turns = [
        ("imap", "a2 STARTTLS\r\n", "a2 OK go\r\n"),
        ("pop3", "STLS\r\n", "+OK go\r\n"),
        ("managesieve", "STARTTLS\r\n", "OK \"go\"\r\n"),
    ];
    for ((protocol, stages), (_, heard, said)) in protocols().into_iter().zip(turns) {
        let offered = match protocol {
            "imap" => "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK\r\n",
            "pop3" => "+OK\r\nSTLS\r\n.\r\n",
            _ => "\"STARTTLS\"\r\n\"SASL\" \"\"\r\nOK\r\n",
        };
        let mut script = Vec::new();
        // The greeting of ManageSieve says what it can do; the others are asked.
        let (open, rest) = if protocol == "managesieve" {
            (vec![say(offered)], &stages[..])
        } else {
            (vec![stages[0].2.clone(), hear("CAPA"), say(offered)], &stages[1..])
        };
        script.extend(open);
        script.extend([hear(heard), say(said), starttls(config())]);
        script.extend(whole(rest));
        let report = asked(script, encrypted(protocol, "starttls"), AMPLE).await;
        assert_eq!(gist(&report), "up", "{protocol}: {}", message(&report));
        let tls: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).filter(|name| *name == "tls").collect();
        assert_eq!(tls.len(), 1, "{protocol}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_offer_encryption_is_not_spoken_to_in_the_open() {
    for (protocol, stages) in protocols() {
        let report = asked(whole(&stages), with(settings(protocol), json!({"encryption": "starttls"})), AMPLE).await;
        assert_eq!(report.failure().map(|failure| failure.reason()), Some(Reason::StarttlsMissing), "{protocol}");
    }
}

#[tokio::test]
async fn plain_text_where_encryption_should_begin_is_refused() {
    let script = vec![
        say("* OK\r\n"),
        hear("CAPABILITY\r\n"),
        say("* CAPABILITY STARTTLS\r\na1 OK\r\n"),
        hear("STARTTLS\r\n"),
        say("a2 OK go\r\n* PREAUTH injected\r\n"),
    ];
    let report = asked(script, with(settings("imap"), json!({"encryption": "starttls"})), AMPLE).await;
    assert_eq!(gist(&report), "protocol_error in starttls");
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_ends_the_dialogue() {
    let authority = Authority::new();
    for (leaf, expected) in [
        (authority.leaf(&["mail.example.org"]), "tls_cert_name in tls"),
        (Authority::new().leaf(&["127.0.0.1"]), "tls_cert_untrusted in tls"),
    ] {
        let more = json!({"encryption": "tls", "tls_config": {"ca": authority.pem()}});
        let report = asked(vec![starttls(leaf.server())], with(settings("imap"), more), AMPLE).await;
        assert_eq!(gist(&report), expected);
    }
}

#[tokio::test]
async fn a_server_that_is_silent_times_out_where_it_is_silent() {
    for (protocol, stages) in protocols() {
        for (at, (phase, ..)) in stages.iter().enumerate().filter(|(_, (phase, ..))| *phase != "logout") {
            let report = asked(script(&stages, at, Some(wait_for_ever())), settings(protocol), SHORT).await;
            assert_eq!(gist(&report), format!("timeout in {phase}"), "{protocol}");
        }
    }
}

#[tokio::test]
async fn a_server_that_closes_or_resets_is_told_where() {
    for (protocol, stages) in protocols() {
        for (at, (phase, ..)) in stages.iter().enumerate().filter(|(_, (phase, ..))| *phase != "logout") {
            let report = asked(script(&stages, at, Some(close())), settings(protocol), AMPLE).await;
            assert_eq!(gist(&report), format!("closed_early in {phase}"), "{protocol}");
            let report = asked(script(&stages, at, Some(reset())), settings(protocol), AMPLE).await;
            assert_eq!(gist(&report), format!("connection_reset in {phase}"), "{protocol}");
        }
    }
}

#[tokio::test]
async fn a_server_that_talks_nonsense_breaks_the_protocol() {
    for (protocol, stages) in protocols() {
        for (at, (phase, ..)) in stages.iter().enumerate().filter(|(_, (phase, ..))| *phase != "logout") {
            let report =
                asked(script(&stages, at, Some(say("HTTP/1.1 400 Bad Request\r\n"))), settings(protocol), AMPLE).await;
            assert_eq!(gist(&report), format!("protocol_error in {phase}"), "{protocol}");
        }
    }
}

#[tokio::test]
async fn a_server_that_says_too_much_is_stopped() {
    let long = "x".repeat(9000);
    for (protocol, stages) in protocols() {
        let report = asked(script(&stages, 0, Some(say(long.clone()))), settings(protocol), AMPLE).await;
        assert_eq!(gist(&report), "too_long in greeting", "{protocol}");
    }
    let literal = answering(imap(), "STATUS", "* STATUS {4294967296}\r\nINBOX");
    assert_eq!(gist(&asked(literal, settings("imap"), AMPLE).await), "too_long in select");
    let endless = answering(imap(), "STATUS", &"* STATUS INBOX ()\r\n".repeat(1100));
    assert_eq!(gist(&asked(endless, settings("imap"), AMPLE).await), "too_long in select");
    let endless = answering(sieve(), "LISTSCRIPTS", &"\"x\"\r\n".repeat(1100));
    assert_eq!(gist(&asked(endless, settings("managesieve"), AMPLE).await), "too_long in select");
    let endless = answering(pop3(), "CAPA", &format!("+OK\r\n{}", "X\r\n".repeat(200)));
    assert_eq!(gist(&asked(endless, settings("pop3"), AMPLE).await), "too_long in capability");
    let mut challenges = answering(pop3(), "AUTH", &"+ \r\n".repeat(20));
    challenges.push(wait_for_ever());
    assert_eq!(gist(&asked(challenges, settings("pop3"), AMPLE).await), "protocol_error in login");
}

#[tokio::test]
async fn a_server_that_dribbles_does_not_hold_the_run_beyond_its_time() {
    let act = trickle("* OK ready to serve you\r\n", Duration::from_millis(50));
    let report = asked(vec![act], settings("imap"), SHORT).await;
    assert_eq!(gist(&report), "timeout in greeting");
}

#[tokio::test]
async fn a_silent_leave_changes_no_verdict() {
    let stages = pop3();
    let report = asked(script(&stages, 4, Some(wait_for_ever())), settings("pop3"), AMPLE).await;
    assert_eq!(gist(&report), "up", "{}", message(&report));
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let target = Peer::closed_port().await.to_string();
    assert_eq!(gist(&ask("mailbox", settings("imap"), &target, AMPLE).await), "connect_refused in connect");
}

#[test]
fn settings_and_targets_that_make_no_sense_are_refused() {
    let kind = crate::kind("mailbox").expect("the kind");
    let refused = |settings: Value| kind.module(settings).map(drop).expect_err("settings").to_string();
    assert_eq!(refused(json!({"username": "u"})), "`username` and `password` go together");
    assert_eq!(refused(json!({"mechanism": "PLAIN"})), "`mechanism` needs `username` and `password`");
    assert_eq!(
        refused(json!({"fail_if_quota_above": 0.5})),
        "without `username` and `password` nothing can be counted"
    );
    let counting = |protocol: &str, more: Value| refused(with(settings(protocol), more));
    assert_eq!(counting("pop3", json!({"fail_if_quota_above": 0.5})), "`fail_if_quota_above` needs `protocol: imap`");
    assert_eq!(counting("imap", json!({"fail_if_quota_above": 90})), "`fail_if_quota_above` is a ratio from 0 to 1");
    assert_eq!(counting("managesieve", json!({"fail_if_more_messages_than": 1})), "`managesieve` holds no messages");
    assert!(counting("imap", json!({"folder": "a\r\nb"})).starts_with("`folder` is a name"));
    let module = kind.module(json!({})).expect("settings");
    for text in ["", "a b:c", "host:0", "host:x y"] {
        assert!(module.bind(&crate::Target::new(text)).is_err(), "{text}");
    }
}
