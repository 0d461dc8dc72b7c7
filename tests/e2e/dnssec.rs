//! A zone that BIND serves with signatures.

use crate::daemon::bind::{Bind, Signing};
use crate::daemon::tuermer::Tuermer;

const ZONE: &str = "$TTL 300
@ SOA ns hostmaster 2026112301 3600 600 86400 60
@ NS ns
@ MX 10 mail
ns A 127.0.0.1
mail A 192.0.2.25
_25._tcp.mail TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
";

#[tokio::test]
async fn bind_serves_signatures() {
    for is_hashed in [false, true] {
        let signing = Signing { is_hashed, ..Signing::default() };
        let Some(bind) = Bind::start_signed("town.example", ZONE, &signing) else { return };
        assert!(bind.anchor.starts_with("town.example. IN DNSKEY 257 3 13 "), "{}", bind.anchor);
        let tuermer = Tuermer::start(
            "modules: { keys: { prober: dns, timeout: 5s, dns: { preferred_ip_protocol: ip4, query_name: town.example, query_type: DNSKEY, edns: { dnssec_ok: true }, validate_answer_rrs: { fail_if_none_matches_regexp: [RRSIG] } } } }\n",
        );
        let keys = tuermer.probe("keys", &bind.address.to_string()).await;
        assert_eq!(keys.value("probe_success"), Some(1.0), "{keys:?}");
    }
}
