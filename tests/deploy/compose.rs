//! The compose file and the container: what they mount and copy is there, and nothing is open to the network.

use std::fs;

use serde_json::Value;

use crate::support::project_file;
use crate::{texts, yaml};

#[test]
fn every_file_that_is_mounted_is_there() {
    let compose = yaml("deploy/compose.yml");
    let volumes = compose["volumes"].as_object().expect("volumes");
    let mut files = 0;
    for (name, service) in compose["services"].as_object().expect("services") {
        for mount in texts(service, "/volumes") {
            let source = mount.split(':').next().unwrap_or_default();
            if let Some(path) = source.strip_prefix("./") {
                files += 1;
                assert!(project_file("deploy").join(path).exists(), "{name} mounts {path}, which is not there");
                assert!(mount.ends_with(":ro"), "{name} may write to {path}");
            } else {
                assert!(volumes.contains_key(source), "{name} mounts {source}, which is not declared");
            }
        }
    }
    assert_eq!(files, 5);
}

#[test]
fn ports_are_open_to_this_machine_only() {
    let compose = yaml("deploy/compose.yml");
    for (name, service) in compose["services"].as_object().expect("services") {
        for port in texts(service, "/ports") {
            assert!(port.starts_with("127.0.0.1:"), "{name} opens {port}");
        }
    }
}

#[test]
fn the_agent_has_no_privileges_in_its_container() {
    let compose = yaml("deploy/compose.yml");
    let agent = &compose["services"]["tuermer"];
    assert_eq!(agent["build"]["dockerfile"], "deploy/Containerfile");
    assert_eq!(agent["read_only"], Value::Bool(true));
    assert_eq!(texts(agent, "/cap_drop"), ["ALL"]);
    let containerfile = fs::read_to_string(project_file("deploy/Containerfile")).expect("Containerfile");
    let last_stage = containerfile.rsplit("\nFROM ").next().unwrap_or_default();
    assert!(last_stage.starts_with("scratch\n"), "{last_stage}");
    assert!(last_stage.contains("\nUSER 65534:65534\n"), "{last_stage}");
}
