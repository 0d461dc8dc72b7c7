//! Echoes over loopback. Where the system allows neither kind of socket, that is what the tests find out.

use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::{Domain, Protocol, Socket, Type};

use super::*;
use crate::report::{Report, Verdict};
use crate::testkit::{Peer, ask_in, assert_laps_cover_the_run, gist, net, net_with_resolver};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough to see that nothing comes.
const SHORT: Duration = Duration::from_millis(300);

fn can_open(kind: Type) -> bool {
    Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4)).is_ok()
}

/// Asks once; nothing, after a look at the reason, where the system allows no such socket.
async fn ping_in(net: &Net, settings: Value, target: &str, timeout: Duration) -> Option<Report> {
    let needs_raw = settings["dont_fragment"] == json!(true) && !target.contains(':');
    let allowed = can_open(Type::RAW) || (!needs_raw && can_open(Type::DGRAM));
    let report = ask_in(net, "icmp", settings, target, timeout).await;
    assert_laps_cover_the_run(&report);
    if !allowed {
        println!("no ICMP socket is allowed here");
        assert_eq!((gist(&report).as_str(), report.verdict()), ("agent_permission in setup", Verdict::Unknown));
        return None;
    }
    Some(report)
}

async fn ping(settings: Value, target: &str) -> Option<Report> {
    ping_in(&net(), settings, target, PATIENCE).await
}

fn lap(report: &Report, phase: Phase) -> Option<Duration> {
    report.laps.iter().find(|lap| lap.phase == phase).map(|lap| lap.length)
}

fn message(report: &Report) -> &str {
    report.failure().map_or("", Failure::message)
}

#[tokio::test]
async fn loopback_answers() {
    let Some(report) = ping(json!({ "preferred_ip_protocol": "ip4" }), "127.0.0.1").await else { return };
    assert_eq!(gist(&report), "up", "{}", message(&report));
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases, ["resolve", "setup", "rtt", "wake"]);
    assert!(lap(&report, RTT) > Some(Duration::ZERO) && lap(&report, SETUP) > Some(Duration::ZERO));
    assert_eq!(report.reading_named("probe_icmp_reply_hop_limit"), Some(64.0));
    assert_eq!(report.reading_named("probe_ip_protocol"), Some(4.0));
}

#[tokio::test]
async fn loopback_answers_over_ipv6() {
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        println!("this machine has no IPv6 loopback");
        return;
    }
    for settings in [json!({}), json!({ "payload_size": 65_527 }), json!({ "dont_fragment": true, "ttl": 1 })] {
        let Some(report) = ping(settings, "::1").await else { return };
        assert_eq!(gist(&report), "up", "{}", message(&report));
        assert_eq!(report.reading_named("probe_icmp_reply_hop_limit"), Some(64.0));
        assert_eq!(report.reading_named("probe_ip_protocol"), Some(6.0));
    }
    let Some(report) = ping(json!({ "payload_size": 65_528 }), "::1").await else { return };
    assert_eq!(gist(&report), "config_unusable in setup");
}

#[tokio::test]
async fn a_mapped_address_is_asked_over_ipv4() {
    let Some(report) = ping(json!({}), "::ffff:127.0.0.1").await else { return };
    assert_eq!(gist(&report), "up", "{}", message(&report));
}

#[tokio::test]
async fn every_setting_is_followed() {
    for settings in [
        json!({ "dont_fragment": true }),
        json!({ "dont_fragment": true, "ttl": 0 }),
        json!({ "dont_fragment": true, "payload_size": 1000, "source_ip_address": "127.0.0.7" }),
        json!({ "payload_size": 1 }),
        json!({ "payload_size": 5 }),
        json!({ "payload_size": 1000 }),
        json!({ "payload_size": 65_507 }),
        json!({ "source_ip_address": "127.0.0.7" }),
        json!({ "ttl": 1 }),
        json!({ "ttl": 0 }),
        json!({ "ttl": 255 }),
    ] {
        let Some(report) = ping(settings.clone(), "127.0.0.1").await else { continue };
        assert_eq!(gist(&report), "up", "{settings}: {}", message(&report));
        assert_eq!(report.reading_named("probe_icmp_reply_hop_limit"), Some(64.0), "{settings}");
    }
}

#[tokio::test]
async fn settings_out_of_range_do_not_load() {
    let kind = crate::kind("icmp").unwrap();
    for settings in [
        json!({ "payload_size": -5 }),
        json!({ "ttl": -1 }),
        json!({ "ttl": 256 }),
        json!({ "preferred_ip_protocol": "ip5" }),
        json!({ "payload": 5 }),
    ] {
        assert!(kind.module(settings.clone()).is_err(), "{settings}");
    }
}

#[tokio::test]
async fn a_payload_that_does_not_fit_fails_at_once() {
    for size in [65_508, u64::MAX] {
        let report = ask_in(&net(), "icmp", json!({ "payload_size": size }), "127.0.0.1", PATIENCE).await;
        assert_eq!(gist(&report), "config_unusable in setup");
        assert_eq!(message(&report), format!("a payload of {size} bytes does not fit, at most 65507 do"));
        assert_eq!((report.verdict(), lap(&report, RTT)), (Verdict::Down, None));
        assert!(report.declared.contains(&RTT));
    }
}

#[tokio::test]
async fn a_source_that_does_not_fit_fails_in_setup() {
    let cases = [
        ("::1", "source address ::1 is of another protocol than 127.0.0.1"),
        ("garbage", "source_ip_address: \"garbage\" is not an IP address"),
        ("192.0.2.1", "cannot speak from 192.0.2.1: Cannot assign requested address (os error 99)"),
    ];
    for (source, words) in cases {
        let Some(report) = ping_or_config(json!({ "source_ip_address": source })).await else { continue };
        assert_eq!((gist(&report).as_str(), message(&report)), ("config_unusable in setup", words));
    }
}

/// As [`ping`], for settings that may be refused before a socket is asked for.
async fn ping_or_config(settings: Value) -> Option<Report> {
    let report = ask_in(&net(), "icmp", settings, "127.0.0.1", PATIENCE).await;
    (gist(&report) != "agent_permission in setup").then_some(report)
}

#[tokio::test]
async fn a_target_with_a_port_does_not_resolve() {
    let net = net_with_resolver(Peer::closed_port().await);
    for target in ["127.0.0.1:80", "[::1]", "", "no such name"] {
        let report = ask_in(&net, "icmp", json!({}), target, PATIENCE).await;
        let (_, phase) = report.failed_at().unwrap();
        assert_eq!((phase, report.verdict()), (net::RESOLVE, Verdict::Down), "{target}");
        assert_eq!(report.reading_named("probe_ip_protocol"), Some(0.0));
    }
}

#[tokio::test]
async fn a_swallowed_reply_times_out_in_rtt() {
    let nine = IpAddr::from([127, 0, 0, 9]);
    let net = net().with_blackhole(Arc::new(move |address| address == nine));
    for settings in [json!({}), json!({ "dont_fragment": true })] {
        let Some(report) = ping_in(&net, settings.clone(), "127.0.0.9", SHORT).await else { continue };
        assert_eq!(gist(&report), "timeout in rtt");
        assert!(report.duration < Duration::from_secs(3), "{:?}", report.duration);
        assert!(report.laps.last().unwrap().cut && RTT.is_whole_only());
        assert_eq!(report.reading_named("probe_icmp_reply_hop_limit"), None);
        let Some(report) = ping_in(&net, settings, "127.0.0.8", PATIENCE).await else { continue };
        assert_eq!(gist(&report), "up");
    }
}

#[tokio::test]
async fn many_at_once_each_get_their_own_reply() {
    const AT_ONCE: usize = 64;
    let net = net();
    for settings in [json!({}), json!({ "dont_fragment": true })] {
        let (net, settings) = (&net, &settings);
        let run = || ping_in(net, settings.clone(), "127.0.0.1", PATIENCE);
        for report in all((0..AT_ONCE).map(|_| run()).collect()).await {
            let Some(report) = report else { continue };
            assert_eq!(gist(&report), "up", "{}", message(&report));
        }
    }
}

/// Drives all of these at once.
async fn all<T>(runs: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut runs: Vec<_> = runs.into_iter().map(|run| (Box::pin(run), None)).collect();
    std::future::poll_fn(|context| {
        for (run, done) in runs.iter_mut().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(result) = run.as_mut().poll(context) {
                *done = Some(result);
            }
        }
        if runs.iter().all(|(_, done)| done.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    runs.into_iter().filter_map(|(_, done)| done).collect()
}
