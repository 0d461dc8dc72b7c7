//! A stopped service becomes a failed probe with the right reason, then an alert at a webhook, then its resolution.

use crate::daemon::alertmanager::{Alertmanager, Webhook};
use crate::daemon::nginx::{Nginx, Pem};
use crate::daemon::prometheus::Prometheus;
use crate::daemon::tuermer::Tuermer;
use crate::daemon::{eventually, folder};
use tuermer_probes::testkit::Authority;

const RULES: &str = r#"
groups:
  - name: test
    interval: 1s
    rules:
      - alert: ProbeDown
        expr: probe_success == 0
        labels: { severity: page }
        annotations:
          reason: '{{ with printf "probe_failure_info{check=\"%s\"}" $labels.check | query }}{{ . | first | label "reason" }}{{ end }}'
"#;

#[tokio::test]
async fn a_stopped_nginx_becomes_an_alert_and_its_return_resolves_it() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["town.example"]);
    let pem = Pem { certificate: &leaf.pem, key: &leaf.key_pem };
    let locations = "location / { return 200 'Welcome'; }";
    let Some(nginx) = Nginx::start(locations, &pem) else { return };
    let (http, https) = (nginx.http, nginx.https);
    let files = folder();
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let tuermer = Tuermer::start(&format!(
        "modules:
  page: {{ prober: http, timeout: 1s, http: {{ preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: [Welcome] }} }}
  secure: {{ prober: http, timeout: 1s, http: {{ preferred_ip_protocol: ip4, fail_if_not_ssl: true,
             tls_config: {{ ca_file: {}, server_name: town.example }} }} }}
checks:
  home: {{ module: page, targets: ['http://{http}/'], interval: 1s, timeout: 1s, labels: {{ service: homepage }} }}
  secure home: {{ module: secure, targets: ['https://{https}/'], interval: 1s, timeout: 1s }}
",
        ca.display()
    ));
    let mut webhook = Webhook::listen().await;
    let Some(alertmanager) = Alertmanager::start(&format!(
        "route: {{ receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: [alertname, check] }}
receivers:
  - name: hook
    webhook_configs: [{{ url: 'http://{}/', send_resolved: true }}]
",
        webhook.address
    )) else {
        return;
    };
    let Some(prometheus) = Prometheus::start(
        &format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: [rules.yml]
alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{}'] }}] }}] }}
scrape_configs:
  - job_name: tuermer
    honor_labels: true
    static_configs: [{{ targets: ['{}'] }}]
",
            alertmanager.address, tuermer.address
        ),
        RULES,
    ) else {
        return;
    };
    eventually("Prometheus sees both checks pass", async || {
        let up = prometheus.query("probe_success == 1").await;
        (up.len() == 2).then_some(())
    })
    .await;
    let secure = tuermer.metrics("/metrics").await;
    assert!(secure.find("probe_ssl_earliest_cert_expiry", &[r#"check="secure home""#]).is_some());
    assert_eq!(secure.find("probe_http_version", &[r#"check="secure home""#]).map(|(_, value)| value), Some(2.0));

    drop(nginx);
    let alert = webhook.alert("ProbeDown", "firing").await;
    assert_eq!(alert["annotations"]["reason"], "connect_refused", "{alert}");
    let metrics = tuermer.metrics("/metrics").await;
    let info = metrics.find("probe_failure_info", &[r#"check="home""#]).expect("a failure").0;
    assert!(info.contains(r#"reason="connect_refused""#) && info.contains(r#"phase="connect""#), "{info}");
    assert!(info.contains(r#"service="homepage""#), "{info}");

    let _again = Nginx::start_at(http, https, locations, &pem).expect("nginx was there before");
    webhook.alert("ProbeDown", "resolved").await;
}
