//! `dns`: D1 to D28.

mod message;

use std::sync::Arc;

use tuermer_probes::testkit::Responder;

use self::message::*;
use crate::case::{Case, case};
use crate::serve::{Served, certified, noting_names};

const NOTHING: &str = "dns_answer_rrs 0; dns_authority_rrs 0; dns_additional_rrs 0";
const EXAMPLE: &str = "query_name: example.com, query_type: A";

/// A module with these settings.
fn module(settings: &str) -> String {
    format!("{{ prober: dns, timeout: 2s, dns: {{ {settings} }} }}")
}

impl Case {
    /// A row for each transport, asked with these settings, against a server that does this.
    fn over_both(
        mut self,
        label: &str,
        settings: &str,
        server: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + Sync + Clone + 'static,
        expect: &str,
    ) -> Self {
        for transport in ["udp", "tcp"] {
            let server = server.clone();
            self = self
                .row(format!("{label} {transport}").trim())
                .module(module(&format!("{settings}, transport_protocol: {transport}")))
                .serve(move || {
                    let server = server.clone();
                    async move {
                        match transport {
                            "udp" => Responder::udp(server).await,
                            _ => Responder::tcp(server).await,
                        }
                    }
                })
                .expect(expect);
        }
        self
    }

    /// As before, against a server that says always the same.
    fn says(self, label: &str, settings: &str, says: Says, expect: &str) -> Self {
        let says = Arc::new(says);
        self.over_both(label, settings, move |query| vec![says.to(query)], expect)
    }

    /// A configuration that is refused for a reason.
    fn refused(self, label: &str, settings: &str, words: &str) -> Self {
        self.row(label).config(format!("modules:\n  m: {}\n", module(settings))).check().exits(1).prints(words)
    }
}

pub(super) fn cases() -> Vec<Case> {
    [verdicts(), rules(), records(), transports(), encryption(), phases()].concat()
}

fn verdicts() -> Vec<Case> {
    let failing = format!("{EXAMPLE}, valid_rcodes: [SERVFAIL, NXDOMAIN]");
    vec![
        case("D1", "two_addresses_are_counted").says(
            "",
            EXAMPLE,
            two_addresses(),
            "success 1; dns_answer_rrs 2; dns_authority_rrs 0; dns_additional_rrs 0; dns_query_succeeded 1; !dns_serial",
        ),
        case("D2", "recursion_is_not_asked_for_when_switched_off").over_both(
            "",
            &format!("{EXAMPLE}, recursion_desired: false"),
            |query| vec![if query[2] & 1 == 0 { says(0x8000 | REFUSED) } else { two_addresses() }.to(query)],
            &format!("success 0; dns_query_succeeded 1; {NOTHING}"),
        ),
        case("D3", "the_response_code_must_be_valid").says(
            "",
            &failing,
            two_addresses(),
            "success 0; dns_query_succeeded 1; dns_answer_rrs 2",
        ),
        case("D4", "a_failure_may_be_what_is_wanted")
            .says("default", EXAMPLE, says(REPLY | SERVFAIL), "success 0; dns_query_succeeded 1")
            .says("valid", &failing, says(REPLY | SERVFAIL), "success 1; dns_query_succeeded 1")
            .refused("unknown", &format!("{EXAMPLE}, valid_rcodes: [FOO]"), "FOO"),
        case("D5", "an_empty_list_of_response_codes_is_refused").refused(
            "",
            &format!("{EXAMPLE}, valid_rcodes: []"),
            "valid_rcodes",
        ),
    ]
}

fn rules() -> Vec<Case> {
    let rule = |section: &str, rule: &str| format!("{EXAMPLE}, validate_{section}_rrs: {{ {rule} }}");
    let mixed = two_addresses().additional(&[
        address("a.example.com", 1),
        address("b.example.com", 2),
        record("a.example.com", AAAA, &[1; 16]),
    ]);
    let none = "fail_if_none_matches_regexp: ['.*127.0.0.3.*']";
    vec![
        case("D6", "answers_must_match_and_must_not_match").says(
            "",
            &rule("answer", "fail_if_matches_regexp: ['.*7200.*'], fail_if_not_matches_regexp: ['.*3600.*']"),
            two_addresses(),
            "success 1",
        ),
        case("D7", "an_empty_section_does_not_match").says(
            "",
            &rule("additional", "fail_if_not_matches_regexp: ['.*127.0.0.*']"),
            two_addresses(),
            "success 0; dns_query_succeeded 1",
        ),
        case("D8", "an_empty_section_has_nothing_that_must_not_match").says(
            "",
            &rule("authority", "fail_if_matches_regexp: ['.*127.0.0.*']"),
            two_addresses(),
            "success 1",
        ),
        case("D9", "authority_records_must_match").says(
            "",
            &rule("authority", "fail_if_not_matches_regexp: ['ns.*.isp.net']"),
            referral().answer(&[address("example.com", 1)]),
            "success 1; dns_answer_rrs 1; dns_authority_rrs 2; dns_additional_rrs 3",
        ),
        case("D10", "additional_records_must_not_match").says(
            "",
            &rule("additional", "fail_if_matches_regexp: ['^ns.*.isp']"),
            referral(),
            "success 0; dns_additional_rrs 3",
        ),
        case("D11", "the_all_match_rule_fails_where_one_does_not_match").says(
            "",
            &rule("additional", "fail_if_all_match_regexp: ['.*127.0.0.*']"),
            mixed,
            "success 0",
        ),
        case("D12", "the_all_match_rule_passes_where_all_match").says(
            "",
            &rule("answer", "fail_if_all_match_regexp: ['.*127.0.0.*']"),
            two_addresses(),
            "success 1",
        ),
        case("D13", "one_record_must_match").says("other", &rule("answer", none), two_addresses(), "success 0").says(
            "empty",
            &rule("additional", none),
            two_addresses(),
            "success 0",
        ),
    ]
}

fn records() -> Vec<Case> {
    let chaos = "query_name: version.bind, query_class: CH, query_type: TXT, validate_answer_rrs: { \
                 fail_if_matches_regexp: ['\\tIN\\t'], fail_if_not_matches_regexp: ['\\tCH\\t'] }";
    let serial = "query_name: example.com, query_type: SOA";
    let text = |pattern: &str| {
        format!("query_name: x, query_type: A, validate_answer_rrs: {{ fail_if_not_matches_regexp: ['{pattern}'] }}")
    };
    let alias = record("example.com", CNAME, &name("other.example.com"));
    vec![
        case("D14", "chaos_class_text_is_matched").says(
            "",
            chaos,
            says(REPLY).answer(&[record_of("version.bind", TXT, CH, 0, b"\x039.9")]),
            "success 1",
        ),
        case("D15", "the_serial_of_the_last_soa_is_read")
            .says("one", serial, says(REPLY).answer(&[soa(1000)]), "success 1; dns_serial 1000")
            .says("two", serial, says(REPLY).answer(&[soa(1000), soa(2000)]), "success 1; dns_serial 2000")
            .says("none", serial, says(REPLY).answer(&[alias]), "success 1; dns_serial 0"),
        case("D16", "rules_see_tabs_between_fields").says(
            "",
            &text(r"^x\.\t60\tIN\tA\t1\.2\.3\.4$"),
            says(REPLY).answer(&[record_of("x", A, IN, 60, &[1, 2, 3, 4])]),
            "success 1",
        ),
        case("D17", "unknown_records_have_a_text").says(
            "",
            &text(r"^zoo\.\t60\tCLASS1\tTYPE65280\t\\# 2 abcd$"),
            says(REPLY).answer(&[record_of("zoo", 65280, IN, 60, b"\xab\xcd")]),
            "success 1",
        ),
        case("D28", "an_extended_response_code_is_read").says(
            "",
            &format!("{EXAMPLE}, valid_rcodes: [BADSIG]"),
            says(REPLY).additional(&[record_of("", OPT, 1232, 0x0100_0000, &[])]),
            "success 1; dns_additional_rrs 1",
        ),
    ]
}

/// A server that changes the reply to its question.
fn changing(change: impl Fn(&mut Vec<u8>) + Send + Sync + Clone + 'static) -> impl Fn(&[u8]) -> Vec<Vec<u8>> + Clone {
    move |query| {
        let mut reply = two_addresses().to(query);
        change(&mut reply);
        vec![reply]
    }
}

fn transports() -> Vec<Case> {
    let records: Vec<Vec<u8>> = (0..60).map(|last| address("example.com", last)).collect();
    let long = says(REPLY).answer(&records);
    let short_time = format!("{{ prober: dns, timeout: 500ms, dns: {{ {EXAMPLE} }} }}");
    vec![
        case("D18", "a_datagram_is_read_up_to_512_bytes")
            .row("udp")
            .module(module(EXAMPLE))
            .serve({
                let long = long.clone();
                move || {
                    let long = long.clone();
                    Responder::udp(move |query| vec![long.to(query)])
                }
            })
            .expect(format!("success 0; dns_query_succeeded 0; {NOTHING}"))
            .row("tcp")
            .module(module(&format!("{EXAMPLE}, transport_protocol: tcp")))
            .serve({
                let long = long.clone();
                move || {
                    let long = long.clone();
                    Responder::tcp(move |query| vec![long.to(query)])
                }
            })
            .expect("success 1; dns_query_succeeded 1; dns_answer_rrs 60")
            .row("udp, read whole")
            .module(module(&format!("{EXAMPLE}, udp_reply_bytes_max: 65535")))
            .not_in_0_23("module: the setting is tuermer's")
            .serve(move || {
                let long = long.clone();
                Responder::udp(move |query| vec![long.to(query)])
            })
            .expect("success 1; dns_query_succeeded 1; dns_answer_rrs 60"),
        case("D19", "a_cut_reply_that_can_be_read_passes")
            .module(module(EXAMPLE))
            .serve(|| {
                let cut = Says { flags: REPLY | CUT, ..two_addresses() };
                Responder::udp_and_tcp(move |query| vec![cut.to(query)], |_| Vec::new())
            })
            .expect("success 1; dns_answer_rrs 2"),
        case("D20", "another_id_is_passed_over_in_datagrams_and_an_error_in_streams")
            .row("udp")
            .module(short_time.clone())
            .serve(|| Responder::udp(changing(|reply| reply[0] ^= 0xff)))
            .expect(format!("success 0; dns_query_succeeded 0; duration_seconds > 0.45; {NOTHING}"))
            .row("tcp")
            .module("{ prober: dns, timeout: 20s, dns: { query_name: example.com, transport_protocol: tcp } }")
            .serve(|| Responder::tcp(changing(|reply| reply[0] ^= 0xff)))
            .expect(format!("success 0; dns_query_succeeded 0; duration_seconds < 5; {NOTHING}")),
        case("D21", "the_question_and_the_reply_bit_are_not_looked_at")
            .over_both("other question", EXAMPLE, changing(|reply| reply[13] ^= 1), "success 1; dns_answer_rrs 2")
            .over_both("no reply", EXAMPLE, changing(|reply| reply[2] &= 0x7f), "success 1; dns_answer_rrs 2"),
        case("D22", "a_silent_server_is_waited_for_until_the_deadline")
            .row("udp")
            .module(short_time)
            .serve(|| Responder::udp(|_| Vec::new()))
            .expect("success 0; dns_query_succeeded 0; dns_duration_seconds{phase=request} > 0.4")
            .expect("duration_seconds < 10")
            .row("tcp")
            .module(format!("{{ prober: dns, timeout: 500ms, dns: {{ {EXAMPLE}, transport_protocol: tcp }} }}"))
            .serve(|| Responder::tcp(|_| Vec::new()))
            .expect("success 0; dns_query_succeeded 0; dns_duration_seconds{phase=request} > 0.4")
            .expect("duration_seconds < 10"),
        case("D23", "the_default_transport_is_udp")
            .module(module(EXAMPLE))
            .serve(|| Responder::tcp(|query| vec![two_addresses().to(query)]))
            .expect("success 0; dns_query_succeeded 0")
            .heard(""),
    ]
}

fn encryption() -> Vec<Case> {
    let encrypted = |more: &str| {
        module(&format!("{EXAMPLE}, transport_protocol: tcp, dns_over_tls: true, preferred_ip_protocol: ip4, {more}"))
    };
    let answer = |query: &[u8]| vec![two_addresses().to(query)];
    vec![
        case("D24", "a_question_travels_encrypted_without_tls_metrics")
            .serve(move || async move {
                let (server, notes) = noting_names(&["localhost"]);
                let responder = Arc::new(Responder::tls(server, answer).await);
                let port = responder.address().port();
                Served::nothing().with("port", port).keep(responder).hearing(move || notes.all())
            })
            .target("localhost:{port}")
            .row("by name")
            .module(encrypted("tls_config: { ca_file: '{ca}' }"))
            .expect("success 1; dns_answer_rrs 2; !tls_version_info; !ssl_earliest_cert_expiry; !ssl_last_chain_info")
            .heard("localhost\n")
            .row("untrusted")
            .module(encrypted(""))
            .expect("success 0; dns_query_succeeded 0; !tls_version_info; !ssl_earliest_cert_expiry")
            .refused("over udp", &format!("{EXAMPLE}, dns_over_tls: true"), "transport_protocol"),
        case("D25", "the_port_is_53_or_853")
            .target("127.0.0.99")
            .query("debug=true")
            .row("udp")
            .module(module(EXAMPLE))
            .has("127.0.0.99:53")
            .row("tcp")
            .module(module(&format!("{EXAMPLE}, transport_protocol: tcp")))
            .has("127.0.0.99:53")
            .row("tls")
            .module(encrypted(""))
            .has("127.0.0.99:853"),
        case("D26", "the_source_address_must_be_one_and_fit")
            .serve(|| Responder::udp(|query| vec![two_addresses().to(query)]))
            .row("garbage")
            .module(module(&format!("{EXAMPLE}, source_ip_address: garbage")))
            .expect("success 0; dns_query_succeeded 0")
            .heard("")
            .row("wrong family")
            .module(module(&format!("{EXAMPLE}, source_ip_address: '::1'")))
            .expect("success 0; dns_query_succeeded 0")
            .heard("")
            .row("valid")
            .module(module(&format!("{EXAMPLE}, source_ip_address: 127.0.0.9")))
            .expect("success 1"),
    ]
}

fn phases() -> Vec<Case> {
    let all =
        "dns_duration_seconds{phase=resolve}; dns_duration_seconds{phase=connect}; dns_duration_seconds{phase=request}";
    vec![
        case("D27", "all_phases_are_there_even_on_failure")
            .says("up", EXAMPLE, two_addresses(), all)
            .row("refused")
            .module(module(&format!("{EXAMPLE}, transport_protocol: tcp")))
            .serve(|| async { Served::from(tuermer_probes::testkit::Peer::closed_port().await) })
            .expect(format!("success 0; {all}"))
            .row("unresolvable")
            .module(module(EXAMPLE))
            .target("nowhere.test")
            .expect(format!("success 0; {all}; dns_duration_seconds{{phase=resolve}} 0; dns_lookup_time_seconds > 0"))
            .row("garbage")
            .module(module(EXAMPLE))
            .serve(|| Responder::udp(|query| vec![query[..5].to_vec()]))
            .expect(format!("success 0; {all}"))
            .row("untrusted")
            .module(module(&format!("{EXAMPLE}, transport_protocol: tcp, dns_over_tls: true")))
            .serve(|| Responder::tls(certified(&["127.0.0.1"]), |query| vec![two_addresses().to(query)]))
            .expect(format!("success 0; {all}")),
    ]
}
