//! What `/probe` may ask: targets from outside are not trusted.

use std::net::SocketAddr;

use tuermer_probes::testkit::{Peer, close, hear, say};

use crate::daemon::tuermer::Tuermer;

const SECRET: &str = "hunter2";

/// Redirects to another place.
async fn redirecting(to: &str) -> Peer {
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Peer::play(vec![hear("\r\n\r\n"), say(answer), close()]).await
}

async fn answering() -> Peer {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    Peer::play_on(SocketAddr::from(([127, 0, 0, 2], 0)), vec![hear("\r\n\r\n"), say(answer), close()]).await
}

async fn probe(tuermer: &Tuermer, module: &str, target: &str) -> (u16, String) {
    tuermer.get(&format!("/probe?module={module}&target={target}")).await
}

#[tokio::test]
async fn modules_that_carry_secrets_or_try_what_must_be_refused_are_closed_until_a_line_opens_them() {
    let server = answering().await;
    let target = format!("http://{}/", server.address());
    let secret = format!("http: {{ preferred_ip_protocol: ip4, basic_auth: {{ username: u, password: {SECRET} }} }}");
    let tuermer = Tuermer::start(&format!(
        "modules:
  closed: {{ prober: http, {secret} }}
  any: {{ prober: http, probe_targets: any, {secret} }}
  listed: {{ prober: http, probe_targets: [127.0.0.2/32], {secret} }}
  none: {{ prober: http, probe_targets: [], {secret} }}
  client: {{ prober: tcp, tcp: {{ tls: true, tls_config: {{ cert_file: /c, key_file: /k }} }} }}
  socket: {{ prober: unix }}
  relay: {{ prober: smtp, smtp: {{ refuses: {{ relay: somebody@elsewhere.example }} }} }}
  open: {{ prober: http, http: {{ headers: {{ Accept: text/html }} }} }}
"
    ));
    for module in ["closed", "client", "socket", "relay"] {
        let (status, text) = probe(&tuermer, module, &target).await;
        assert_eq!(status, 403, "{module}: {text}");
        assert!(text.contains(&format!("Module {module:?} is not open to /probe")), "{text}");
        assert!(text.contains("\n  probe_targets: any\n") && !text.contains(SECRET), "{text}");
    }
    for module in ["any", "listed", "open"] {
        let (status, text) = probe(&tuermer, module, &target).await;
        assert_eq!(status, 200, "{module}: {text}");
        assert!(text.contains("\nprobe_success 1\n"), "{module}: {text}");
    }
    assert_eq!(probe(&tuermer, "none", &target).await.0, 403);
    let log = tuermer.daemon.log();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("/probe refuses modules")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("`client`, `closed`, `relay`, `socket`"), "{log}");
    let metrics = tuermer.metrics("/metrics").await;
    for (targets, modules) in [("open", 1.0), ("refused", 4.0), ("any", 1.0), ("listed", 2.0)] {
        assert_eq!(
            metrics.value(&format!("tuermer_probe_modules{{targets=\"{targets}\"}}")),
            Some(modules),
            "{targets}"
        );
    }
}

#[tokio::test]
async fn a_target_that_is_not_listed_is_answered_403_and_is_not_asked() {
    let server = answering().await;
    let tuermer = Tuermer::start(
        "probe_targets: [192.0.2.0/24, '*.example.org']
modules:
  listed: { prober: http }
  own: { prober: http, probe_targets: any }
",
    );
    let target = format!("http://{}/", server.address());
    for target in [&target, "http://[::ffff:127.0.0.2]/", "http://u:p@127.0.0.2:1/", "169.254.169.254"] {
        for debug in ["", "&debug=true"] {
            let (status, text) = probe(&tuermer, "listed", &format!("{target}{debug}")).await;
            assert_eq!(status, 403, "{target}: {text}");
            assert!(text.starts_with("Target refused by `probe_targets` of module \"listed\": "), "{text}");
        }
    }
    assert_eq!(server.heard(), b"");
    let (status, text) = probe(&tuermer, "own", &target).await;
    assert!(status == 200 && text.contains("\nprobe_success 1\n"), "{text}");
}

#[tokio::test]
async fn a_redirect_out_of_the_list_fails_with_a_reason_of_its_own() {
    let inside = answering().await;
    let outside = redirecting(&format!("http://{}/", inside.address())).await;
    let tuermer = Tuermer::start(
        "probe_metrics: all
modules: { listed: { prober: http, probe_targets: [127.0.0.1], http: { preferred_ip_protocol: ip4 } } }
",
    );
    let metrics = tuermer.probe("listed", &format!("http://{}/", outside.address())).await;
    assert_eq!(metrics.value("probe_success"), Some(0.0));
    let info = metrics.find("probe_failure_info", &["reason=\"target_refused\""]);
    assert_eq!(info.map(|(_, value)| value), Some(1.0));
    assert_eq!(inside.heard(), b"", "nothing was sent to where the redirect led");
}

#[tokio::test]
async fn a_proxy_is_judged_and_so_is_what_it_is_asked_for() {
    let proxy = answering().await;
    let tuermer = Tuermer::start(&format!(
        "probe_metrics: all
modules:
  no_proxy: {{ prober: http, probe_targets: ['*.example.org'], http: {{ proxy_url: 'http://{proxy}', skip_resolve_phase_with_proxy: true }} }}
  proxy: {{ prober: http, probe_targets: ['*.example.org', 127.0.0.2], http: {{ proxy_url: 'http://{proxy}', skip_resolve_phase_with_proxy: true }} }}
",
        proxy = proxy.address()
    ));
    assert_eq!(probe(&tuermer, "no_proxy", "http://www.example.org/").await.0, 403);
    assert_eq!(probe(&tuermer, "proxy", "http://www.example.com/").await.0, 403);
    assert_eq!(probe(&tuermer, "proxy", "http://0xa9fea9fe/").await.0, 403);
    assert_eq!(proxy.heard(), b"");
    let (status, text) = probe(&tuermer, "proxy", "http://www.example.org/").await;
    assert!(status == 200 && text.contains("\nprobe_success 1\n"), "{text}");
    // The proxy goes by the host that the request names.
    let metrics = tuermer.metrics("/probe?module=proxy&target=http://www.example.org/&hostname=evil.example").await;
    assert_eq!(metrics.find("probe_failure_info", &["target_refused"]).map(|(_, value)| value), Some(1.0));
}

#[tokio::test]
async fn checks_may_ask_what_probe_may_not() {
    let server = answering().await;
    let tuermer = Tuermer::start(&format!(
        "probe_targets: []
modules: {{ m: {{ prober: http, http: {{ preferred_ip_protocol: ip4, bearer_token: {SECRET} }} }} }}
checks: {{ c: {{ module: m, targets: ['http://{}/'], interval: 200ms }} }}
",
        server.address()
    ));
    crate::daemon::eventually("the check is up", async || {
        let metrics = tuermer.metrics("/metrics").await;
        metrics.find("probe_success", &["check=\"c\""]).filter(|(_, value)| *value > 0.0).map(drop)
    })
    .await;
}

#[tokio::test]
async fn mail_is_sent_by_checks_only() {
    let server = Peer::play(vec![close()]).await;
    let tuermer = Tuermer::start(
        "modules:
  mail: { prober: mail, probe_targets: any, mail: { from: a@town.example, to: b@town.example,
    fetch: { host: 127.0.0.1, username: b, password: hunter2 } } }
",
    );
    let (status, text) = probe(&tuermer, "mail", &server.address().to_string()).await;
    assert_eq!((status, text.as_str()), (403, "Module \"mail\" sends mail: only the configuration's checks do\n"));
}
