//! Mails that were sent up to their final dot, and no reply came (RFC 5321 section 4.5.3.2.6).

use super::post::AfterDot;
use super::*;
use crate::testkit::{Data, net_with_resolver, zone};

const WAYS: [(AfterDot, &str); 3] =
    [(AfterDot::Close, "closed_early"), (AfterDot::Reset, "connection_reset"), (AfterDot::Silence, "timeout")];

/// What was handed in and found: submitted, arrived, sent, received, lost.
fn counts(report: &Report) -> [Option<f64>; 5] {
    ["submitted", "arrived", "sent_total", "received_total", "lost_total"].map(|name| read(report, name))
}

const ARRIVED: [Option<f64>; 5] = [Some(1.0), Some(1.0), Some(1.0), Some(1.0), Some(0.0)];
const NOT_SENT: [Option<f64>; 5] = [Some(0.0), None, Some(0.0), Some(0.0), Some(0.0)];

fn has_note(report: &Report, words: &str) -> bool {
    report.notes.iter().any(|(_, _, note)| note.contains(words))
}

fn looked(report: &Report) -> bool {
    report.laps.iter().any(|lap| lap.step.as_deref() == Some("fetch"))
}

#[tokio::test]
async fn a_mail_without_a_reply_may_arrive() {
    for (after_dot, reason) in WAYS {
        for after in [0, 300] {
            let route = move |text: &str| vec![("INBOX", text.to_owned(), Duration::from_millis(after))];
            let post = Post::open(Rules { after_dot, ..Rules::routed(route) }).await;
            let report = sent(&post, 2 * SHORT).await;
            assert_eq!(gist(&report), "up", "{reason}: {}", message(&report));
            assert_eq!((counts(&report), send_failures(&report)), (ARRIVED, Vec::new()), "{reason}");
            assert!(has_note(&report, "the mail was taken, though no reply said so"), "{reason}");
            assert!(has_note(&report, reason), "why no reply came: {reason}");
            assert_eq!((read(&report, "duplicate_total"), post.mails().len()), (Some(0.0), 0), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_mail_without_a_reply_that_does_not_arrive_was_not_handed_in() {
    for (after_dot, reason) in WAYS {
        for content in ["plain", "gtube"] {
            let post = Post::open(Rules { after_dot, ..Rules::routed(|_| Vec::new()) }).await;
            let report = sent_with(&post, json!({"content": content}), SHORT).await;
            assert_eq!((gist(&report), step(&report)), (format!("{reason} in data"), "submit"), "{content}");
            assert_eq!(report.verdict(), Verdict::Down);
            assert_eq!(counts(&report), NOT_SENT, "{reason}");
            assert_eq!(send_failures(&report), [format!("data {reason} 1")]);
            assert_eq!(labelled(&report, "content_test_ok", content), None);
            assert!(looked(&report) && post.heard("UID SEARCH") > 0, "{reason}");
            assert!(report.duration < SHORT, "{:?}", report.duration);
        }
    }
}

#[tokio::test]
async fn where_nobody_can_look_either_the_mail_was_not_handed_in() {
    for (after_dot, reason) in WAYS {
        let post = Post::open(Rules { after_dot, ..Rules::inbox(str::to_owned) }).await;
        let store = Peer::closed_port().await;
        let report = ask("mail", settings(store, json!({})), &post.smtp.to_string(), SHORT).await;
        assert_laps_cover_the_run(&report);
        assert_eq!((gist(&report), step(&report)), (format!("{reason} in data"), "submit"));
        assert_eq!((report.verdict(), counts(&report)), (Verdict::Down, NOT_SENT));
        assert!(has_note(&report, "nobody can tell whether the mail arrived"));
    }
}

#[tokio::test]
async fn a_notice_proves_that_a_mail_without_a_reply_was_taken() {
    for (action, expected, arrived_sent_lost) in
        [("failed", "bounced", [0.0, 1.0, 0.0]), ("delayed", "mail_missing", [0.0, 1.0, 1.0])]
    {
        let rules = Rules::inbox(move |text| notice(text, action));
        let post = Post::open(Rules { after_dot: AfterDot::Close, ..rules }).await;
        let report = sent(&post, SHORT).await;
        assert_eq!((gist(&report), step(&report)), (format!("{expected} in transit"), "fetch"));
        let read = ["arrived", "sent_total", "lost_total"].map(|name| read(&report, name));
        assert_eq!(read, arrived_sent_lost.map(Some), "{action}");
        assert_eq!(send_failures(&report), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_mail_whose_end_was_not_sent_is_not_looked_for() {
    let post = Post::open(Rules::inbox(str::to_owned)).await;
    let mut script = vec![say("220 x\r\n")];
    for command in ["EHLO", "MAIL", "RCPT"] {
        script.extend([hear(command), say("250 ok\r\n")]);
    }
    let peer = Peer::play([script, vec![hear("DATA"), close()]].concat()).await;
    let report = ask("mail", settings(post.imap, json!({})), &peer.address().to_string(), AMPLE).await;
    assert_laps_cover_the_run(&report);
    assert_eq!((gist(&report).as_str(), step(&report)), ("closed_early in data", "submit"));
    assert_eq!((counts(&report), looked(&report)), (NOT_SENT, false));
}

#[tokio::test]
async fn a_mail_without_a_reply_is_not_given_to_the_next_server() {
    let records = vec![
        ("example.org.", Data::Mx(10, "mx1.example.org.")),
        ("example.org.", Data::Mx(20, "mx2.example.org.")),
        ("mx1.example.org.", Data::A([127, 0, 0, 1])),
        ("mx2.example.org.", Data::A([127, 0, 0, 2])),
    ];
    for (after_dot, reason) in WAYS {
        let post = Post::open(Rules { after_dot, ..Rules::routed(|_| Vec::new()) }).await;
        let zone = zone(records.clone()).await;
        let submit = json!({"submit": {"port": post.smtp.port(), "preferred_ip_protocol": "ip4"}});
        let net = net_with_resolver(zone.address());
        // Nobody listens at the second server's address: going there would be noted.
        let report = ask_in(&net, "mail", settings(post.imap, submit), "example.org", SHORT).await;
        assert_laps_cover_the_run(&report);
        assert_eq!((gist(&report), step(&report)), (format!("{reason} in data"), "submit"));
        assert_eq!(counts(&report), NOT_SENT);
        assert!(!has_note(&report, "connect_refused") && !has_note(&report, "127.0.0.2:"), "{reason}");
    }
}
