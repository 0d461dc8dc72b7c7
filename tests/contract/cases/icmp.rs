//! `icmp`: C1 to C7.

use crate::case::{Case, case};

/// A module with these settings.
fn module(settings: &str) -> String {
    format!("{{ prober: icmp, timeout: 2s, icmp: {{ {settings} }} }}")
}

fn ip4(settings: &str) -> String {
    module(&format!("preferred_ip_protocol: ip4, {settings}"))
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("C1", "an_echo_over_ip4_is_timed")
            .module(ip4(""))
            .target("127.0.0.1")
            .expect("success 1; icmp_reply_hop_limit 64; icmp_duration_seconds{phase=resolve} > 0; ip_protocol 4")
            .expect("icmp_duration_seconds{phase=setup} > 0; icmp_duration_seconds{phase=rtt} > 0")
            .only("icmp_reply_hop_limit icmp_duration_seconds ip_protocol ip_addr_hash dns_lookup_time_seconds"),
        case("C2", "an_echo_over_ip6_is_timed")
            .module("{ prober: icmp, timeout: 2s }")
            .target("::1")
            .expect("success 1; ip_protocol 6; icmp_duration_seconds{phase=rtt} > 0"),
        case("C3", "an_echo_may_be_told_how_to_be")
            .target("127.0.0.1")
            .row("dont_fragment")
            .module(ip4("dont_fragment: true"))
            .expect("success 1; icmp_duration_seconds{phase=rtt} > 0")
            .row("5 bytes")
            .module(ip4("payload_size: 5"))
            .expect("success 1; icmp_duration_seconds{phase=rtt} > 0")
            .row("1000 bytes")
            .module(ip4("payload_size: 1000"))
            .expect("success 1")
            .row("source")
            .module(ip4("source_ip_address: 127.0.0.7"))
            .expect("success 1")
            .row("ttl 1")
            .module(ip4("ttl: 1"))
            .expect("success 1"),
        case("C4", "a_payload_that_is_too_long_fails_at_once")
            .module("{ prober: icmp, timeout: 20s, icmp: { preferred_ip_protocol: ip4, payload_size: 65508 } }")
            .target("127.0.0.1")
            .expect("success 0; icmp_duration_seconds{phase=rtt} 0; duration_seconds < 5; !icmp_reply_hop_limit"),
        case("C5", "a_negative_payload_is_refused")
            .config(format!("modules:\n  m: {}\n", ip4("payload_size: -5")))
            .check()
            .exits(1)
            .prints("payload_size"),
        case("C6", "what_cannot_be_asked_fails")
            .row("source")
            .module(ip4("source_ip_address: garbage"))
            .target("127.0.0.1")
            .expect("success 0; icmp_duration_seconds{phase=rtt} 0")
            .row("port")
            .module(ip4(""))
            .target("127.0.0.1:80")
            .expect(
                "success 0; ip_protocol 0; icmp_duration_seconds{phase=resolve} 0; icmp_duration_seconds{phase=rtt} 0",
            )
            .row("unresolvable")
            .module(ip4(""))
            .target("nowhere.test")
            .expect(
                "success 0; ip_protocol 0; icmp_duration_seconds{phase=resolve} 0; icmp_duration_seconds{phase=rtt} 0",
            ),
        // An address that is for throwing things away (RFC 6666): either nobody answers, or there is no way to it.
        case("C7", "an_unreachable_host_does_not_answer")
            .module("{ prober: icmp, timeout: 500ms }")
            .target("100::1")
            .expect("success 0; !icmp_reply_hop_limit; icmp_duration_seconds{phase=rtt} 0; duration_seconds < 2"),
    ]
}
