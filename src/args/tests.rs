//! Command lines, right and wrong.

use std::path::Path;

use tuermer_probes::settings::Span;

use super::*;

fn read(words: &[&str]) -> Result<Args, Stop> {
    parse(std::iter::once("tuermer").chain(words.iter().copied()).map(OsString::from))
}

#[test]
fn the_command_is_sound() {
    command().debug_assert();
}

#[test]
fn the_flags_of_blackbox_exporter_are_taken_in_both_notations() {
    let args = read(&[
        "--config.file=a.yml",
        "--history.limit",
        "5",
        "--timeout-offset=0.25",
        "--log.level=WARN",
        "--web.listen-address=:1",
        "--web.listen-address",
        "[::1]:2",
        "--no-config.check",
        "--config.enable-auto-reload",
    ]);
    let agent = args.expect("valid").agent;
    assert_eq!(agent.config_file(), Path::new("a.yml"));
    assert_eq!((agent.history_limit, agent.timeout_offset, agent.log_level), (5, 0.25, LogLevel::Warn));
    assert_eq!(agent.listen_addresses, [":1", "[::1]:2"]);
    assert!(agent.auto_reload && !agent.config_check);
}

#[test]
fn without_words_the_agent_runs_with_defaults() {
    let args = read(&[]).expect("valid");
    assert_eq!(args.command, None);
    assert_eq!(args.agent.listen_addresses, [":9115"]);
    assert_eq!((args.agent.auto_reload_interval, args.agent.history_limit), (30, 100));
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    for words in [
        &["--frobnicate"][..],
        &["--history.limit=-1"],
        &["--timeout-offset=abc"],
        &["--timeout-offset=NaN"],
        &["--log.level=foo"],
        &["--log.format=foo"],
        &["stray"],
        &["--config.file=a", "--config.file=b"],
        &["--config.check", "--config.check"],
        &["--config.check", "--no-config.check"],
        &["--config.check", "check"],
        &["kinds", "--output", "xml"],
    ] {
        let stop = read(words).expect_err("wrong");
        assert_eq!((stop.code, stop.text.lines().count()), (EXIT_BAD, 1), "{}", stop.text);
        assert!(stop.text.starts_with("tuermer: error: "), "{}", stop.text);
    }
    let stop = read(&["probe"]).expect_err("wrong");
    assert_eq!(stop.code, EXIT_UNKNOWN);
    assert_eq!(
        stop.text,
        "tuermer: error: the following required arguments were not provided: <MODULE> <TARGET>, try --help\n"
    );
}

#[test]
fn help_and_version_are_good_ends() {
    for words in [&["--help"][..], &["-h"], &["probe", "--help"]] {
        let stop = read(words).expect_err("an end");
        assert_eq!(stop.code, EXIT_GOOD);
        assert!(stop.text.contains("Exit codes:"), "{}", stop.text);
    }
    let stop = read(&["--version"]).expect_err("an end");
    assert_eq!(stop.code, EXIT_GOOD);
    let first = format!("tuermer, version {} (branch: ", env!("CARGO_PKG_VERSION"));
    assert!(stop.text.starts_with(&first), "{}", stop.text);
}

#[test]
fn the_flags_of_the_web_are_read() {
    let agent = read(&[
        "--web.systemd-socket",
        "--web.config.file=a.yml",
        "--web.external-url=http://a/b",
        "--web.route-prefix=/c",
    ]);
    let agent = agent.expect("valid").agent;
    assert!(agent.systemd_socket);
    assert_eq!(
        [agent.web_config_file, agent.external_url, agent.route_prefix],
        ["a.yml", "http://a/b", "/c"].map(str::to_owned)
    );
}

#[test]
fn a_file_stands_for_its_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("args");
    std::fs::write(&path, "# why\n--history.limit\n5\n\n--log.level=warn\r\n").expect("a file");
    let agent = read(&["--config.check", &format!("@{}", path.display())]).expect("valid").agent;
    assert_eq!((agent.history_limit, agent.log_level, agent.config_check), (5, LogLevel::Warn, true));
    let stop = read(&["@/nonexistent"]).expect_err("no file");
    assert_eq!((stop.code, stop.text.lines().count()), (EXIT_BAD, 1), "{}", stop.text);
    let args = read(&["probe", "web", "@home"]).expect("valid");
    assert!(matches!(args.command, Some(Command::Probe(probe)) if probe.target == "@home"));
}

#[test]
fn completions_and_manuals_are_good_ends() {
    for (flag, word) in [
        ("--help-long", "--web.external-url"),
        ("--help-man", ".TH tuermer"),
        ("--completion-script-bash", "--web.external-url"),
        ("--completion-script-zsh", "--web.external-url"),
    ] {
        let stop = read(&[flag]).expect_err("an end");
        assert_eq!(stop.code, EXIT_GOOD, "{flag}");
        assert!(stop.text.contains(word), "{flag}: {}", stop.text);
    }
    let stop = read(&["--completion-bash", "--config.file=a", "--web.r"]).expect_err("an end");
    assert_eq!(stop, Stop { text: "--web.route-prefix\n".to_owned(), code: EXIT_GOOD });
}

#[test]
fn a_probe_is_asked_for() {
    let args = read(&["probe", "web", "https://a/", "--timeout", "1.5s", "--output=json"]).expect("valid");
    let Some(Command::Probe(probe)) = args.command else { panic!("{args:?}") };
    assert_eq!((probe.module.as_str(), probe.target.as_str()), ("web", "https://a/"));
    assert_eq!(probe.timeout, Some(Span(std::time::Duration::from_millis(1500))));
    assert_eq!(probe.output, ProbeOutput::Json);
}
