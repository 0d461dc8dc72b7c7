//! What goes wrong: each has its reason, its phase, and an end.

use super::*;
use crate::testkit::{
    Act, Authority, Peer, close, flood, hear_nothing_more, reset, say, starttls, trickle, wait_for_ever,
};

fn over_tcp() -> Value {
    with(example(), json!({"transport_protocol": "tcp"}))
}

fn over_tls(authority: &Authority) -> Value {
    let ca = authority.pem();
    with(over_tcp(), json!({"dns_over_tls": true, "tls_config": {"ca": ca}}))
}

async fn ask_script(settings: Value, script: Vec<Act>, timeout: Duration) -> Report {
    let peer = Peer::play(script).await;
    let report = testkit::ask("dns", settings, &peer.address().to_string(), timeout).await;
    assert_laps_cover_the_run(&report);
    assert_eq!(counts(&report), [0.0; 4]);
    report
}

fn assert_timed_out(report: &Report) {
    assert!(report.duration >= SHORT && report.duration < LONG, "{:?}", report.duration);
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = Peer::closed_port().await.to_string();
    let authority = Authority::new();
    // A datagram is refused only when it was sent.
    for (settings, expected) in [
        (example(), "connect_refused in request"),
        (over_tcp(), "connect_refused in connect"),
        (over_tls(&authority), "connect_refused in connect"),
    ] {
        let report = testkit::ask("dns", settings, &address, LONG).await;
        assert_laps_cover_the_run(&report);
        assert_eq!((gist(&report).as_str(), counts(&report)), (expected, [0.0; 4]));
    }
}

#[tokio::test]
async fn a_silent_server_times_out_in_request() {
    let report = ask_at(example(), &Responder::udp(|_| Vec::new()).await, SHORT).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("timeout in request", [0.0; 4]));
    assert_timed_out(&report);
    let request = report.last_lap().expect("a lap");
    assert!(request.cut && !request.phase.is_whole_only(), "the time of a lap that was cut is shown");

    let report = ask_script(over_tcp(), vec![wait_for_ever()], SHORT).await;
    assert_eq!(gist(&report), "timeout in request");
    assert_timed_out(&report);
}

#[tokio::test]
async fn a_server_silent_in_the_handshake_times_out_in_connect() {
    let authority = Authority::new();
    let report = ask_script(over_tls(&authority), vec![hear_nothing_more()], SHORT).await;
    assert_eq!(gist(&report), "timeout in connect");
    assert_timed_out(&report);
}

#[tokio::test]
async fn a_server_silent_after_the_handshake_times_out_in_request() {
    let authority = Authority::new();
    let server = authority.leaf(&["127.0.0.1"]).server();
    let report = ask_script(over_tls(&authority), vec![starttls(server), hear_nothing_more()], SHORT).await;
    assert_eq!(gist(&report), "timeout in request");
    assert_timed_out(&report);
}

#[tokio::test]
async fn garbage_is_a_breach_of_protocol() {
    let report = ask_at(example(), &Responder::udp(|_| vec![b"short".to_vec()]).await, LONG).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("protocol_error in request", [0.0; 4]));
    assert_eq!(message(&report), "a reply of 5 bytes, shorter than a header of 12");
    let report = ask_script(over_tcp(), vec![say(*b"\0\x05short")], LONG).await;
    assert_eq!(gist(&report), "protocol_error in request");
    let report = ask_script(over_tcp(), vec![say(*b"\0\0")], LONG).await;
    assert_eq!(gist(&report), "protocol_error in request");
    let authority = Authority::new();
    let report = ask_script(over_tls(&authority), vec![say("220 no TLS here\r\n")], LONG).await;
    assert_eq!(gist(&report), "tls_handshake in connect");
}

#[tokio::test]
async fn one_bad_record_leaves_the_facts_of_the_header() {
    let says = two_addresses().additional(&[record("bad", A, &[1, 2, 3])]);
    let report = ask(example(), Says { flags: 0x8583, ..says }).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("protocol_error in request", [0.0; 4]));
    assert_eq!(message(&report), "the reply cannot be read: the bytes end too early at byte 98");
    assert_eq!(reading(&report, "probe_dns_authoritative"), Some(1.0));
    assert_eq!(
        dialogue(&report)[1],
        "NXDOMAIN, flags qr aa rd ra; questions 1, answer 2, authority 0, additional 1; 101 bytes"
    );
}

#[tokio::test]
async fn too_many_records_are_too_long() {
    let records = vec![record(".", A, &[127, 0, 0, 1]); 1001];
    let settings = with(example(), json!({"udp_reply_bytes_max": 65535}));
    let report = ask(settings, says(REPLY).answer(&records)).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("too_long in request", [0.0; 4]));
}

#[tokio::test]
async fn a_server_that_hears_the_question_and_closes_has_closed_early() {
    let script = |said: &'static [u8]| vec![testkit::hear("example"), say(said), close()];
    let report = ask_script(over_tcp(), script(b""), LONG).await;
    assert_eq!(gist(&report), "closed_early in request");
    assert_eq!(message(&report), "the connection was closed before a reply came");
    let report = ask_script(over_tcp(), script(b"\0\x20half"), LONG).await;
    assert_eq!(gist(&report), "closed_early in request");
    assert_eq!(message(&report), "the connection was closed after 4 of 32 bytes");

    let authority = Authority::new();
    let server = authority.leaf(&["127.0.0.1"]).server();
    let script = vec![starttls(server), testkit::hear("example"), say(*b"\0\x20half"), close()];
    let report = ask_script(over_tls(&authority), script, LONG).await;
    assert_eq!(gist(&report), "closed_early in request");
}

#[tokio::test]
async fn a_server_that_resets_is_told() {
    let report = ask_script(over_tcp(), vec![testkit::hear("example"), reset()], LONG).await;
    assert_eq!(gist(&report), "connection_reset in request");
}

#[tokio::test]
async fn a_flood_ends() {
    // 0x2020 bytes of message, then more: only the message is read.
    let report = ask_script(over_tcp(), vec![flood(b' ')], LONG).await;
    assert_eq!(gist(&report), "protocol_error in request");

    let server = Responder::udp(|query| {
        let mut stray = query.to_vec();
        stray[0] ^= 0xff;
        vec![stray; 40]
    })
    .await;
    let report = ask_at(example(), &server, SHORT).await;
    assert_eq!(gist(&report), "timeout in request");
    assert_eq!(report.notes.iter().filter(|(_, _, text)| text.starts_with("passed over")).count(), 3);
}

#[tokio::test]
async fn one_byte_a_second_times_out() {
    let script = vec![trickle(vec![0; 64], Duration::from_secs(1))];
    let report = ask_script(over_tcp(), script, SHORT).await;
    assert_eq!(gist(&report), "timeout in request");
    assert_timed_out(&report);
}

#[tokio::test]
async fn a_name_that_does_not_exist_fails_in_resolve() {
    let names = Responder::udp(|query| vec![says(0x8183).to(query)]).await;
    let net = testkit::net_with_resolver(names.address());
    let report = testkit::ask_in(&net, "dns", example(), "ns.nowhere.example.", LONG).await;
    assert_laps_cover_the_run(&report);
    assert_eq!((gist(&report).as_str(), counts(&report)), ("dns_nxdomain in resolve", [0.0; 4]));
    assert_eq!(reading(&report, "probe_ip_protocol"), Some(0.0));
}
