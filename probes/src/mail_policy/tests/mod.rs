//! Domains as zones of a name server on loopback, policies on a web server beside it.

mod dane;
mod dkim;
mod dmarc;
mod domain;
mod mta_sts;
mod spf;

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use serde_json::{Value, json};

use crate::report::{Report, Verdict};
use crate::testkit::{
    Act, Authority, Data, Leaf, Peer, ask_in, assert_laps_cover_the_run, close, flood, gist, hear, net_with_resolver,
    say, starttls, wait_for_ever, zone,
};

/// Ample: a test that needs it has failed.
const AMPLE: Duration = Duration::from_secs(20);

type Records = Vec<(&'static str, Data)>;

/// A domain that is in order, but for MTA-STS.
fn records() -> Records {
    vec![
        ("example.test.", Data::Mx(20, "b.example.test.")),
        ("example.test.", Data::Mx(10, "a.example.test.")),
        ("example.test.", Data::Txt("v=spf1 mx include:_spf.example.test -all")),
        ("example.test.", Data::Txt("something else")),
        ("_spf.example.test.", Data::Texts(&["v=spf1 ip4:192.0", ".2.0/24 ~all"])),
        ("_dmarc.example.test.", Data::Txt("v=DMARC1; p=reject; sp=none; pct=50; rua=mailto:d@example.test")),
        ("_smtp._tls.example.test.", Data::Txt("v=TLSRPTv1; rua=mailto:t@example.test")),
        ("a.example.test.", Data::A([192, 0, 2, 1])),
        ("a.example.test.", Data::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])),
        ("b.example.test.", Data::A([198, 51, 100, 2])),
        ("1.2.0.192.in-addr.arpa.", Data::Ptr("a.example.test.")),
        ("2.100.51.198.in-addr.arpa.", Data::Ptr("b.example.test.")),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", Data::Ptr("a.example.test.")),
        ("_25._tcp.a.example.test.", Data::Tlsa(3, 1, 1, vec![7; 32])),
        ("_25._tcp.a.example.test.", Data::Tlsa(1, 1, 1, vec![7; 32])),
        ("_25._tcp.b.example.test.", Data::Tlsa(2, 0, 2, vec![7; 64])),
    ]
}

/// The same without what belongs to a name.
fn without(name: &str) -> Records {
    records().into_iter().filter(|(owner, _)| *owner != name).collect()
}

/// The same, with other records at a name.
fn with(name: &'static str, data: impl IntoIterator<Item = Data>) -> Records {
    let mut records = without(name);
    // An alias must stand before the records that it leads to.
    records.splice(0..0, data.into_iter().map(|data| (name, data)));
    records
}

async fn asked_within(records: Records, settings: Value, timeout: Duration) -> Report {
    let server = zone(records).await;
    let net = net_with_resolver(server.address());
    let report = ask_in(&net, "mail_policy", settings, "example.test", timeout).await;
    assert_laps_cover_the_run(&report);
    report
}

async fn asked(records: Records, settings: Value) -> Report {
    asked_within(records, settings, AMPLE).await
}

/// Reads one policy, which must be good, and gives reason, phase and sentence.
async fn judged(records: Records, policy: &str) -> (String, String) {
    let report = asked(records, json!({"require": [policy]})).await;
    (gist(&report), report.failure().map_or_else(String::new, |failure| failure.message().to_owned()))
}

/// The readings of one name's beginning, one a line.
fn readings(report: &Report, prefix: &str) -> Vec<String> {
    let line = |reading: &crate::Reading| {
        let labels: String = reading.labels.iter().map(|label| format!(" {}", label.value)).collect();
        let name =
            reading.measure.name.trim_start_matches("probe_").trim_start_matches("mail_").trim_start_matches("policy_");
        format!("{name}{labels} = {}", reading.value)
    };
    report.readings.iter().map(line).filter(|line| line.starts_with(prefix)).collect()
}
