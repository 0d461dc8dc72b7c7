//! The systemd unit, read and judged by systemd-analyze.

use std::fs;
use std::process::Command;

use crate::support::{output, program, project_file};

/// Most exposure in tenths, on systemd-analyze's scale from 0 (sealed) to 100 (open). Chosen: "OK" begins at 5.
const EXPOSURE_MAX: &str = "20";

#[test]
fn the_unit_is_hardened() {
    let Some(analyze) = program(&["systemd-analyze"]) else { return };
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let unit = project_file("deploy/tuermer.service");
    output(Command::new(analyze).args(["security", "--offline=true", "--no-pager", &threshold]).arg(unit));
}

#[test]
fn systemd_understands_the_unit() {
    let Some(analyze) = program(&["systemd-analyze"]) else { return };
    let unit = fs::read_to_string(project_file("deploy/tuermer.service")).expect("unit");
    // The program has to be there for the check: the one just built stands in for the installed one.
    let installed = "ExecStart=/usr/local/bin/tuermer ";
    assert!(unit.contains(installed));
    let unit = unit.replace(installed, concat!("ExecStart=", env!("CARGO_BIN_EXE_tuermer"), " "));
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("tuermer.service");
    fs::write(&path, unit).expect("unit");
    let socket = directory.path().join("tuermer.socket");
    fs::copy(project_file("deploy/tuermer.socket"), &socket).expect("socket");
    output(Command::new(analyze).args(["verify", "--man=no"]).arg(path).arg(socket));
}

#[test]
fn the_only_privilege_is_raw_sockets() {
    let unit = fs::read_to_string(project_file("deploy/tuermer.service")).expect("unit");
    let capabilities: Vec<&str> = unit.lines().filter(|line| line.contains("CAP_")).collect();
    assert_eq!(capabilities, ["AmbientCapabilities=CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_RAW"]);
}
