//! The way from blackbox_exporter, as the README tells it: its commands are run, its files are used.

use std::path::Path;
use std::process::Command;

use crate::daemon::prometheus::Prometheus;
use crate::daemon::tuermer::Tuermer;
use crate::daemon::{eventually, folder};
use crate::support::{output, program, project_file};

/// The section of the README.
fn guide() -> String {
    let readme = std::fs::read_to_string(project_file("README.md")).expect("readable");
    let (_, rest) = readme.split_once("\n## From blackbox_exporter\n").expect("the section is there");
    rest.split_once("\n## ").expect("it is not the last").0.to_owned()
}

/// The blocks of a language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let guide = guide();
    let parts = guide.split("```").skip(1).step_by(2);
    parts.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).map(str::to_owned).collect()
}

/// The file that begins with a comment of this name.
fn file(name: &str) -> String {
    let begin = format!("# {name}\n");
    blocks("yaml").into_iter().find(|block| block.starts_with(&begin)).expect(name).replacen(&begin, "", 1)
}

/// Runs a line of the guide in a folder. The agent itself goes on for a second, on a port of its own.
fn run(line: &str, folder: &Path) -> String {
    let is_agent = line.starts_with("tuermer --config.file=");
    let line = if is_agent {
        format!("timeout 1 {line} --web.listen-address=127.0.0.1:0; test $? = 124")
    } else {
        line.to_owned()
    };
    let programs = Path::new(env!("CARGO_BIN_EXE_tuermer")).parent().expect("a folder").display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    output(Command::new("sh").args(["-c", &line]).current_dir(folder).env("PATH", path))
}

#[test]
fn the_commands_of_the_guide_do_what_it_says() {
    let folder = folder();
    let at = folder.path();
    std::fs::write(at.join("prometheus.yml"), file("prometheus.yml")).unwrap();
    std::fs::write(at.join("blackbox.yml"), file("blackbox.yml")).unwrap();
    let lines: Vec<String> = blocks("sh").iter().flat_map(|block| block.lines().map(str::to_owned)).collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    let printed: String = lines.iter().map(|line| run(line, at)).collect();
    assert!(printed.contains("tuermer.yml: good: 1 module, 1 check with 2 targets"), "{printed}");
    let made = std::fs::read_to_string(at.join("tuermer.yml")).unwrap();
    assert!(made.starts_with(file("blackbox.yml").trim_end()), "{made}");
    assert!(made.ends_with(&file("tuermer.yml")), "{made}");
    let Some(promtool) = program(&["promtool"]) else { return };
    std::fs::write(at.join("after.yml"), file("prometheus.yml, afterwards")).unwrap();
    for name in ["prometheus.yml", "after.yml"] {
        output(Command::new(&promtool).args(["check", "config", name]).current_dir(at));
    }
}

#[tokio::test]
async fn the_old_queries_find_the_new_checks() {
    let folder = folder();
    let at = folder.path();
    let here = |text: String| text.replace("https://www.example.org/", "http://127.0.0.1:1/").replace("15s", "1s");
    std::fs::write(at.join("prometheus.yml"), here(file("prometheus.yml"))).unwrap();
    std::fs::write(at.join("blackbox.yml"), file("blackbox.yml")).unwrap();
    run("tuermer import prometheus.yml --config.file=blackbox.yml > tuermer.yml", at);
    let tuermer = Tuermer::start(&std::fs::read_to_string(at.join("tuermer.yml")).unwrap());
    let config = here(file("prometheus.yml, afterwards")).replace("tuermer:9115", &tuermer.address.to_string());
    let Some(prometheus) = Prometheus::start(&config, "groups: []\n") else { return };
    for query in [
        "probe_success{job=\"blackbox\",instance=\"http://127.0.0.1:1/\",team=\"web\"}",
        "time() - probe_last_run_timestamp_seconds{job=\"blackbox\",instance=\"http://127.0.0.1:1/\"}",
        "increase(probe_runs_total{job=\"blackbox\",outcome=\"down\"}[1m])",
        "up{job=\"tuermer\"}",
    ] {
        eventually(query, async || (!prometheus.query(query).await.is_empty()).then_some(())).await;
    }
}

#[test]
fn what_cannot_be_translated_is_told_and_the_rest_loads() {
    let folder = folder();
    let at = folder.path();
    let jobs = "scrape_configs:
  - job_name: consul
    metrics_path: /probe
    consul_sd_configs: [{ server: 'localhost:8500' }]
  - job_name: ping
    metrics_path: /probe
    params: { module: [icmp] }
    file_sd_configs: [{ files: [hosts.json] }]
    relabel_configs:
      - { source_labels: [__address__], target_label: __param_target }
";
    std::fs::write(at.join("prometheus.yml"), jobs).unwrap();
    std::fs::write(at.join("hosts.json"), "[{\"targets\": [\"192.0.2.1\"], \"labels\": {\"site\": \"town\"}}]")
        .unwrap();
    std::fs::write(at.join("blackbox.yml"), "modules:\n  icmp: { prober: icmp }\n").unwrap();
    // Without a word the modules are those of the default file.
    let printed = run("tuermer import prometheus.yml 2>&1 >made.yml && tuermer check made.yml", at);
    assert!(printed.contains("prometheus.yml:4:5"), "{printed}");
    assert!(printed.contains("made.yml: good: 1 module, 1 check with 1 target"), "{printed}");
}

#[tokio::test]
async fn modules_with_credentials_need_the_line_that_the_guide_shows() {
    let modules = "modules: { web: { prober: http, timeout: 300ms, http: { bearer_token: hunter2 } } }\n";
    let guide = guide();
    let line =
        guide.lines().map(str::trim).find(|line| line.starts_with("probe_targets: ")).expect("the line is there");
    let tuermer = Tuermer::start(modules);
    let (status, why) = tuermer.get("/probe?module=web&target=http://192.0.2.1:1/").await;
    assert_eq!(status, 403, "{why}");
    assert!(why.contains("probe_targets: [\"*.example.org:443\", \"192.0.2.0/24\"]"), "{why}");
    let tuermer = Tuermer::start(&format!("{line}\n{modules}"));
    let status = async |target: &str| tuermer.get(&format!("/probe?module=web&target={target}")).await.0;
    assert_eq!(status("http://127.0.0.1:1/").await, 403);
    assert_ne!(status("http://192.0.2.1:1/").await, 403);
}
