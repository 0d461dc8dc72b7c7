//! `icmp`: C1 to C7.

use crate::case::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("C1", "an_echo_over_ip4_is_timed")
            .module("{ prober: icmp, timeout: 2s, icmp: { preferred_ip_protocol: ip4 } }")
            .target("127.0.0.1")
            .expect("success 1; icmp_reply_hop_limit 64; icmp_duration_seconds{phase=resolve} > 0")
            .expect("icmp_duration_seconds{phase=setup} > 0; icmp_duration_seconds{phase=rtt} > 0"),
    ]
}
