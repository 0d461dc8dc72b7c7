//! The dashboard "tuermer: Mail" shows the journey of a real mail: its queries have data, and say where the mail broke. The
//! rules about mail say so too.

use std::fs;

use serde_json::Value;

use crate::daemon::dovecot::PASSWORD;
use crate::daemon::eventually;
use crate::daemon::office::Office;
use crate::daemon::prometheus::Prometheus;
use crate::daemon::tuermer::Tuermer;
use crate::support::project_file;

/// Panels that are empty while all is well, or that nobody in this town has anything to say about.
const EMPTY: [&str; 9] = [
    "What Prometheus says",
    "Reasons, over time",
    "The receiving side's verdict",
    "The agent's own verdict",
    "Points of the spam filter",
    "What filters must stop is stopped",
    "The receiving side's results",
    "The agent's own results",
    "Results over time",
];
/// Rows of the dashboard that are about kind `mail`: those that are open.
const ROWS_ABOUT_MAIL: usize = 4;

#[tokio::test]
async fn the_journey_of_the_last_mail_is_on_the_dashboard() {
    let Some(office) = Office::start("") else { return };
    let tuermer = agent(&office);
    let rules = ["rules", "rules_mail"]
        .map(|file| fs::read_to_string(project_file(&format!("deploy/prometheus/{file}.yml"))).expect("rules"));
    // One file, and impatient.
    let rules = rules.concat().replace("groups:\n", "").replace("for: 1m\n", "for: 1s\n");
    let rules = format!("groups:\n{rules}");
    let config = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
rule_files: [rules.yml]
scrape_configs:
  - job_name: tuermer
    honor_labels: true
    static_configs: [{{ targets: ['{}'], labels: {{ agent: tower }} }}]
",
        tuermer.address
    );
    let Some(prometheus) = Prometheus::start(&config, &rules) else { return };
    let panels = panels();
    // A histogram says something from the second mail on.
    eventually("two mails to arrive, and to be seen", async || {
        let observed = prometheus.query("increase(probe_mail_delivery_seconds_count[1m]) > 0").await;
        (!observed.is_empty()).then_some(())
    })
    .await;
    assert_eq!(empty_panels(&prometheus, &panels).await, EMPTY);

    office.dovecot.filter("clerk", "require \"fileinto\";\nfileinto \"Junk\";\n");
    let [broke, reasons] =
        ["Where it broke, over time", "Reasons, over time"].map(|title| queries(&panels, title).remove(0));
    eventually("the mail to be shown as not as it should", async || {
        let [broke, reasons] = [prometheus.query(&broke).await, prometheus.query(&reasons).await];
        let reason = &reasons.first()?["metric"];
        let shown = ["step", "phase", "reason"].map(|label| reason[label].as_str().unwrap_or_default().to_owned());
        (broke.first()?["value"][1] == "3" && shown == ["fetch", "retrieval", "mail_junked"]).then_some(())
    })
    .await;
    // Two runs later.
    let says = queries(&panels, "What Prometheus says").remove(0);
    let alerts = eventually("an alert to fire", async || {
        let alerts = prometheus.query("ALERTS{alertstate=\"firing\"}").await;
        (alerts.len() == 2 && prometheus.query(&says).await.len() == 1).then_some(alerts)
    })
    .await;
    let mut alerts: Vec<[&str; 3]> = alerts
        .iter()
        .map(|alert| ["alertname", "severity", "fate"].map(|label| alert["metric"][label].as_str().unwrap_or_default()))
        .collect();
    alerts.sort_unstable();
    assert_eq!(alerts, [["MailJunked", "ticket", ",mail,"], ["ProbeDown", "page", ",mail,"]]);
}

/// Starts an agent that sends a mail every few seconds.
fn agent(office: &Office) -> Tuermer {
    let (tls, imap) = (&office.tls, office.dovecot.addresses.imaps);
    Tuermer::start(&format!(
        "modules:
  trip:
    prober: mail
    mail:
      from: clerk@town.example
      to: clerk@town.example
      token_key: sealed-by-the-town-clerk
      max_mails_per_hour: 3600
      submit: {{ starttls: required, username: clerk, password: {PASSWORD}, preferred_ip_protocol: ip4, {tls} }}
      fetch: {{ host: '{imap}', username: clerk, password: {PASSWORD}, preferred_ip_protocol: ip4, {tls} }}
checks: {{ trip: {{ module: trip, targets: ['{}'], interval: 5s, timeout: 5s, fate: [mail] }} }}
",
        office.submission
    ))
}

/// Titles and queries of the panels about kind `mail`.
fn panels() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(project_file("deploy/grafana/dashboards/mail.json")).expect("dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let open = dashboard["panels"].as_array().expect("panels").iter();
    let is_open = |panel: &&Value| panel["type"] != "row" || panel["collapsed"] == false;
    let (rows, panels): (Vec<_>, Vec<_>) = open.filter(is_open).partition(|panel| panel["type"] == "row");
    assert_eq!(rows.len(), ROWS_ABOUT_MAIL);
    let query = |target: &Value| {
        let text = target["expr"].as_str().expect("expr");
        [("$__rate_interval", "1m"), ("$agent", ".*"), ("$check", ".*"), ("$target", ".*")]
            .iter()
            .fold(text.to_owned(), |text, (variable, value)| text.replace(variable, value))
    };
    let queries = |panel: &Value| panel["targets"].as_array().expect("targets").iter().map(query).collect();
    panels.iter().map(|panel| (panel["title"].as_str().expect("title").to_owned(), queries(panel))).collect()
}

fn queries(panels: &[(String, Vec<String>)], title: &str) -> Vec<String> {
    let found = panels.iter().find(|(known, _)| known == title);
    found.unwrap_or_else(|| panic!("no panel {title}")).1.clone()
}

/// The panels without any data.
async fn empty_panels(prometheus: &Prometheus, panels: &[(String, Vec<String>)]) -> Vec<String> {
    let mut empty = Vec::new();
    for (title, queries) in panels {
        let mut has_data = false;
        for query in queries {
            has_data = has_data || !prometheus.query(query).await.is_empty();
        }
        if !has_data {
            empty.push(title.clone());
        }
    }
    empty
}
