//! A server that makes strangers wait, over runs. Between runs hours pass at once.

use super::*;
use crate::net::Net;
use crate::testkit::{ask_in, gist, net};

const LATER: &str = "450 4.2.0 Greylisted, see elsewhere\r\n";
const MINUTE: Duration = Duration::from_secs(60);

/// A world, and a server in it.
async fn town() -> (Net, Peer) {
    (net(), Peer::play(silent()).await)
}

/// Asks the server, which answers so to the recipient.
async fn answered(net: &Net, peer: &Peer, answer: &str, settings: Value) -> Report {
    let stages = plain();
    peer.now_plays(match answer {
        "" => script(&stages),
        answer => refusing(&stages, stage(&stages, "rcpt"), answer),
    });
    ask_in(net, "smtp", settings, &peer.address().to_string(), AMPLE).await
}

/// Time passes between runs. Within one it is real, for sockets are.
async fn after(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Whether it is greylisted, for how many minutes so far, what was learned in minutes.
fn seen(report: &Report) -> [Option<f64>; 3] {
    let read = |name: &str| report.reading_named(&format!("probe_smtp_greylist{name}"));
    let minutes = |name| read(name).map(|seconds| (seconds / 60.0).round());
    [read("ed"), minutes("_pending_seconds"), minutes("_last_delay_seconds")]
}

#[tokio::test]
async fn how_long_a_stranger_waits_is_learned_over_runs() {
    let (net, peer) = town().await;
    let report = answered(&net, &peer, LATER, json!({})).await;
    assert_eq!(gist(&report), "greylisted in rcpt");
    assert_eq!(seen(&report), [Some(1.0), Some(0.0), None]);
    after(2 * MINUTE).await;
    let report = answered(&net, &peer, LATER, json!({})).await;
    assert_eq!(seen(&report), [Some(1.0), Some(2.0), None]);
    // That the server could not be asked in between changes nothing.
    after(2 * MINUTE).await;
    let report = answered(&net, &peer, "451 4.3.0 out of memory\r\n", json!({})).await;
    assert_eq!(seen(&report), [Some(0.0), Some(0.0), None]);
    after(MINUTE).await;
    let report = answered(&net, &peer, "", json!({})).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(seen(&report), [Some(0.0), Some(0.0), Some(5.0)]);
    assert_eq!(report.reading_named("probe_smtp_greylist_events_total"), Some(0.0));
    assert!(report.reading_named("probe_smtp_greylist_delay_seconds").is_some());
    // It is learned once.
    let report = answered(&net, &peer, "", json!({})).await;
    assert_eq!(seen(&report), [Some(0.0), Some(0.0), None]);
    // Who has to wait again is a stranger again.
    after(MINUTE).await;
    let report = answered(&net, &peer, LATER, json!({})).await;
    assert_eq!(seen(&report), [Some(1.0), Some(0.0), None]);
}

#[tokio::test]
async fn greylisting_without_end_is_a_failure_even_where_it_passes() {
    let (net, peer) = town().await;
    let pass = json!({"greylisting": "pass"});
    assert_eq!(gist(&answered(&net, &peer, LATER, pass.clone()).await), "up");
    after(59 * MINUTE).await;
    assert_eq!(gist(&answered(&net, &peer, LATER, pass.clone()).await), "up");
    after(2 * MINUTE).await;
    let report = answered(&net, &peer, LATER, pass).await;
    assert_eq!(gist(&report), "greylisted in rcpt");
    let message = report.failure().map_or("", |failure| failure.message());
    let expected =
        "s, and 3600s are allowed: the answer to RCPT TO:<postmaster> is 450 4.2.0 Greylisted, see elsewhere";
    assert!(message.starts_with("greylisted for 36") && message.ends_with(expected), "{message}");
    assert_eq!(seen(&report), [Some(1.0), Some(61.0), None]);
}

#[tokio::test]
async fn another_answer_ends_the_case() {
    let (net, peer) = town().await;
    let soon = json!({"greylisting": "pass", "greylisting_max": "5m"});
    answered(&net, &peer, LATER, soon.clone()).await;
    after(10 * MINUTE).await;
    answered(&net, &peer, "550 5.1.1 no such user\r\n", soon.clone()).await;
    let report = answered(&net, &peer, LATER, soon.clone()).await;
    assert_eq!((&*gist(&report), seen(&report)), ("up", [Some(1.0), Some(0.0), None]));
    // So does a long pause: the server has forgotten who came.
    after(49 * 60 * MINUTE).await;
    let report = answered(&net, &peer, LATER, soon).await;
    assert_eq!((&*gist(&report), seen(&report)), ("up", [Some(1.0), Some(0.0), None]));
}

#[tokio::test]
async fn each_sender_and_each_module_is_a_case_of_its_own() {
    let (net, peer) = town().await;
    answered(&net, &peer, LATER, json!({})).await;
    after(MINUTE).await;
    let report = answered(&net, &peer, LATER, json!({"addresses": "first"})).await;
    assert_eq!(seen(&report), [Some(1.0), Some(0.0), None]);
    let report = answered(&net, &peer, "", json!({"addresses": "first"})).await;
    assert_eq!(seen(&report), [Some(0.0), Some(0.0), Some(0.0)]);
    let report = answered(&net, &peer, LATER, json!({})).await;
    assert_eq!(seen(&report), [Some(1.0), Some(1.0), None]);
}
