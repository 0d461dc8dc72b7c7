use std::time::Duration;

use tuermer_probes::Reason;

use super::*;
use crate::exposition::{Format, end};
use crate::testkit::{check, failed, moment, plan, report};

fn rendered(metrics: &AgentMetrics, format: Format) -> String {
    let mut out = Vec::new();
    metrics.render(format, &mut out);
    end(format, &mut out);
    String::from_utf8(out).unwrap()
}

/// What differs from machine to machine is left out.
fn stable(text: &str) -> String {
    let is_stable =
        |line: &&str| line.starts_with('#') || !(line.starts_with("process_") || line.contains("_build_info{"));
    text.lines().filter(is_stable).map(|line| format!("{line}\n")).collect()
}

fn busy() -> AgentMetrics {
    let metrics = AgentMetrics::new();
    metrics.config_loaded(&plan(["a", "b", "c"].map(|name| check(name, "pass", &[]))), moment(0));
    metrics.config_rejected();
    metrics.module_unknown();
    std::mem::forget(metrics.run_began());
    drop(metrics.run_began());
    metrics.run_was_late(Duration::from_millis(3));
    metrics.runs_skipped(Skip::Late, 4);
    metrics.reported(&report(0, failed(Reason::AgentPanic)));
    metrics.reported(&report(0, failed(Reason::Timeout)));
    metrics.web_request("/metrics", 200);
    metrics.web_request("/probe", 503);
    metrics
}

#[test]
fn everything_is_shown() {
    let text = stable(&rendered(&busy(), Format::Text));
    expect_test::expect_file!["../../tests/golden/agent.prom"].assert_eq(&text);
}

#[test]
fn everything_can_be_had_as_openmetrics() {
    let text = stable(&rendered(&busy(), Format::OpenMetrics));
    expect_test::expect_file!["../../tests/golden/agent_openmetrics.prom"].assert_eq(&text);
}

#[test]
fn the_process_is_described() {
    let text = rendered(&AgentMetrics::new(), Format::Text);
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    };
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(value("process_open_fds") >= 3.0);
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
    assert!(value("process_virtual_memory_max_bytes") != 0.0);
    assert!(value("process_start_time_seconds") > 1.5e9);
    assert!(value("process_threads") >= 1.0);
    assert!(value("process_network_receive_bytes_total") >= 0.0);
    assert!(value("process_network_transmit_bytes_total") >= 0.0);
}
