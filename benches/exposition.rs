//! How fast and how large: `/probe`, `/metrics` of 10,000 checks, recording, idle checks.
//!
//! `cargo bench --bench exposition`. The same number of series is encoded by the `prometheus` crate in the same run, so
//! that the ratio says something on any machine. Memory is what the kernel counts as resident.

#![expect(clippy::unwrap_used, reason = "a bench may end at any surprise")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use prometheus::{Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};
use tuermer::exposition::{Format, render_report, render_store, write_store};
use tuermer::plan::{Access, Check, NamedModule, Plan, ProbeMetrics};
use tuermer::store::{HISTORY_RUNS_MAX, Store};
use tuermer_probes::net::Net;
use tuermer_probes::{
    Failure, Invalid, Kind, Label, Lap, Measure, Module, Notes, Outcome, Phase, Probe, Reading, Recorder, Report,
    Target, Unit,
};

const CHECKS: usize = 10_000;
const IDLE_CHECKS: usize = 100_000;
/// Series that each check's last report exports.
const SERIES: usize = 25;
const PHASES: [Phase; 5] =
    [Phase::new("resolve"), Phase::new("connect"), Phase::new("tls"), Phase::new("wait"), Phase::new("transfer")];

macro_rules! measures {
    ($($name:literal)*) => {
        static MEASURES: &[&Measure] = &[$({
            static MEASURE: Measure = Measure::level($name, Unit::None, "A number that was read off the service.");
            &MEASURE
        },)*];
    };
}

measures! {
    "probe_dns_lookup_time_seconds" "probe_fake_content_length" "probe_fake_http_version" "probe_fake_last_modified"
    "probe_fake_redirects" "probe_fake_ssl" "probe_fake_status_code" "probe_fake_uncompressed_body_length"
    "probe_failed_due_to_cel" "probe_failed_due_to_regex" "probe_ip_addr_hash" "probe_ip_protocol"
    "probe_ssl_earliest_cert_expiry" "probe_ssl_last_chain_expiry_timestamp_seconds" "probe_fake_body_bytes"
    "probe_fake_requests"
}

static VERSION: Measure = Measure::level("probe_tls_version_info", Unit::Info, "The version.").labels(&["version"]);

#[derive(Debug)]
struct Fake;

impl Probe for Fake {
    const NAME: &'static str = "fake";
    const ABOUT: &'static str = "Nothing.";
    const TARGET: &'static str = "Any text.";
    const PHASES: &'static [Phase] = &PHASES;
    const MEASURES: &'static [&'static Measure] = MEASURES;
    type Settings = ();

    fn bind(_: &Arc<()>, _: &Target) -> Result<Self, Invalid> {
        Ok(Self)
    }

    async fn run(&self, _: &Net, _: &mut Recorder) -> Result<(), Failure> {
        Ok(())
    }
}

static FAKE: Kind = Kind::of::<Fake>();

fn report(number: usize) -> Report {
    let micros = |micros: usize| Duration::from_nanos(micros as u64 * 1000 + 123);
    let mut laps = Vec::with_capacity(8);
    let mut start = Duration::ZERO;
    for (at, phase) in PHASES.into_iter().enumerate() {
        let length = micros(number % 1000 * 7 + at * 31);
        laps.push(Lap { step: None, phase, start, length, cut: false });
        start += length;
    }
    let mut readings = Vec::with_capacity(24);
    for (at, measure) in MEASURES.iter().enumerate() {
        let value = match at % 4 {
            0 => micros(number * 13 + at).as_secs_f64(),
            1 => 200.0,
            2 => 1.0,
            _ => (1_795_403_186 + number * 17 + at) as f64,
        };
        readings.push(Reading { measure, step: None, labels: Vec::new(), value });
    }
    let labels = vec![Label { name: "version".into(), value: "TLS 1.3".into() }];
    readings.push(Reading { measure: &VERSION, step: None, labels, value: 1.0 });
    Report {
        began: SystemTime::now(),
        duration: start,
        timeout: Duration::from_secs(10),
        outcome: Outcome::Pass,
        laps,
        declared: PHASES.to_vec(),
        readings,
        notes: Notes::default(),
    }
}

fn plan(checks: usize) -> Plan {
    let module: Module = FAKE.module(serde_json::Value::Null).unwrap();
    let named = Arc::new(NamedModule {
        name: "fake_2xx".into(),
        module: Some(module.clone()),
        timeout: None,
        access: Access::Open,
    });
    let labels: Arc<[(Arc<str>, Arc<str>)]> = [("service".into(), "homepage".into())].into();
    let check = |number: usize| {
        let target = Target::new(format!("https://host-{number}.example.org/"));
        let probe = module.bind(&target).unwrap();
        Arc::new(Check {
            identity: number as u64,
            content: 0,
            name: "town-hall".into(),
            module: Arc::clone(&named),
            target,
            labels: Arc::clone(&labels),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            probe,
        })
    };
    Plan { checks: (0..checks).map(check).collect(), ..Plan::default() }
}

/// The shortest of several rounds.
fn best(rounds: usize, mut work: impl FnMut()) -> Duration {
    let round = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..rounds).map(round).min().unwrap()
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

fn lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'#').count()
}

/// Each part in a process of its own, so that the memory it counts is its own.
fn main() {
    let part = std::env::args().nth(1).unwrap_or_default();
    match part.as_str() {
        "idle" => idle(),
        "active" => active(),
        "probe" => probe_answer(),
        "scrape" => {
            let ours = scrape();
            let theirs = prometheus_crate();
            println!("ratio: {:.1} times as fast as the prometheus crate", theirs.as_secs_f64() / ours.as_secs_f64());
        }
        _ => {
            for part in ["probe", "scrape", "active", "idle"] {
                let program = std::env::current_exe().unwrap();
                assert!(std::process::Command::new(program).arg(part).status().unwrap().success());
            }
        }
    }
}

fn idle() {
    let plan = plan(IDLE_CHECKS);
    let before = resident_bytes();
    let store = Store::new();
    let start = Instant::now();
    let entries = store.apply(&plan);
    let took = start.elapsed();
    let each = (resident_bytes() - before) / entries.len();
    println!("idle: {IDLE_CHECKS} checks taken over in {took:.1?}, {each} bytes each in the store");
    println!("reload: the same {IDLE_CHECKS} checks in {:.1?}", best(3, || _ = black_box(store.apply(&plan))));
    println!("counts: the states of {IDLE_CHECKS} checks in {:.1?}", best(3, || _ = black_box(store.counts())));
}

fn active() {
    let plan = plan(CHECKS);
    let store = Store::new();
    let entries = store.apply(&plan);
    let before = resident_bytes();
    let mut took = Duration::ZERO;
    for round in 1..=HISTORY_RUNS_MAX {
        for (number, entry) in entries.iter().enumerate() {
            let report = report(number + round);
            let start = Instant::now();
            store.record(entry, report);
            took += start.elapsed();
        }
        if round == 1 || round == HISTORY_RUNS_MAX {
            println!("active: {} bytes for a check after {round} runs", (resident_bytes() - before) / CHECKS);
        }
    }
    println!("record: {:.2?} each", took / (CHECKS * HISTORY_RUNS_MAX) as u32);
}

fn probe_answer() {
    const ROUNDS: u32 = 100_000;
    let (report, mut out) = (report(4711), Vec::new());
    let took = best(5, || {
        for _ in 0..ROUNDS {
            out.clear();
            render_report(black_box(&report), &FAKE, ProbeMetrics::Blackbox, Format::Text, &mut out);
        }
    });
    println!("/probe: {} samples, {} bytes in {:.2?}", lines(&out), out.len(), took / ROUNDS);
}

fn scrape() -> Duration {
    let plan = plan(CHECKS);
    let store = Store::new();
    let entries = store.apply(&plan);
    for (number, entry) in entries.iter().enumerate() {
        store.record(entry, report(number));
    }
    let mut out = Vec::new();
    let took = best(10, || {
        out.clear();
        render_store(&store, Format::Text, &mut out);
    });
    let (lines, megabytes) = (lines(&out), out.len() / 1_000_000);
    println!(
        "/metrics: {CHECKS} checks of {SERIES} series and what a schedule adds: {lines} samples, {megabytes} MB in {took:.1?}"
    );
    let handed_on = best(10, || write_store(&store, Format::Text, &mut std::io::sink()).unwrap());
    println!("/metrics: handed on in pieces in {handed_on:.1?}");
    took
}

/// The same number of samples: 25 gauges, 2 moments, 3 counters, a histogram of 16 bounds for each check.
fn prometheus_crate() -> Duration {
    const LABELS: &[&str] = &["check", "module", "service", "target"];
    let registry = Registry::new();
    let gauges: Vec<_> = (0..SERIES + 2)
        .map(|at| {
            let help = "A number that was read off the service.";
            let gauge = GaugeVec::new(Opts::new(format!("probe_number_{at}_seconds"), help), LABELS).unwrap();
            registry.register(Box::new(gauge.clone())).unwrap();
            gauge
        })
        .collect();
    let names = [LABELS, &["outcome"]].concat();
    let counters = IntCounterVec::new(Opts::new("probe_runs_total", "Runs."), &names).unwrap();
    registry.register(Box::new(counters.clone())).unwrap();
    let bounds = (-10..6).map(|power| f64::from(power).exp2()).collect();
    let histogram = HistogramOpts::new("probe_run_duration_seconds", "Durations.").buckets(bounds);
    let histogram = HistogramVec::new(histogram, LABELS).unwrap();
    registry.register(Box::new(histogram.clone())).unwrap();
    for number in 0..CHECKS {
        let target = format!("https://host-{number}.example.org/");
        let values = ["town-hall", "fake_2xx", "homepage", &target];
        for (at, gauge) in gauges.iter().enumerate() {
            gauge.with_label_values(&values).set(report(number).readings[at % MEASURES.len()].value);
        }
        for outcome in ["up", "down", "unknown"] {
            counters.with_label_values(&[values[0], values[1], values[2], values[3], outcome]).inc();
        }
        histogram.with_label_values(&values).observe(0.01);
    }
    let (encoder, mut out) = (TextEncoder::new(), Vec::new());
    let took = best(3, || {
        out.clear();
        encoder.encode(&registry.gather(), &mut out).unwrap();
    });
    println!("the prometheus crate: {} samples, {} MB in {took:.1?}", lines(&out), out.len() / 1_000_000);
    took
}
