//! The command line, as a user types it.

use crate::daemon::folder;
use crate::daemon::tuermer::{command, output};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_and_version_go_to_standard_output() {
    for flag in ["--help", "--version"] {
        let done = output(command().arg(flag));
        assert_eq!(done.status.code(), Some(0), "{flag}");
        assert!(!done.stdout.is_empty() && done.stderr.is_empty(), "{flag}");
    }
}

#[test]
fn usage_errors_are_one_line_and_exit_1() {
    for wrong in [
        &["--no-such-flag"][..],
        &["--history.limit=-1"],
        &["--timeout-offset=abc"],
        &["--log.level=foo"],
        &["stray", "words"],
    ] {
        let done = output(command().args(wrong));
        assert_eq!(done.status.code(), Some(1), "{wrong:?}");
        assert_eq!(text(&done.stderr).lines().count(), 1, "{wrong:?}: {}", text(&done.stderr));
    }
}

#[test]
fn a_probe_is_run_and_explained() {
    let folder = folder();
    let file = folder.path().join("tuermer.yml");
    std::fs::write(&file, "modules: { port: { prober: tcp, timeout: 1s, tcp: { preferred_ip_protocol: ip4 } } }\n")
        .unwrap();
    let config = format!("--config.file={}", file.display());
    let probe = |output_format: &str| {
        output(command().args(["probe", "port", "127.0.0.1:1", &config, "--output", output_format]))
    };
    let done = probe("text");
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    let shown = text(&done.stdout);
    assert!(shown.contains("connect_refused") && shown.contains("connect"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colour where no terminal is");
    let json: serde_json::Value = serde_json::from_slice(&probe("json").stdout).unwrap();
    assert_eq!(json["verdict"], "down", "{json}");
    assert!(text(&probe("metrics").stdout).contains("probe_success 0"));
}

#[test]
fn a_module_that_sends_mail_is_not_run() {
    let folder = folder();
    let file = folder.path().join("tuermer.yml");
    let module = "modules: { trip: { prober: mail, mail: { from: a@town.example, to: b@town.example,
        fetch: { host: 127.0.0.1, username: b, password: hunter2 } } } }\n";
    std::fs::write(&file, module).unwrap();
    let done = output(command().args(["probe", "trip", "127.0.0.1:1", &format!("--config.file={}", file.display())]));
    assert_eq!(done.status.code(), Some(2));
    assert_eq!(text(&done.stderr), "error: module `trip` sends mail: only the configuration's checks do\n");
    assert_eq!(text(&done.stdout), "");
}

#[test]
fn kinds_are_listed() {
    let done = output(command().arg("kinds"));
    assert_eq!(done.status.code(), Some(0));
    let shown = text(&done.stdout);
    for kind in tuermer_probes::KINDS {
        assert!(shown.contains(kind.name), "{} in {shown}", kind.name);
    }
}

/// The reference in the README is what the program says of itself. `UPDATE_README=1` renews it.
#[test]
fn the_readme_has_the_reference_of_kinds() {
    let done = output(command().args(["kinds", "--output", "markdown"]));
    let reference = text(&done.stdout);
    let file = crate::support::project_file("README.md");
    let readme = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = readme.split_once("<!-- kinds -->\n").expect("where the reference begins");
    let (present, after) = rest.split_once("<!-- end of kinds -->").expect("where the reference ends");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(&file, format!("{before}<!-- kinds -->\n{reference}<!-- end of kinds -->{after}")).unwrap();
    } else {
        assert_eq!(present, reference, "run the test with UPDATE_README=1");
    }
}
