//! BIND, asked for names.

use crate::daemon::bind::Bind;
use crate::daemon::tuermer::Tuermer;

const ZONE: &str = "$TTL 300
@ SOA ns hostmaster 2026112301 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
www A 192.0.2.80
";

fn config() -> String {
    let module = |name: &str, more: &str| {
        format!("  {name}: {{ prober: dns, timeout: 2s, dns: {{ preferred_ip_protocol: ip4, {more} }} }}\n")
    };
    let mut config = "probe_metrics: all\nmodules:\n".to_owned();
    config += &module("serial", "query_name: town.example, query_type: SOA");
    config += &module(
        "www",
        "query_name: www.town.example, query_type: A, validate_answer_rrs: { fail_if_not_matches_regexp: ['192\\.0\\.2\\.80'] }",
    );
    config += &module(
        "wrong",
        "query_name: www.town.example, query_type: A, validate_answer_rrs: { fail_if_not_matches_regexp: ['192\\.0\\.2\\.81'] }",
    );
    config += &module("missing", "query_name: nothing.town.example, query_type: A");
    config += &module("tcp", "query_name: www.town.example, query_type: A, transport_protocol: tcp");
    config += &module("foreign", "query_name: www.elsewhere.example, query_type: A");
    config
}

#[tokio::test]
async fn bind_answers_and_its_answers_are_judged() {
    let Some(bind) = Bind::start("town.example", ZONE) else { return };
    let tuermer = Tuermer::start(&config());
    let target = bind.address.to_string();

    let serial = tuermer.probe("serial", &target).await;
    assert_eq!(serial.value("probe_success"), Some(1.0), "{serial:?}");
    assert_eq!(serial.value("probe_dns_serial"), Some(2_026_112_301.0));
    for module in ["www", "tcp"] {
        let answer = tuermer.probe(module, &target).await;
        assert_eq!(answer.value("probe_success"), Some(1.0), "{module}: {answer:?}");
        assert_eq!(answer.value("probe_dns_answer_rrs"), Some(1.0), "{module}");
    }
    for (module, wanted) in [
        ("wrong", r#"reason="record_unexpected""#),
        ("missing", r#"reason="rcode_unexpected""#),
        ("foreign", r#"reason="rcode_unexpected""#),
    ] {
        let answer = tuermer.probe(module, &target).await;
        assert_eq!(answer.value("probe_success"), Some(0.0), "{module}");
        let info = answer.find("probe_failure_info", &[]).expect("a failure").0;
        assert!(info.contains(wanted), "{module}: {info}");
        assert_eq!(answer.value("probe_dns_query_succeeded"), Some(1.0), "{module}");
    }
}

#[tokio::test]
async fn a_stopped_name_server_fails_in_the_request() {
    let Some(bind) = Bind::start("town.example", ZONE) else { return };
    let target = bind.address.to_string();
    drop(bind);
    let tuermer = Tuermer::start(&config());
    let answer = tuermer.probe("www", &target).await;
    let info = answer.find("probe_failure_info", &[]).expect("a failure").0;
    assert!(info.contains(r#"reason="connect_refused""#) && info.contains(r#"phase="request""#), "{info}");
}
