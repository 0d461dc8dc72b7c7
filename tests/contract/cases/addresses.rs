//! Which address is probed: I1 to I10.

use std::net::SocketAddr;

use tuermer_probes::testkit::{Peer, close};

use crate::case::{Case, case};
use crate::serve::Served;

/// FNV-1a hashes of 127.0.0.1, 127.0.0.11, 127.0.0.13 and ::1.
const FIRST: &str = "ip_addr_hash 3668918509";
const ELEVENTH: &str = "ip_addr_hash 3501142319";
const THIRTEENTH: &str = "ip_addr_hash 3467587081";
const SIXTH: &str = "ip_addr_hash 1751717746";

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("I1", "a_name_of_both_families_is_asked_over_ip6")
            .module("{ prober: tcp, timeout: 2s }")
            .serve(|| at("[::1]:0"))
            .target("both.test:{port}")
            .expect(format!("success 1; ip_protocol 6; {SIXTH}")),
        case("I2", "a_name_of_both_families_is_asked_over_ip4_where_that_is_preferred")
            .module("{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4 } }")
            .serve(|| at("127.0.0.1:0"))
            .target("both.test:{port}")
            .expect(format!("success 1; ip_protocol 4; {FIRST}")),
        case("I3", "a_name_without_ip6_is_fallen_back_on")
            .module("{ prober: tcp, timeout: 2s }")
            .serve(|| at("127.0.0.1:0"))
            .target("v4.test:{port}")
            .expect(format!("success 1; ip_protocol 4; {FIRST}")),
        case("I4", "a_name_without_ip4_is_fallen_back_on_only_where_allowed")
            .serve(|| at("[::1]:0"))
            .target("v6.test:{port}")
            .row("fallback")
            .module("{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4 } }")
            .expect(format!("success 1; ip_protocol 6; {SIXTH}"))
            .row("no fallback")
            .module("{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4, ip_protocol_fallback: false } }")
            .expect("success 0; ip_protocol 0; ip_addr_hash 0")
            .heard(""),
        case("I5", "the_last_address_is_fallen_back_on")
            .module("{ prober: tcp, timeout: 2s }")
            .serve(|| at("127.0.0.13:0"))
            .target("three.test:{port}")
            .expect(format!("success 1; ip_protocol 4; {THIRTEENTH}")),
        case("I6", "the_first_address_of_the_preferred_family_is_taken")
            .module("{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip4 } }")
            .serve(|| at("127.0.0.11:0"))
            .target("three.test:{port}")
            .expect(format!("success 1; ip_protocol 4; {ELEVENTH}")),
        case("I7", "an_address_of_the_other_family_fails_without_fallback")
            .module("{ prober: tcp, timeout: 2s, tcp: { preferred_ip_protocol: ip6, ip_protocol_fallback: false } }")
            .serve(|| at("127.0.0.1:0"))
            .expect("success 0; ip_protocol 0; ip_addr_hash 0")
            .heard(""),
        case("I8", "a_misspelt_family_is_refused")
            .module("{ prober: tcp, tcp: { preferred_ip_protocol: ipv6 } }")
            .check()
            .exits(1)
            .prints("ipv6"),
        case("I9", "the_hash_of_an_address_is_the_same_everywhere")
            .module("{ prober: tcp, timeout: 2s }")
            .row("IPv4")
            .serve(|| at("127.0.0.1:0"))
            .expect(format!("success 1; {FIRST}"))
            .row("IPv6")
            .serve(|| at("[::1]:0"))
            .expect(format!("success 1; {SIXTH}")),
        case("I10", "a_name_that_does_not_exist_fails_in_the_lookup")
            .row("tcp")
            .module("{ prober: tcp, timeout: 2s }")
            .target("nowhere.test:80")
            .expect("success 0; ip_protocol 0; ip_addr_hash 0; dns_lookup_time_seconds > 0")
            .only("ip_protocol ip_addr_hash dns_lookup_time_seconds")
            .row("http")
            .module("{ prober: http, timeout: 2s }")
            .target("http://nowhere.test/")
            .expect("success 0; dns_lookup_time_seconds > 0; http_duration_seconds{phase=resolve} > 0")
            .expect("!http_duration_seconds{phase=connect}; !http_duration_seconds{phase=transfer}"),
    ]
}

/// A server that takes connections at this address only.
async fn at(address: &str) -> Served {
    let address: SocketAddr = address.parse().expect("an address");
    Served::from(Peer::play_on(address, vec![close()]).await)
}
