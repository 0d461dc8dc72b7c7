//! Lines and bytes that are expected, and what is answered.

use std::time::Duration;

use serde_json::json;

use super::{CLEAR, NO_LINE, OTHER_BYTES, ask, ask_briefly, entries, expect_info, flags, message, talk};
use crate::testkit::{close, gist, hear, say, trickle, wait_for_ever};

const SSH_BANNER: &str = "SSH-2.0-OpenSSH_6.9p1 Debian-2\n";

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
