//! What blackbox_exporter's users rely on, and what goes beyond it.

use std::sync::Arc;

use super::*;
use crate::dns::Dns;
use crate::net::RESOLVE;
use crate::probe::Probe as _;
use crate::target::Target;
use crate::testkit::Authority;

fn rules(section: &str, rules: Value) -> Value {
    with(example(), json!({ format!("validate_{section}_rrs"): rules }))
}

#[tokio::test]
async fn records_are_counted_by_section() {
    let says = two_addresses().authority(&[record("example.com", NS, b"\x02ns\0")]).additional(&[
        record("ns", A, &[127, 0, 0, 3]),
        record("ns", AAAA, &[0; 16]),
        record("x", A, &[1, 2, 3, 4]),
    ]);
    let report = ask(example(), says).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(counts(&report), [2.0, 1.0, 3.0, 1.0]);
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases, ["resolve", "connect", "request"]);
    assert_eq!(reading(&report, "probe_dns_serial"), None);
}

#[tokio::test]
async fn recursion_is_asked_for_unless_switched_off() {
    let server = Responder::udp(|query| {
        let wanted = query[2] & 1 != 0;
        vec![if wanted { two_addresses() } else { says(0x8005) }.to(query)]
    })
    .await;
    assert_eq!(gist(&ask_at(example(), &server, LONG).await), "up");
    let report = ask_at(with(example(), json!({"recursion_desired": false})), &server, LONG).await;
    assert_eq!(gist(&report), "rcode_unexpected in request");
    assert_eq!(message(&report), "REFUSED, expected NOERROR");
    assert_eq!(counts(&report), [0.0, 0.0, 0.0, 1.0]);
}

#[tokio::test]
async fn the_response_code_must_be_one_of_the_valid() {
    let of = |rcodes: Value| with(example(), json!({"valid_rcodes": rcodes}));
    let failing = json!(["SERVFAIL", "NXDOMAIN"]);
    let report = ask(of(failing.clone()), two_addresses()).await;
    assert_eq!((gist(&report).as_str(), counts(&report)[3]), ("rcode_unexpected in request", 1.0));
    assert_eq!(message(&report), "NOERROR, expected SERVFAIL or NXDOMAIN");
    assert_eq!(gist(&ask(example(), says(0x8182)).await), "rcode_unexpected in request");
    assert_eq!(gist(&ask(of(failing), says(0x8182)).await), "up");
    assert_eq!(gist(&ask(of(json!(["NOTIMPL"])), says(0x8184)).await), "up");
}

#[tokio::test]
async fn an_extended_response_code_is_read_from_edns() {
    let says = says(REPLY).additional(&[record_of(".", OPT, 1232, 0x0100_0000, &[])]);
    let settings = with(example(), json!({"valid_rcodes": ["BADSIG"]}));
    let report = ask(settings, says).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(counts(&report), [0.0, 0.0, 1.0, 1.0]);
}

#[tokio::test]
async fn the_servers_own_words_on_its_failure_are_in_the_message() {
    let option = b"\0\x0f\0\x0a\0\x06no keys\x1b";
    let says = says(0x8182).additional(&[record_of(".", OPT, 1232, 0, option)]);
    let report = ask(example(), says).await;
    assert_eq!(message(&report), "SERVFAIL, expected NOERROR; the server says 6 (DNSSEC Bogus): (no keys\\027)");
}

#[tokio::test]
async fn answers_must_match_and_must_not_match() {
    let settings =
        rules("answer", json!({"fail_if_matches_regexp": [".*7200.*"], "fail_if_not_matches_regexp": [".*3600.*"]}));
    assert_eq!(gist(&ask(settings.clone(), two_addresses()).await), "up");
    let report = ask(settings, says(REPLY).answer(&[record_of("example.com", A, 1, 7200, &[1, 2, 3, 4])])).await;
    assert_eq!(gist(&report), "record_unexpected in request");
    assert_eq!(message(&report), "answer record \"example.com.\\t7200\\tIN\\tA\\t1.2.3.4\" matches \".*7200.*\"");
}

#[tokio::test]
async fn an_empty_section_fails_only_rules_that_want_a_match() {
    for (rule, expected) in [
        ("fail_if_not_matches_regexp", "record_unexpected in request"),
        ("fail_if_none_matches_regexp", "record_unexpected in request"),
        ("fail_if_matches_regexp", "up"),
        ("fail_if_all_match_regexp", "up"),
        ("fail_if_all_records_match_regexp", "up"),
    ] {
        for section in ["authority", "additional"] {
            let report = ask(rules(section, json!({ rule: [".*127.0.0.*"] })), two_addresses()).await;
            assert_eq!(gist(&report), expected, "{rule} on {section}");
        }
    }
}

#[tokio::test]
async fn authority_and_additional_records_have_rules_of_their_own() {
    let says = two_addresses()
        .authority(&[
            record("example.com", NS, b"\x03ns1\x03isp\x03net\0"),
            record("example.com", NS, b"\x03ns2\x03isp\x03net\0"),
        ])
        .additional(&[record("ns1.isp.net", A, &[127, 0, 0, 1]), record("ns2.isp.net", A, &[127, 0, 0, 2])]);
    let report = ask(rules("authority", json!({"fail_if_not_matches_regexp": ["ns.*.isp.net"]})), says.clone()).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("up", [2.0, 2.0, 2.0, 1.0]));
    let report = ask(rules("additional", json!({"fail_if_matches_regexp": ["^ns.*.isp"]})), says).await;
    assert_eq!(gist(&report), "record_unexpected in request");
}

#[tokio::test]
async fn the_all_match_rule_is_inverted_as_in_the_reference() {
    let mixed = two_addresses().additional(&[record("a", A, &[127, 0, 0, 1]), record("a", AAAA, &[0; 16])]);
    let all = json!({"fail_if_all_match_regexp": [".*127.0.0.*"]});
    let report = ask(rules("additional", all.clone()), mixed.clone()).await;
    assert_eq!(gist(&report), "record_unexpected in request");
    assert_eq!(gist(&ask(rules("answer", all), mixed.clone()).await), "up");

    let records = json!({"fail_if_all_records_match_regexp": ["nothing", "127.0.0"]});
    assert_eq!(gist(&ask(rules("additional", records.clone()), mixed.clone()).await), "up");
    let report = ask(rules("answer", records), mixed).await;
    assert_eq!(gist(&report), "record_unexpected in request");
    assert_eq!(message(&report), "all of 2 answer records match \"127.0.0\"");
}

#[tokio::test]
async fn one_record_must_match_one_of_the_none_rule() {
    let none = |pattern: &str| rules("answer", json!({"fail_if_none_matches_regexp": ["nothing", pattern]}));
    let report = ask(none(".*127.0.0.3.*"), two_addresses()).await;
    assert_eq!(gist(&report), "record_unexpected in request");
    assert_eq!(message(&report), "none of 2 answer records matches [\"nothing\", \".*127.0.0.3.*\"]");
    assert_eq!(gist(&ask(none(".*127.0.0.2$"), two_addresses()).await), "up");
}

#[tokio::test]
async fn the_number_of_records_has_bounds() {
    let bounds =
        |min, max| rules("answer", json!({"fail_if_fewer_records_than": min, "fail_if_more_records_than": max}));
    assert_eq!(gist(&ask(bounds(2, 2), two_addresses()).await), "up");
    let report = ask(bounds(3, 9), two_addresses()).await;
    assert_eq!(message(&report), "2 answer records, fewer than the 3 of fail_if_fewer_records_than");
    let report = ask(bounds(0, 1), two_addresses()).await;
    assert_eq!(gist(&report), "record_unexpected in request");
    assert_eq!(message(&report), "2 answer records, more than the 1 of fail_if_more_records_than");
}

#[tokio::test]
async fn sections_are_judged_in_order_after_the_response_code() {
    let everything = |rule: Value| {
        let mut settings = example();
        for section in ["answer", "authority", "additional"] {
            settings = with(settings, json!({ format!("validate_{section}_rrs"): rule }));
        }
        settings
    };
    let settings = everything(json!({"fail_if_matches_regexp": ["NS"], "fail_if_not_matches_regexp": ["IN"]}));
    let report = ask(settings.clone(), says(0x8183).authority(&[record("a", NS, b"\0")])).await;
    assert_eq!(message(&report), "NXDOMAIN, expected NOERROR");
    let report = ask(settings.clone(), says(REPLY).authority(&[record("a", NS, b"\0")])).await;
    assert_eq!(message(&report), "no answer record for fail_if_not_matches_regexp");
    let report = ask(settings, two_addresses().authority(&[record("a", NS, b"\0")])).await;
    assert_eq!(message(&report), "authority record \"a.\\t3600\\tIN\\tNS\\t.\" matches \"NS\"");
}

#[tokio::test]
async fn chaos_class_text_is_matched() {
    let settings = json!({
        "query_name": "version.bind", "query_class": "CH", "query_type": "TXT",
        "validate_answer_rrs": {"fail_if_matches_regexp": ["\\tIN\\t"], "fail_if_not_matches_regexp": ["\\tCH\\t"]},
    });
    let says = says(REPLY).answer(&[record_of("version.bind", TXT, 3, 0, b"\x039.9")]);
    let report = ask(settings, says).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(
        dialogue(&report)[1..],
        [
            "NOERROR, flags qr rd ra; questions 1, answer 1, authority 0, additional 0; 58 bytes",
            "answer: version.bind. 0 CH TXT \"9.9\""
        ]
    );
}

#[tokio::test]
async fn the_serial_of_the_last_soa_is_read() {
    let settings = json!({"query_name": "zoo", "query_type": "SOA"});
    let serial = async |says| reading(&ask(settings.clone(), says).await, "probe_dns_serial");
    assert_eq!(serial(says(REPLY).answer(&[soa(1000)])).await, Some(1000.0));
    assert_eq!(serial(says(REPLY).answer(&[soa(1000), soa(2000)])).await, Some(2000.0));
    assert_eq!(serial(says(REPLY).answer(&[record("zoo", CNAME, b"\x01x\0")])).await, Some(0.0));
    assert_eq!(serial(says(0x8183).authority(&[soa(3000)])).await, Some(0.0));
}

#[tokio::test]
async fn rules_see_tabs_between_fields() {
    let settings = json!({
        "query_name": "x",
        "validate_answer_rrs": {"fail_if_not_matches_regexp": ["^x\\.\\t60\\tIN\\tA\\t1\\.2\\.3\\.4$"]},
    });
    let says = says(REPLY).answer(&[record_of("x", A, 1, 60, &[1, 2, 3, 4])]);
    assert_eq!(gist(&ask(settings, says).await), "up");
}

#[tokio::test]
async fn a_long_datagram_is_read_as_far_as_the_settings_say() {
    let of_records = |count: u8| {
        let records: Vec<_> = (0..count).map(|last| record("example.com", A, &[127, 0, 0, last])).collect();
        says(REPLY).answer(&records)
    };
    // As blackbox_exporter, which reads 512 bytes.
    let server = Responder::udp(move |query| vec![of_records(60).to(query)]).await;
    let report = ask_at(example(), &server, LONG).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("protocol_error in request", [0.0; 4]));
    assert!(report.notes.iter().any(|(_, _, text)| text.starts_with("only 512 bytes of the reply were read")));
    for settings in [json!({"udp_reply_bytes_max": 65535}), json!({"edns": {"udp_payload_size": 4096}})] {
        let report = ask(with(example(), settings), of_records(60)).await;
        assert_eq!((gist(&report).as_str(), counts(&report)), ("up", [60.0, 0.0, 0.0, 1.0]));
        assert_eq!(dialogue(&report).len(), 2 + 16);
    }
}

#[tokio::test]
async fn a_cut_reply_that_can_be_read_passes() {
    let says = Says { flags: REPLY | 0x0200, ..two_addresses() };
    let report = ask(example(), says).await;
    assert_eq!(gist(&report), "up");
    assert_eq!(reading(&report, "probe_dns_truncated"), Some(1.0));
}

#[tokio::test]
async fn a_cut_reply_is_asked_for_again_over_tcp_on_demand() {
    let settings = with(example(), json!({"tcp_on_truncation": true}));
    let server =
        Responder::udp_and_tcp(|query| vec![says(REPLY | 0x0200).to(query)], |query| vec![two_addresses().to(query)])
            .await;
    let report = ask_at(settings.clone(), &server, LONG).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("up", [2.0, 0.0, 0.0, 1.0]));
    assert_eq!(reading(&report, "probe_dns_truncated"), Some(1.0));
    let phases: Vec<_> = report.laps.iter().map(|lap| lap.phase.name()).collect();
    assert_eq!(phases, ["resolve", "connect", "request", "connect", "request"]);
    let (udp, tcp) = (server.heard(), server.heard_over_tcp());
    assert_eq!((udp.len(), tcp.len()), (1, 1));
    assert_eq!(udp[0][2..], tcp[0][2..], "only the id differs");

    // Without a server on TCP.
    let server = Responder::udp(|query| vec![says(REPLY | 0x0200).to(query)]).await;
    let report = ask_at(settings, &server, LONG).await;
    assert_eq!(gist(&report), "connect_refused in connect");
}

#[tokio::test]
async fn datagrams_with_another_id_are_passed_over() {
    let server = Responder::udp(|query| {
        let reply = two_addresses().to(query);
        let mut stray = says(0x8182).to(query);
        stray[0] ^= 0xff;
        // Not even a message, but with another id and as long as a header.
        vec![stray.clone(), stray[..13].to_vec(), reply]
    })
    .await;
    let report = ask_at(example(), &server, LONG).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("up", [2.0, 0.0, 0.0, 1.0]));
}

fn other_id(query: &[u8]) -> Vec<Vec<u8>> {
    let mut reply = two_addresses().to(query);
    reply[0] ^= 0xff;
    vec![reply]
}

#[tokio::test]
async fn a_reply_with_another_id_times_out_over_udp_and_fails_over_tcp() {
    let report = ask_at(example(), &Responder::udp(other_id).await, SHORT).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("timeout in request", [0.0; 4]));
    let settings = with(example(), json!({"transport_protocol": "tcp"}));
    let report = ask_at(settings, &Responder::tcp(other_id).await, LONG).await;
    assert_eq!((gist(&report).as_str(), counts(&report)), ("protocol_error in request", [0.0; 4]));
}

#[tokio::test]
async fn the_replys_form_is_checked_on_demand_only() {
    let strict = with(example(), json!({"validate_response": true}));
    assert_eq!(gist(&ask(strict.clone(), two_addresses()).await), "up");

    let other_question = |query: &[u8]| {
        let mut reply = two_addresses().to(query);
        reply[13] ^= 1;
        vec![reply]
    };
    let capitals = |query: &[u8]| {
        let mut reply = two_addresses().to(query);
        reply[13].make_ascii_uppercase();
        vec![reply]
    };
    let no_reply = |query: &[u8]| vec![Says { flags: 0x0180, ..two_addresses() }.to(query)];
    let opcode = |query: &[u8]| vec![Says { flags: 0xa180, ..two_addresses() }.to(query)];
    let trailing = |query: &[u8]| vec![[&two_addresses().to(query)[..], b"x"].concat()];
    let only_header = |query: &[u8]| vec![two_addresses().to(query)[..12].to_vec()];
    for (server, problem) in [
        (Responder::udp(capitals).await, None),
        (Responder::udp(other_question).await, Some("the reply is to another question: dxample.com. IN ANY")),
        (Responder::udp(no_reply).await, Some("the reply is not marked as one (flag QR)")),
        (Responder::udp(opcode).await, Some("the reply has opcode 4")),
        (Responder::udp(trailing).await, Some("the reply has not as much as its header says")),
        (Responder::udp(only_header).await, Some("the reply repeats no question")),
    ] {
        assert_eq!(gist(&ask_at(example(), &server, LONG).await), "up");
        let report = ask_at(strict.clone(), &server, LONG).await;
        assert_eq!(report.failure().map(|failure| failure.message()), problem);
        assert_eq!(counts(&report)[3], 1.0);
    }
}

#[tokio::test]
async fn flags_can_be_demanded() {
    for (key, flag, what) in [
        ("fail_if_not_authoritative", 0x0400, "the answer is not authoritative (flag AA)"),
        ("fail_if_not_authenticated", 0x0020, "the answer is not authenticated by DNSSEC (flag AD)"),
    ] {
        let settings = with(example(), json!({ key: true }));
        assert_eq!(gist(&ask(settings.clone(), Says { flags: REPLY | flag, ..two_addresses() }).await), "up");
        let report = ask(settings, two_addresses()).await;
        assert_eq!(gist(&report), "answer_unexpected in request");
        assert_eq!(message(&report), what);
    }
}

#[tokio::test]
async fn facts_of_the_reply_are_read() {
    let signature = [&b"\0\x01\x0d\x02\0\0\0\x3c\x65\x00\x00\x00\x64\0\0\0\x12\x34"[..], b"\x03zoo\0sig"].concat();
    let says = Says { flags: 0x84a0, ..two_addresses() };
    let says = says
        .clone()
        .answer(&[says.sections[0].clone(), vec![record_of("example.com", 46, 1, 60, &signature)]].concat());
    let report = ask(example(), says).await;
    let facts = [
        "response_bytes",
        "truncated",
        "authoritative",
        "recursion_available",
        "authenticated_data",
        "min_ttl_seconds",
        "signature_expiry_timestamp_seconds",
    ]
    .map(|name| reading(&report, &format!("probe_dns_{name}")).expect("a fact"));
    assert_eq!(facts, [132.0, 0.0, 1.0, 1.0, 1.0, 60.0, f64::from(0x6500_0000)]);
    let rcode = report.readings.iter().find(|reading| reading.measure.name == "probe_dns_rcode_info");
    assert_eq!(&*rcode.expect("a response code").labels[0].value, "NOERROR");
}

#[tokio::test]
async fn the_hash_of_an_answer_changes_with_its_content_only() {
    let address = |owner: &str, ttl, last| record_of(owner, A, 1, ttl, &[127, 0, 0, last]);
    let hash = async |records: &[Vec<u8>]| {
        let report = ask(example(), says(REPLY).answer(records)).await;
        reading(&report, "probe_dns_answer_hash").expect("a hash")
    };
    let first = hash(&[address("example.com", 60, 1), address("example.com", 60, 2)]).await;
    assert_eq!(hash(&[address("EXAMPLE.com", 7, 2), address("example.com", 60, 1)]).await, first);
    assert_ne!(hash(&[address("example.com", 60, 1), address("example.com", 60, 3)]).await, first);
    assert_ne!(hash(&[address("example.com", 60, 1)]).await, first);
}

#[tokio::test]
async fn extras_are_asked_for_on_the_wire() {
    let settings = json!({
        "query_name": "example.com", "query_type": "TYPE65400", "query_class": "CLASS9",
        "recursion_desired": false, "authentic_data": true, "checking_disabled": true,
        "edns": {"dnssec_ok": true, "nsid": true},
    });
    let server = Responder::udp(|query| {
        let opt = record_of(".", OPT, 4096, 0x8000, b"\0\x03\0\x02ns");
        vec![two_addresses().additional(&[opt]).to(query)]
    })
    .await;
    let report = ask_at(settings, &server, LONG).await;
    assert_eq!(gist(&report), "up");
    let heard = server.heard();
    let opt = b"\0\0\x29\x04\xd0\0\0\x80\0\0\x04\0\x03\0\0";
    let question = b"\x07example\x03com\0\xff\x78\0\x09";
    assert_eq!(heard[0][2..], [&b"\0\x30\0\x01\0\0\0\0\0\x01"[..], question, opt].concat());
    let dialogue = dialogue(&report);
    assert!(dialogue[0].starts_with("example.com. CLASS9 TYPE65400 +ad +cd +edns=1232 +do +nsid (id "), "{dialogue:?}");
    assert_eq!(dialogue[dialogue.len() - 2..], ["EDNS: version 0; flags: do; udp: 4096", "NSID: 6e73  (n)(s)"]);
}

#[tokio::test]
async fn the_default_transport_is_udp() {
    let server = Responder::tcp(|query| vec![two_addresses().to(query)]).await;
    let report = ask_at(example(), &server, LONG).await;
    assert_eq!(gist(&report), "connect_refused in request");
    assert_eq!(counts(&report), [0.0; 4]);
}

fn over_tls(authority: &Authority) -> Value {
    let ca = authority.pem();
    with(example(), json!({"transport_protocol": "tcp", "dns_over_tls": true, "tls_config": {"ca": ca}}))
}

#[tokio::test]
async fn a_question_travels_encrypted() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost", "127.0.0.1"]);
    let server = Responder::tls(leaf.server(), |query| vec![two_addresses().to(query)]).await;
    for host in ["localhost", "127.0.0.1"] {
        let settings = with(over_tls(&authority), json!({"preferred_ip_protocol": "ip4"}));
        let target = format!("{host}:{}", server.address().port());
        let report = testkit::ask("dns", settings, &target, LONG).await;
        assert_laps_cover_the_run(&report);
        assert_eq!((gist(&report).as_str(), counts(&report)), ("up", [2.0, 0.0, 0.0, 1.0]), "{host}");
        // As in blackbox_exporter, which shows no TLS metric here.
        let shown = report.readings.iter().filter(|reading| !reading.measure.extra);
        assert!(shown.clone().all(|reading| !reading.measure.name.contains("tls")));
        assert!(shown.clone().all(|reading| !reading.measure.name.contains("ssl")));
    }
}

#[tokio::test]
async fn a_certificate_must_be_trusted_valid_and_for_the_target() {
    let authority = Authority::new();
    let ask_for = async |leaf: testkit::Leaf, settings: Value| {
        let server = Responder::tls(leaf.server(), |query| vec![two_addresses().to(query)]).await;
        gist(&ask_at(settings, &server, LONG).await)
    };
    let settings = over_tls(&authority);
    let name = "127.0.0.1";
    assert_eq!(ask_for(authority.expired_leaf(&[name]), settings.clone()).await, "tls_cert_expired in connect");
    assert_eq!(ask_for(authority.leaf(&["other.example"]), settings.clone()).await, "tls_cert_name in connect");
    assert_eq!(ask_for(Authority::new().leaf(&[name]), settings.clone()).await, "tls_cert_untrusted in connect");
    let careless = with(settings, json!({"tls_config": {"insecure_skip_verify": true}}));
    assert_eq!(ask_for(Authority::new().leaf(&["x"]), careless).await, "up");
}

fn server_of(settings: Value, target: &str) -> (String, u16) {
    let settings = Arc::new(serde::Deserialize::deserialize(settings).expect("settings"));
    let probe = Dns::bind(&settings, &Target::new(target)).expect("a target");
    (probe.host.into(), probe.port)
}

#[test]
fn the_port_is_the_transports_unless_it_is_given() {
    let server = |target| server_of(example(), target);
    assert_eq!(server("ns.example"), ("ns.example".to_owned(), 53));
    assert_eq!(server("ns.example:5353"), ("ns.example".to_owned(), 5353));
    assert_eq!(server("ns.example:domain"), ("ns.example".to_owned(), 53));
    assert_eq!(server("::1"), ("::1".to_owned(), 53));
    assert_eq!(server("[::1]"), ("::1".to_owned(), 53));
    assert_eq!(server("[::1]:54"), ("::1".to_owned(), 54));
    let settings = with(example(), json!({"transport_protocol": "tcp", "dns_over_tls": true}));
    assert_eq!(server_of(settings, "ns.example"), ("ns.example".to_owned(), 853));
}

#[tokio::test]
async fn a_source_of_another_family_or_none_at_all_fails() {
    for source in ["::1", "bogus"] {
        let report = ask(with(example(), json!({"source_ip_address": source})), two_addresses()).await;
        assert_eq!((gist(&report).as_str(), counts(&report)), ("config_unusable in connect", [0.0; 4]));
    }
    let report = ask(with(example(), json!({"source_ip_address": "127.0.0.1"})), two_addresses()).await;
    assert_eq!(gist(&report), "up");
}

#[tokio::test]
async fn phases_and_counts_are_there_from_the_start() {
    let report = testkit::ask("dns", example(), "host:nosuchport", LONG).await;
    assert_eq!(gist(&report), "target_invalid in no phase");
    assert_eq!(message(&report), "\"nosuchport\" in \"host:nosuchport\" is no port");
    assert_eq!(counts(&report), [0.0; 4]);
    let declared: Vec<_> = report.declared.iter().map(|phase| phase.name()).collect();
    assert_eq!(declared, ["resolve", "connect", "request"]);
    assert!(report.declared.contains(&RESOLVE.whole_only()));
}
