//! The web configuration, read by promtool and by the agent.

use std::fs;
use std::process::Command;

use tuermer::web::Guard;
use tuermer_probes::testkit::Authority;

use crate::support::{output, program, project_file};

/// The example in a folder with the files that it names.
fn example() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let leaf = authority.leaf(&["tuermer.example.org"]);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("web.yml", &fs::read_to_string(project_file("deploy/web.yml")).expect("the example"));
    write("tuermer.crt", &leaf.pem);
    write("tuermer.key", &leaf.key_pem);
    write("clients.crt", &authority.pem());
    folder
}

#[test]
fn promtool_takes_the_web_configuration() {
    let Some(promtool) = program(&["promtool"]) else { return };
    let folder = example();
    // 2.42 does not know the newer keys yet.
    let text = fs::read_to_string(folder.path().join("web.yml")).expect("the example");
    let newer = text.find("# At most ten requests").expect("the last section");
    let older: String = text[..newer]
        .lines()
        .filter(|line| !line.contains("client_allowed_sans"))
        .fold(String::new(), |text, line| text + line + "\n");
    fs::write(folder.path().join("web.yml"), older).expect("written");
    output(Command::new(promtool).args(["check", "web-config"]).arg(folder.path().join("web.yml")));
}

#[test]
fn the_agent_takes_the_web_configuration() {
    let folder = example();
    Guard::open(folder.path().join("web.yml")).expect("it is valid");
}
