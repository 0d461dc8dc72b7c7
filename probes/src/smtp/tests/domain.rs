//! From a domain to its servers, and from theirs to one verdict.

use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;

use super::*;
use crate::failure::{Failure, Reason};
use crate::report::Verdict;
use crate::smtp::settings::Require;
use crate::smtp::verdict;
use crate::testkit::{Data, ask_in, gist, net_with_resolver, zone};

/// A dialogue in which the recipient is named by the domain.
fn of_domain() -> Vec<Stage> {
    let mut stages = plain();
    let rcpt = stage(&stages, "rcpt");
    stages[rcpt].1 = vec![hear("RCPT TO:<postmaster@example.org>\r\n")];
    stages
}

/// Asks `example.org` in a zone.
async fn ask_domain(records: Vec<(&'static str, Data)>, settings: Value, timeout: Duration) -> Report {
    let zone = zone(records).await;
    let report = ask_in(&net_with_resolver(zone.address()), "smtp", settings, "example.org", timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

fn steps(report: &Report) -> Vec<String> {
    let mut steps: Vec<String> = report.laps.iter().filter_map(|lap| lap.step.as_deref()).map(str::to_owned).collect();
    steps.dedup();
    steps
}

fn failed_step(report: &Report) -> Option<&str> {
    report.failed_at().and_then(|(step, _)| step)
}

fn two_hosts() -> Vec<(&'static str, Data)> {
    vec![
        ("example.org.", Data::Mx(20, "mx2.example.org.")),
        ("example.org.", Data::Mx(10, "MX1.example.org.")),
        ("mx1.example.org.", Data::A([127, 0, 0, 1])),
        ("mx2.example.org.", Data::A([127, 0, 0, 2])),
    ]
}

/// A second peer on the port of the first.
async fn beside(peer: &Peer, script: Vec<Act>) -> Peer {
    Peer::play_on(SocketAddr::from(([127, 0, 0, 2], peer.address().port())), script).await
}

#[test]
fn the_agents_own_shortage_gives_way_to_a_failure_of_the_service() {
    let failure = |reason| Failure::new(reason, "x");
    let reason = |require, accepting, reasons: &[Reason]| {
        let failures = reasons.iter().map(|reason| failure(*reason)).collect();
        verdict(require, accepting, failures).err().map(|failure| failure.reason())
    };
    let (own, first, second) = (Reason::AgentNoRoute, Reason::ConnectRefused, Reason::Timeout);
    assert_eq!(reason(Require::Any, 1, &[own, first]), None);
    assert_eq!(reason(Require::All, 2, &[]), None);
    assert_eq!(reason(Require::All, 1, &[own]), Some(own));
    assert_eq!(reason(Require::All, 1, &[own, first, second]), Some(first));
    assert_eq!(reason(Require::Any, 0, &[own, first, second]), Some(first));
    assert_eq!(reason(Require::Any, 0, &[own, own]), Some(own));
}

#[tokio::test]
async fn every_mail_host_of_a_domain_is_asked_in_order_of_preference() {
    let one = Peer::play(script(&of_domain())).await;
    let _two = beside(&one, script(&of_domain())).await;
    let report = ask_domain(two_hosts(), json!({"port": one.address().port(), "require": "all"}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    let expected = ["mx1.example.org", "mx2.example.org", "mx1.example.org 127.0.0.1", "mx2.example.org 127.0.0.2"];
    assert_eq!(steps(&report), expected);
    let read = |step, name| reading(&report, step, name, &[]);
    assert_eq!(read(None, "probe_mail_mx_records"), Some(2.0));
    assert_eq!(read(None, "probe_mail_mx_null"), Some(0.0));
    assert_eq!(read(None, "probe_mail_mx_implicit"), Some(0.0));
    assert_eq!(read(None, "probe_mail_mx_usable"), Some(2.0));
    assert_eq!(read(None, "probe_smtp_servers"), Some(2.0));
    assert_eq!(read(None, "probe_smtp_servers_accepting"), Some(2.0));
    assert_eq!(read(None, "probe_mail_deliverable"), Some(1.0));
    assert_eq!(read(Some("mx1.example.org 127.0.0.1"), "probe_smtp_mx_preference"), Some(10.0));
    assert_eq!(read(Some("mx2.example.org 127.0.0.2"), "probe_smtp_mx_preference"), Some(20.0));
    assert_eq!(read(Some("mx2.example.org 127.0.0.2"), "probe_smtp_server_success"), Some(1.0));
}

#[tokio::test]
async fn one_dead_mail_host_of_two_costs_redundancy_only() {
    // The host tried first is dead: nobody listens at 127.0.0.2.
    let records = || {
        vec![
            ("example.org.", Data::Mx(10, "dead.example.org.")),
            ("example.org.", Data::Mx(20, "alive.example.org.")),
            ("dead.example.org.", Data::A([127, 0, 0, 2])),
            ("alive.example.org.", Data::A([127, 0, 0, 1])),
        ]
    };
    let alive = Peer::play(script(&of_domain())).await;
    let port = alive.address().port();
    let report = ask_domain(records(), json!({"port": port}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_mail_mx_usable"), Some(1.0));
    assert_eq!(report.reading_named("probe_smtp_servers"), Some(2.0));
    assert_eq!(report.reading_named("probe_smtp_servers_accepting"), Some(1.0));
    assert_eq!(reading(&report, Some("dead.example.org 127.0.0.2"), "probe_smtp_server_success", &[]), Some(0.0));

    let report = ask_domain(records(), json!({"port": port, "require": "all"}), AMPLE).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!(failed_step(&report), Some("dead.example.org 127.0.0.2"));
    assert_eq!(report.reading_named("probe_mail_deliverable"), Some(1.0));
}

#[tokio::test]
async fn a_silent_mail_host_uses_up_its_own_share_of_the_time_only() {
    let first = Peer::play(silent()).await;
    let second = beside(&first, script(&of_domain())).await;
    let port = second.address().port();
    let report = ask_domain(two_hosts(), json!({"port": port}), Duration::from_secs(3)).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    let cut: Vec<_> =
        report.laps.iter().filter(|lap| lap.cut).map(|lap| (lap.step.as_deref(), lap.phase.name())).collect();
    assert_eq!(cut, [(Some("mx1.example.org 127.0.0.1"), "greeting")]);
}

#[tokio::test]
async fn a_silent_last_mail_host_does_not_take_the_verdict_with_it() {
    let first = Peer::play(script(&of_domain())).await;
    let _second = beside(&first, silent()).await;
    let port = first.address().port();
    let report = ask_domain(two_hosts(), json!({"port": port}), Duration::from_secs(3)).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_smtp_servers_accepting"), Some(1.0));
}

#[tokio::test]
async fn where_all_fail_the_first_server_gives_the_reason() {
    let stages = of_domain();
    let first = Peer::play(refusing(&stages, stage(&stages, "rcpt"), "550 5.1.1 no such user\r\n")).await;
    let _second = beside(&first, refusing(&stages, 0, "554 no\r\n")).await;
    let report = ask_domain(two_hosts(), json!({"port": first.address().port()}), AMPLE).await;
    assert_eq!(gist(&report), "recipient_refused in rcpt");
    assert_eq!(failed_step(&report), Some("mx1.example.org 127.0.0.1"));
    let why = |step, values: &[&str]| reading(&report, Some(step), "probe_smtp_server_failure_info", values);
    assert_eq!(why("mx1.example.org 127.0.0.1", &["recipient_refused", "rcpt"]), Some(1.0));
    assert_eq!(why("mx2.example.org 127.0.0.2", &["rejected", "greeting"]), Some(1.0));
    let noted = "mx2.example.org 127.0.0.2: rejected: the server greets with 554 no";
    assert!(report.notes.iter().any(|(_, _, text)| text == noted), "{:?}", report.notes);
    assert_eq!(report.verdict(), Verdict::Down);
}

#[tokio::test]
async fn a_server_to_which_the_agent_has_no_route_is_not_counted() {
    let records = || {
        vec![
            ("example.org.", Data::Mx(10, "mx.example.org.")),
            // The system refuses to open a connection to everybody, as it does where it has no route.
            ("mx.example.org.", Data::A([255, 255, 255, 255])),
            ("mx.example.org.", Data::A([127, 0, 0, 1])),
        ]
    };
    let peer = Peer::play(script(&of_domain())).await;
    let port = peer.address().port();
    let report = ask_domain(records(), json!({"port": port}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_smtp_servers"), Some(1.0));
    assert_eq!(report.reading_named("probe_smtp_servers_accepting"), Some(1.0));
    assert_eq!(reading(&report, Some("mx.example.org 255.255.255.255"), "probe_smtp_server_success", &[]), None);
    let report = ask_domain(records(), json!({"port": port, "require": "all"}), AMPLE).await;
    assert_eq!(gist(&report), "agent_no_route in connect");
    assert_eq!(report.verdict(), Verdict::Unknown);
}

#[tokio::test]
async fn every_address_of_a_mail_host_is_asked_unless_one_is_enough() {
    let records = || {
        vec![
            ("example.org.", Data::Mx(10, "mx.example.org.")),
            ("mx.example.org.", Data::A([127, 0, 0, 1])),
            ("mx.example.org.", Data::A([127, 0, 0, 2])),
        ]
    };
    let one = Peer::play(script(&of_domain())).await;
    let _two = beside(&one, script(&of_domain())).await;
    let settings = json!({"port": one.address().port(), "preferred_ip_protocol": "ip4"});
    let report = ask_domain(records(), settings, AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_smtp_servers_accepting"), Some(2.0));

    let settings = json!({"port": one.address().port(), "preferred_ip_protocol": "ip4", "addresses": "first"});
    let report = ask_domain(records(), settings, AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_smtp_servers"), Some(1.0));
}

#[tokio::test]
async fn a_certificate_is_verified_for_the_mail_hosts_name() {
    let authority = Authority::new();
    let records =
        || vec![("example.org.", Data::Mx(10, "mx.example.org.")), ("mx.example.org.", Data::A([127, 0, 0, 1]))];
    for (name, expected) in [("mx.example.org", "up"), ("example.org", "tls_cert_name in tls")] {
        let mut stages = encrypted(authority.leaf(&[name]).server());
        let rcpt = stage(&stages, "rcpt");
        stages[rcpt].1 = vec![hear("RCPT TO:<postmaster@example.org>\r\n")];
        let peer = Peer::play(script(&stages)).await;
        let settings = json!({"port": peer.address().port(), "tls_config": {"ca": authority.pem()}});
        let report = ask_domain(records(), settings, AMPLE).await;
        assert_eq!(gist(&report), expected, "{:?}", report.failure());
    }
}

#[tokio::test]
async fn without_mx_the_domains_own_address_stands_in() {
    let peer = Peer::play(script(&of_domain())).await;
    let settings = json!({"port": peer.address().port()});
    let report = ask_domain(vec![("example.org.", Data::A([127, 0, 0, 1]))], settings, AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_mail_mx_implicit"), Some(1.0));
    assert_eq!(steps(&report), ["example.org", "example.org 127.0.0.1"]);
}

#[tokio::test]
async fn a_null_mx_says_that_no_mail_is_taken() {
    let records = vec![("example.org.", Data::Mx(0, ".")), ("example.org.", Data::A([127, 0, 0, 1]))];
    let report = ask_domain(records, json!({}), AMPLE).await;
    assert_eq!(gist(&report), "mx_missing in resolve");
    assert_eq!(report.reading_named("probe_mail_mx_null"), Some(1.0));
    assert_eq!(report.reading_named("probe_smtp_servers"), Some(0.0));
}

#[tokio::test]
async fn a_domain_that_cannot_be_looked_up_says_why() {
    let cases = [
        (vec![], "dns_nxdomain in resolve"),
        (vec![("example.org.", Data::Code(ResponseCode::ServFail))], "dns_servfail in resolve"),
        (vec![("example.org.", Data::Code(ResponseCode::Refused))], "dns_refused in resolve"),
        (vec![("example.org.", Data::Mx(1, "mx.example.org."))], "dns_nxdomain in resolve"),
        (vec![("example.org.", Data::Mx(1, "*.example.org."))], "dns_error in resolve"),
    ];
    for (records, expected) in cases {
        let report = ask_domain(records, json!({}), AMPLE).await;
        assert_eq!(gist(&report), expected, "{:?}", report.failure());
        assert_eq!(report.verdict(), Verdict::Down);
    }
}

#[tokio::test]
async fn a_silent_name_server_times_out_in_resolve() {
    let report = ask_domain(vec![("example.org.", Data::Silence)], json!({}), SHORT).await;
    assert_eq!(gist(&report), "dns_timeout in resolve");
}

#[tokio::test]
async fn a_mail_host_whose_name_is_not_answered_for_leaves_time_for_the_others() {
    let peer = Peer::play(script(&of_domain())).await;
    let records = vec![
        ("example.org.", Data::Mx(10, "lost.example.org.")),
        ("example.org.", Data::Mx(20, "alive.example.org.")),
        ("lost.example.org.", Data::Silence),
        ("alive.example.org.", Data::A([127, 0, 0, 1])),
    ];
    let report = ask_domain(records, json!({"port": peer.address().port()}), Duration::from_secs(3)).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(reading(&report, Some("lost.example.org"), "probe_smtp_server_success", &[]), Some(0.0));
    assert_eq!(reading(&report, Some("alive.example.org 127.0.0.1"), "probe_smtp_server_success", &[]), Some(1.0));
}

#[tokio::test]
async fn hosts_and_addresses_are_bounded() {
    let names: Vec<&'static str> = vec![
        "a.example.org.",
        "b.example.org.",
        "c.example.org.",
        "d.example.org.",
        "e.example.org.",
        "f.example.org.",
        "g.example.org.",
        "h.example.org.",
        "i.example.org.",
        "j.example.org.",
        "k.example.org.",
    ];
    let mut records = Vec::new();
    for name in names {
        records.push(("example.org.", Data::Mx(1, name)));
        // Nobody listens there: each is refused at once.
        records.extend((1..=9).map(|last| (name, Data::A([127, 0, 7, last]))));
    }
    let peer = Peer::closed_port().await;
    let settings = json!({"port": peer.port(), "preferred_ip_protocol": "ip4", "ip_protocol_fallback": false});
    let report = ask_domain(records, settings, AMPLE).await;
    assert_eq!(gist(&report), "connect_refused in connect");
    assert_eq!(report.reading_named("probe_mail_mx_records"), Some(11.0));
    assert_eq!(report.reading_named("probe_smtp_servers"), Some(16.0));
    let hosts = steps(&report).into_iter().filter(|step| step.contains(' ')).map(|step| step[..1].to_owned());
    let mut hosts: Vec<_> = hosts.collect();
    hosts.dedup();
    assert_eq!(hosts, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
}

#[tokio::test]
async fn addresses_of_both_families_are_asked_where_both_are_wanted() {
    let records = || {
        vec![
            ("example.org.", Data::Mx(10, "mx.example.org.")),
            ("mx.example.org.", Data::A([127, 0, 0, 1])),
            ("mx.example.org.", Data::Aaaa([0, 0, 0, 0, 0, 0, 0, 1])),
        ]
    };
    let peer = Peer::play(script(&of_domain())).await;
    let port = peer.address().port();
    let report = ask_domain(records(), json!({"port": port}), AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(steps(&report), ["mx.example.org", "mx.example.org ::1", "mx.example.org 127.0.0.1"]);
    let only = json!({"port": port, "preferred_ip_protocol": "ip4", "ip_protocol_fallback": false, "require": "all"});
    let report = ask_domain(records(), only, AMPLE).await;
    assert_eq!(gist(&report), "up", "{:?}", report.failure());
    assert_eq!(report.reading_named("probe_smtp_servers"), Some(1.0));
}

#[test]
fn a_domains_servers_are_asked_about_its_own_recipients() {
    let error = |settings: Value| {
        let module = crate::kind("smtp").expect("the kind").module(settings).expect("settings");
        module.bind(&crate::Target::new("example.org")).err().map(|invalid| invalid.to_string())
    };
    let foreign = json!(["a@Example.org", "b@elsewhere.example"]);
    let refused = "\"example.org\" is not the domain of the recipient b@elsewhere.example (allow_foreign_domains)";
    assert_eq!(error(json!({"recipients": ["a@EXAMPLE.org", "postmaster"]})), None);
    assert_eq!(error(json!({"recipients": foreign})).as_deref(), Some(refused));
    assert_eq!(error(json!({"refuses": {"recipient": "b@elsewhere.example"}})).as_deref(), Some(refused));
    assert_eq!(error(json!({"recipients": foreign, "allow_foreign_domains": true})), None);
    assert_eq!(error(json!({"recipients": foreign, "username": "u", "password": "p"})), None);
    let own = "\"example.org\" is the domain of a@example.org, which is no relaying (refuses.relay)";
    assert_eq!(error(json!({"refuses": {"relay": "a@example.org"}})).as_deref(), Some(own));
    assert_eq!(error(json!({"refuses": {"relay": "b@elsewhere.example"}})), None);
}
