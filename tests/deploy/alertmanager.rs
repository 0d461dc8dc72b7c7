//! Alertmanager's configuration, read and tried by amtool.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::prometheus::alerts;
use crate::server::Server;
use crate::support::{output, program, project_file};
use crate::yaml;

#[test]
fn amtool_accepts_the_configuration() {
    let Some(amtool) = program(&["amtool"]) else { return };
    output(Command::new(amtool).arg("check-config").arg(project_file("deploy/alertmanager/alertmanager.yml")));
}

#[test]
fn alerts_reach_who_they_are_for() {
    let Some(amtool) = program(&["amtool"]) else { return };
    let config = project_file("deploy/alertmanager/alertmanager.yml");
    let routed = |receiver: &str, labels: &[&str]| {
        let mut command = Command::new(&amtool);
        command.args(["config", "routes", "test", "--config.file"]).arg(&config);
        output(command.arg(format!("--verify.receivers={receiver}")).args(labels));
    };
    routed("page", &["severity=page", "alertname=ProbeDown", "check=web"]);
    routed("ticket", &["severity=ticket", "alertname=ProbeSlow", "check=web"]);
    routed("ticket", &["alertname=SomethingElse"]);
    routed("page", &["severity=page", "alertname=MailNotArriving", "fate=,internet,mail,"]);
    routed("ticket-without-mail", &["severity=ticket", "alertname=MailJunked", "fate=,mail,"]);
    routed("ticket-without-mail", &["alertname=SomethingElse", "fate=,mail,phone,"]);
    routed("ticket", &["severity=ticket", "alertname=ProbeSlow", "fate=,email-of-others,"]);
}

#[test]
fn nothing_that_shares_the_fate_of_mail_is_said_by_mail() {
    let Some(amtool) = program(&["amtool"]) else { return };
    let path = project_file("deploy/alertmanager/alertmanager.yml");
    let config = yaml("deploy/alertmanager/alertmanager.yml");
    let by_mail = |name: &str| {
        let all = config["receivers"].as_array().expect("receivers");
        let receiver = all.iter().find(|receiver| receiver["name"] == name).expect(name);
        receiver.get("email_configs").is_some()
    };
    assert!(by_mail("ticket"), "so that this test says something");
    let labels = |alert: &Value| [&alert["alert"], &alert["labels"]["severity"]].map(ToString::to_string);
    for [name, severity] in alerts().iter().map(labels).collect::<BTreeSet<_>>() {
        let labels = [format!("alertname={name}"), format!("severity={severity}"), "fate=,internet,mail,".to_owned()];
        let mut command = Command::new(&amtool);
        command.args(["config", "routes", "test", "--config.file"]).arg(&path);
        let receivers = output(command.args(labels.map(|label| label.replace('"', ""))));
        for receiver in receivers.lines().next().unwrap_or_default().split(',') {
            assert!(!by_mail(receiver), "{name} goes to {receiver}");
        }
    }
}

#[test]
fn what_an_absent_agent_said_is_held_back_and_nothing_else_is() {
    let Some(amtool) = program(&["amtool"]) else { return };
    let Some(alertmanager) = program(&["prometheus-alertmanager", "alertmanager"]) else { return };
    let running = Running::start(&alertmanager);
    for alert in [
        "alertname=MailJunked severity=ticket agent=b check=trip target=x fate=,mail,",
        "alertname=ProbeDown severity=page agent=b check=trip target=x fate=,mail,",
        "alertname=MailUnseen severity=ticket agent=b check=trip target=y fate=,mail,",
        "alertname=ProbeUnknown severity=ticket agent=b check=trip target=y fate=,mail, reason=mail_unseen",
        "alertname=TuermerDown severity=page agent=a",
        "alertname=ProbeUnknown severity=ticket agent=a check=web target=x",
        "alertname=ProbeDown severity=page agent=b check=web target=x",
        "alertname=ProbeSlow severity=ticket agent=b check=web target=x",
        "alertname=ProbeSlow severity=ticket agent=b check=web target=y",
        "alertname=CertificateExpiresSoon severity=page agent=b check=tls target=x",
        "alertname=CertificateExpiresSoon severity=ticket agent=b check=tls target=x",
    ] {
        output(Command::new(&amtool).args(["alert", "add"]).arg(running.flag()).args(alert.split(' ')));
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let held_back = [
        "CertificateExpiresSoon ticket agent b target x",
        "ProbeDown page agent b target x",
        "ProbeSlow ticket agent b target x",
        "ProbeUnknown ticket agent a target x",
        "ProbeUnknown ticket agent b target y",
    ];
    // The alerts are taken in one by one: what is held back grows until all are known.
    while running.held_back(&amtool) != held_back && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(running.held_back(&amtool), held_back);
}

#[test]
fn inhibition_names_alerts_that_exist() {
    let alerts = alerts();
    let exists = |name: &str| alerts.iter().any(|alert| alert["alert"] == name);
    let config = yaml("deploy/alertmanager/alertmanager.yml");
    for rule in config["inhibit_rules"].as_array().expect("inhibit_rules") {
        for side in ["source_matchers", "target_matchers"] {
            for matcher in rule[side].as_array().expect(side) {
                let matcher = matcher.as_str().expect("matcher");
                let Some(names) = matcher.strip_prefix("alertname") else { continue };
                for name in names.trim_start_matches(['=', '!', '~']).trim_matches('"').split('|') {
                    assert!(exists(name), "{name} of {matcher} is no alert");
                }
            }
        }
    }
}

/// An Alertmanager with our configuration.
struct Running {
    server: Server,
    _storage: tempfile::TempDir,
}

impl Running {
    fn start(alertmanager: &Path) -> Self {
        let storage = tempfile::tempdir().expect("directory");
        let mut command = Command::new(alertmanager);
        command.arg("--config.file").arg(project_file("deploy/alertmanager/alertmanager.yml"));
        command.arg("--storage.path").arg(storage.path());
        command.args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        Self { server: Server::start(&mut command), _storage: storage }
    }

    fn flag(&self) -> String {
        format!("--alertmanager.url=http://{}", self.server.address)
    }

    /// The alerts that are held back, in words and in order.
    fn held_back(&self, amtool: &Path) -> Vec<String> {
        let mut query = Command::new(amtool);
        let printed = output(query.args(["alert", "query", "--inhibited", "--output=json"]).arg(self.flag()));
        let alerts: Vec<Value> = serde_json::from_str(&printed).expect("JSON");
        let words = |alert: &Value| {
            let label = |name: &str| alert["labels"][name].as_str().unwrap_or("none").to_owned();
            let (name, severity) = (label("alertname"), label("severity"));
            format!("{name} {severity} agent {} target {}", label("agent"), label("target"))
        };
        let mut words: Vec<String> = alerts.iter().map(words).collect();
        words.sort_unstable();
        words
    }
}
