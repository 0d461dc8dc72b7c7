//! Flags, exit codes, signals, reload: P1 to P3, P29 to P35. The configuration files of the others are in `config.rs`.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::case::{Case, case};
use crate::process::PATIENCE;
use crate::program::{Agent, Seen};

const SUCCESSFUL: &str = "blackbox_exporter_config_last_reload_successful";
const MOMENT: &str = "blackbox_exporter_config_last_reload_success_timestamp_seconds";

/// Between two looks at something that is awaited.
const PAUSE: Duration = Duration::from_millis(50);

const ONE: &str = "modules: { one: { prober: tcp, timeout: 1s } }\n";
const TWO: &str = "modules: { two: { prober: tcp, timeout: 1s } }\n";
const BROKEN: &str = "modules: { one: { prober: tcp, tpc: {} } }\n";

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("P1", "help_and_version_are_good_ends")
            .row("help")
            .run(&["--help"])
            .exits(0)
            .prints("--config.file")
            .row("short")
            .run(&["-h"])
            .exits(0)
            .row("long")
            .run(&["--help-long"])
            .exits(0)
            .prints("--web.external-url")
            .row("manual")
            .run(&["--help-man"])
            .exits(0)
            .prints(".TH")
            .row("version")
            .run(&["--version"])
            .exits(0)
            .prints("tuermer, version "),
        wrong_words(),
        case("P3", "a_file_that_is_not_there_ends_the_start")
            .run(&["--config.file=/nonexistent"])
            .exits(1)
            .prints("/nonexistent"),
        case("P29", "a_signal_is_a_good_end")
            .row("SIGTERM")
            .config(ONE)
            .steps(|agent| ended_by(agent, Signal::SIGTERM))
            .sees("exit", 0)
            .row("SIGINT")
            .config(ONE)
            .steps(|agent| ended_by(agent, Signal::SIGINT))
            .sees("exit", 0),
        case("P30", "a_port_in_use_ends_the_start")
            .config(ONE)
            .peer([])
            .run(&["--web.listen-address={peer}"])
            .exits(1)
            .prints("{peer}"),
        case("P31", "a_signal_reloads_a_file_that_did_not_change")
            .config(ONE)
            .steps(|agent| async move {
                let before = value(&agent, MOMENT).await;
                agent.signal(Signal::SIGHUP);
                let mut seen = Seen::new();
                until(&agent, MOMENT, |moment| moment > before).await;
                seen.note("successful", value(&agent, SUCCESSFUL).await);
                seen
            })
            .sees("successful", 1),
        case("P32", "a_broken_file_changes_nothing")
            .config(ONE)
            .steps(broken_and_mended)
            .sees("status of POST", 500)
            .sees("it names the key", true)
            .sees("successful", 0)
            .sees("moment is the same", true)
            .sees("old module", 200)
            .sees("status of the next POST", 200)
            .sees("successful again", 1)
            .sees("successful after SIGHUP", 0),
        case("P33", "a_changed_file_is_noticed")
            .not_in_0_23("the flag is newer")
            .flags(&["--config.enable-auto-reload", "--config.auto-reload-interval=1"])
            .config(ONE)
            .steps(noticed)
            .sees("new module", 200)
            .sees("old module", 400)
            .sees("module after a broken edit", 200),
        external_urls(),
        case("P35", "a_wrong_web_configuration_ends_the_start_alone")
            .config(ONE)
            .file("web.yml", "tls_config: {}\n")
            .row("start")
            .run(&["--web.config.file=web.yml"])
            .exits(1)
            .prints("tls_config")
            .row("check")
            .run(&["--web.config.file=web.yml", "--config.check"])
            .exits(0),
    ]
}

fn wrong_words() -> Case {
    let lines: [(&str, &[&str]); 8] = [
        ("unknown flag", &["--frobnicate"]),
        ("negative number", &["--history.limit=-1"]),
        ("no number", &["--timeout-offset=abc"]),
        ("unknown level", &["--log.level=foo"]),
        ("unknown format", &["--log.format=foo"]),
        ("stray word", &["stray"]),
        ("file twice", &["--config.file=a.yml", "--config.file=b.yml"]),
        ("switch twice", &["--config.check", "--config.check"]),
    ];
    lines.into_iter().fold(case("P2", "a_wrong_command_line_is_told_in_one_line"), |case, (label, arguments)| {
        case.row(label).run(arguments).exits(1).prints("tuermer: error: ").prints(", try --help\n")
    })
}

fn external_urls() -> Case {
    let case = case("P34", "an_external_url_is_understood_or_ends_the_start").config(ONE);
    let wrong = ["'http://a'", "http://a\"", ":::"];
    let case = wrong.into_iter().fold(case, |case, url| {
        case.row(url).run(&[&format!("--web.external-url={url}")]).exits(1).prints("--web.external-url")
    });
    let right = [("http://h/prefix", "/prefix"), ("http://h/prefix//", "/prefix"), ("", ""), ("relative", "/relative")];
    right.into_iter().fold(case, |case, (url, prefix)| {
        let flag = format!("--web.external-url={url}");
        case.row(format!("right {url}")).flags(&[&flag]).get(format!("{prefix}/-/healthy")).has("Healthy")
    })
}

async fn ended_by(agent: Agent, signal: Signal) -> Seen {
    agent.signal(signal);
    let mut seen = Seen::new();
    seen.note("exit", agent.exit());
    seen
}

async fn value(agent: &Agent, series: &str) -> f64 {
    agent.get("/metrics").await.value(series).unwrap_or(f64::NAN)
}

/// The value once it is as wanted, or what it is after a long wait.
async fn until(agent: &Agent, series: &str, is_wanted: impl Fn(f64) -> bool + Send) -> f64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = value(agent, series).await;
        if is_wanted(value) || Instant::now() > deadline {
            return value;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The status of asking a module; what it asks is closed.
async fn status(agent: &Agent, module: &str) -> u16 {
    agent.probe(module, "127.0.0.1:1").await.status
}

async fn broken_and_mended(agent: Agent) -> Seen {
    let mut seen = Seen::new();
    let before = value(&agent, MOMENT).await;
    agent.write("config.yml", BROKEN);
    let answer = agent.post("/-/reload").await;
    seen.note("status of POST", answer.status);
    seen.note("it names the key", answer.text().contains("tpc"));
    seen.note("successful", value(&agent, SUCCESSFUL).await);
    seen.note("moment is the same", (value(&agent, MOMENT).await - before).abs() < f64::EPSILON);
    seen.note("old module", status(&agent, "one").await);
    agent.write("config.yml", ONE);
    seen.note("status of the next POST", agent.post("/-/reload").await.status);
    seen.note("successful again", value(&agent, SUCCESSFUL).await);
    agent.write("config.yml", BROKEN);
    agent.signal(Signal::SIGHUP);
    seen.note("successful after SIGHUP", until(&agent, SUCCESSFUL, |value| value == 0.0).await);
    seen
}

async fn noticed(agent: Agent) -> Seen {
    let mut seen = Seen::new();
    agent.write("config.yml", TWO);
    let deadline = Instant::now() + PATIENCE;
    while status(&agent, "two").await != 200 && Instant::now() < deadline {
        tokio::time::sleep(PAUSE).await;
    }
    seen.note("new module", status(&agent, "two").await);
    seen.note("old module", status(&agent, "one").await);
    agent.write("config.yml", BROKEN);
    until(&agent, SUCCESSFUL, |value| value == 0.0).await;
    seen.note("module after a broken edit", status(&agent, "two").await);
    seen
}
