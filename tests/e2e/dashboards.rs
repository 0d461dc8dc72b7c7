//! The panels of the dashboards that blackbox_exporter's users have return data from tuermer through a real Prometheus.
//!
//! The queries are written after what the dashboards' panels are described to show; `$target` and `$job` stand for what
//! a user picks from the variables.

use crate::daemon::bind::Bind;
use crate::daemon::nginx::{Nginx, Pem};
use crate::daemon::prometheus::Prometheus;
use crate::daemon::tuermer::Tuermer;
use crate::daemon::{eventually, folder};
use tuermer_probes::testkit::Authority;

/// A panel: what it shows, what it asks, and on which jobs it has data.
type Panel = (&'static str, &'static str, &'static [&'static str]);

const ALL: &[&str] = &["http", "https", "dns", "tcp", "icmp"];
const WEB: &[&str] = &["http", "https"];
const TLS: &[&str] = &["https"];
const ICMP: &[&str] = &["icmp"];
const DNS: &[&str] = &["dns"];

/// 7587 "Prometheus Blackbox Exporter": a row for each target.
const D7587: &[Panel] = &[
    ("global probe duration", r#"probe_duration_seconds{instance=~"$target"}"#, ALL),
    ("status", r#"probe_success{instance=~"$target"}"#, ALL),
    ("HTTP duration, stacked", r#"sum(probe_http_duration_seconds{instance=~"$target"}) by (phase)"#, WEB),
    ("HTTP duration by phase", r#"sum by (instance, phase) (probe_http_duration_seconds{instance=~"$target"})"#, WEB),
    ("probe duration", r#"avg_over_time(probe_duration_seconds{instance=~"$target"}[1m])"#, ALL),
    ("status code", r#"probe_http_status_code{instance=~"$target"}"#, WEB),
    ("HTTP version", r#"probe_http_version{instance=~"$target"}"#, WEB),
    ("SSL", r#"probe_http_ssl{instance=~"$target"}"#, WEB),
    ("SSL expiry", r#"probe_ssl_earliest_cert_expiry{instance=~"$target"} - time()"#, TLS),
    ("average probe duration", r#"avg(probe_duration_seconds{instance=~"$target"})"#, ALL),
    ("average DNS lookup", r#"avg(probe_dns_lookup_time_seconds{instance=~"$target"})"#, ALL),
];

/// 13659 "Blackbox Exporter (HTTP prober)" and its copies: a table, then graphs by phase.
const D13659: &[Panel] = &[
    ("table: up", r#"probe_success{job=~"$job"}"#, ALL),
    ("table: code", r#"probe_http_status_code{job=~"$job"} > 0"#, WEB),
    ("table: certificate days", r#"(probe_ssl_earliest_cert_expiry{job=~"$job"} - time()) / 3600 / 24"#, TLS),
    ("table: TLS version", r#"probe_tls_version_info{job=~"$job"}"#, TLS),
    ("table: duration", r#"avg_over_time(probe_duration_seconds{job=~"$job"}[1m])"#, ALL),
    ("table: joined", r#"probe_success{job=~"$job"} * on (instance) group_left (version) probe_tls_version_info"#, TLS),
    ("duration by phase", r#"avg(probe_http_duration_seconds{job=~"$job"}) by (phase)"#, WEB),
    ("resolve", r#"probe_http_duration_seconds{job=~"$job", phase="resolve"}"#, WEB),
    ("connect", r#"probe_http_duration_seconds{job=~"$job", phase="connect"}"#, WEB),
    ("tls", r#"probe_http_duration_seconds{job=~"$job", phase="tls"} > 0"#, TLS),
    ("processing", r#"probe_http_duration_seconds{job=~"$job", phase="processing"}"#, WEB),
    ("transfer", r#"probe_http_duration_seconds{job=~"$job", phase="transfer"}"#, WEB),
];

/// 16124, the mixin: a summary, then a row for each instance.
const D16124: &[Panel] = &[
    ("status map", r#"max by (instance) (probe_success{job=~"$job"})"#, ALL),
    ("probes", r#"count(probe_success{job=~"$job"})"#, ALL),
    (
        "share of successes",
        r#"(count(probe_success{job=~"$job"} == 1) OR vector(0)) / count(probe_success{job=~"$job"})"#,
        ALL,
    ),
    ("share of TLS", r#"count(probe_http_ssl{job=~"$job"} == 1) / count(probe_http_version{job=~"$job"})"#, TLS),
    ("mean duration", r#"avg(probe_duration_seconds{job=~"$job"})"#, ALL),
    ("uptime", r#"max by (instance) (probe_success{job=~"$job", instance=~"$target"})"#, ALL),
    ("uptime in 30 days", r#"avg_over_time(probe_success{job=~"$job", instance=~"$target"}[30d])"#, ALL),
    ("last code", r#"max by (instance) (probe_http_status_code{job=~"$job", instance=~"$target"})"#, WEB),
    ("TLS", r#"max by (instance) (probe_http_ssl{job=~"$job", instance=~"$target"})"#, WEB),
    ("TLS version", r#"max by (instance, version) (probe_tls_version_info{job=~"$job", instance=~"$target"})"#, TLS),
    ("expiry", r#"min by (instance) (probe_ssl_earliest_cert_expiry{job=~"$job", instance=~"$target"}) - time()"#, TLS),
    ("redirects", r#"max by (instance) (probe_http_redirects{job=~"$job", instance=~"$target"})"#, WEB),
    ("HTTP version", r#"max by (instance) (probe_http_version{job=~"$job", instance=~"$target"})"#, WEB),
    ("mean duration of one", r#"avg_over_time(probe_duration_seconds{job=~"$job", instance=~"$target"}[5m])"#, ALL),
    (
        "mean DNS time of one",
        r#"avg_over_time(probe_dns_lookup_time_seconds{job=~"$job", instance=~"$target"}[5m])"#,
        ALL,
    ),
    ("graph: HTTP phases", r#"sum by (phase) (probe_http_duration_seconds{job=~"$job", instance=~"$target"})"#, WEB),
    ("graph: ICMP phases", r#"sum by (phase) (probe_icmp_duration_seconds{job=~"$job", instance=~"$target"})"#, ICMP),
    (
        "graph: ICMP round trip",
        r#"probe_icmp_duration_seconds{job=~"$job", instance=~"$target", phase="rtt"} > 0"#,
        ICMP,
    ),
];

/// 9965, 16292, 16293: tables of what needs attention.
const D9965: &[Panel] = &[
    ("expiry in less than 90 days", r#"(probe_ssl_earliest_cert_expiry{job=~"$job"} - time()) / 86400 < 90"#, TLS),
    ("last chain", r#"probe_ssl_last_chain_expiry_timestamp_seconds{job=~"$job"} - time() > 0"#, TLS),
    ("certificate", r#"probe_ssl_last_chain_info{job=~"$job", subject!="", issuer!=""}"#, TLS),
    ("failures in an hour", r#"count_over_time((probe_success{job=~"$job"} == bool 0)[1h:1s])"#, ALL),
    ("changes of the code", r#"changes(probe_http_status_code{job=~"$job"}[1h])"#, WEB),
    ("bytes", r#"probe_http_content_length{job=~"$job"} >= 0"#, WEB),
    ("DNS phases", r#"sum by (phase) (probe_dns_duration_seconds{job=~"$job"})"#, DNS),
    ("DNS answers", r#"probe_dns_answer_rrs{job=~"$job"} > 0"#, DNS),
    ("address family", r#"probe_ip_protocol{job=~"$job"} == 4"#, ALL),
];

const DASHBOARDS: &[(&str, &[Panel])] =
    &[("7587", D7587), ("13659", D13659), ("16124 (mixin)", D16124), ("9965, 16292, 16293", D9965)];

fn scrape(job: &str, module: &str, target: &str, agent: &str) -> String {
    format!(
        "  - job_name: {job}
    metrics_path: /probe
    params: {{ module: [{module}] }}
    static_configs: [{{ targets: ['{target}'] }}]
    relabel_configs:
      - {{ source_labels: [__address__], target_label: __param_target }}
      - {{ source_labels: [__param_target], target_label: instance }}
      - {{ target_label: __address__, replacement: '{agent}' }}
"
    )
}

#[tokio::test]
async fn every_panel_of_the_usual_dashboards_has_data() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["town.example"]).with_chain([authority.der()]);
    let pem = Pem { certificate: &leaf.pem, key: &leaf.key_pem };
    let Some(nginx) = Nginx::start("location / { return 200 'Welcome'; }", &pem) else { return };
    let Some(bind) = Bind::start("town.example", "$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n")
    else {
        return;
    };
    let files = folder();
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("written");
    let tuermer = Tuermer::start(&format!(
        "modules:
  http_2xx: {{ prober: http, timeout: 2s, http: {{ preferred_ip_protocol: ip4,
              tls_config: {{ ca_file: {}, server_name: town.example }} }} }}
  icmp: {{ prober: icmp, timeout: 2s, icmp: {{ preferred_ip_protocol: ip4 }} }}
  tcp_connect: {{ prober: tcp, timeout: 2s, tcp: {{ preferred_ip_protocol: ip4 }} }}
  dns: {{ prober: dns, timeout: 2s, dns: {{ preferred_ip_protocol: ip4, query_name: town.example, query_type: SOA }} }}
",
        ca.display()
    ));
    let agent = tuermer.address.to_string();
    let targets = [
        ("http", "http_2xx", format!("http://{}/", nginx.http)),
        ("https", "http_2xx", format!("https://{}/", nginx.https)),
        ("icmp", "icmp", "127.0.0.1".to_owned()),
        ("tcp", "tcp_connect", nginx.http.to_string()),
        ("dns", "dns", bind.address.to_string()),
    ];
    let jobs: String = targets.iter().map(|(job, module, target)| scrape(job, module, target, &agent)).collect();
    let config = format!("global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n{jobs}");
    let Some(prometheus) = Prometheus::start(&config, "groups: []\n") else { return };
    // Who may not open a ping socket cannot show one: no result says so, and no false one.
    let may_ping = tuermer.get("/probe?module=icmp&target=127.0.0.1").await.0 == 200;
    let due = if may_ping { 5 } else { 4 };
    eventually("every target is scraped twice and up", async || {
        (prometheus.query("count_over_time(probe_success[1m]) >= 2 and probe_success == 1").await.len() == due)
            .then_some(())
    })
    .await;

    let jobs = prometheus.label_values("probe_success", "job").await;
    let instances = prometheus.label_values("probe_success", "instance").await;
    assert_eq!((jobs.len(), instances.len()), (due, due), "{jobs:?} {instances:?}");
    let phases = prometheus.label_values("probe_http_duration_seconds", "phase").await;
    assert_eq!(phases, ["connect", "processing", "resolve", "tls", "transfer"]);

    for (dashboard, panels) in DASHBOARDS {
        let mut asked = 0;
        for (panel, query, on) in *panels {
            for (job, _, target) in targets.iter().filter(|(job, ..)| on.contains(job) && (may_ping || *job != "icmp"))
            {
                let query = query.replace("$job", job).replace("$target", target);
                let found = prometheus.query(&query).await;
                assert!(!found.is_empty(), "{dashboard}, {panel}: no data for {query}");
                assert!(found.iter().all(|row| row["value"][1] != "NaN"), "{dashboard}, {panel}: {found:?}");
                asked += 1;
            }
        }
        println!("dashboard {dashboard}: {} panels, {asked} queries, all with data", panels.len());
    }
}
