//! `dns`: D1 to D28.

use tuermer_probes::testkit::Responder;

use crate::case::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("D1", "two_addresses_are_counted")
            .module("{ prober: dns, timeout: 2s, dns: { query_name: example.com } }")
            .serve(|| Responder::udp(|query| vec![two_addresses(query)]))
            .expect("success 1; dns_answer_rrs 2; dns_authority_rrs 0; dns_additional_rrs 0; dns_query_succeeded 1"),
    ]
}

/// Two A records for the name asked.
fn two_addresses(query: &[u8]) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2]);
    for last in [1, 2] {
        answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 127, 0, 0, last]);
    }
    answer
}
