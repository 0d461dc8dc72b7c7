//! Alertmanager's configuration, read and tried by amtool.

use std::process::Command;

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
}

#[test]
fn inhibition_names_alerts_that_exist() {
    let rules = yaml("deploy/prometheus/rules.yml").to_string();
    let config = yaml("deploy/alertmanager/alertmanager.yml");
    for rule in config["inhibit_rules"].as_array().expect("inhibit_rules") {
        for side in ["source_matchers", "target_matchers"] {
            for matcher in rule[side].as_array().expect(side) {
                let matcher = matcher.as_str().expect("matcher");
                let Some(names) = matcher.strip_prefix("alertname") else { continue };
                for name in names.trim_start_matches(['=', '!', '~']).trim_matches('"').split('|') {
                    assert!(rules.contains(&format!("\"alert\":\"{name}\"")), "{name} of {matcher} is no alert");
                }
            }
        }
    }
}
