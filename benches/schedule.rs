//! How punctual and how costly the schedule is: 10,000 checks every 10 seconds whose probes only wait a little.
//!
//! `cargo bench --bench schedule`. Shows the share of starts within each bound of lateness, processor time per run, memory.

#![expect(clippy::unwrap_used, reason = "a bench may end at any surprise")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tuermer::agent_metrics::AgentMetrics;
use tuermer::exposition::Format;
use tuermer::plan::{Access, Check, NamedModule, Plan};
use tuermer::schedule::{Gate, Schedule};
use tuermer::store::Store;
use tuermer_probes::net::{CONNECT, FileContent, Files, Net, Resolver};
use tuermer_probes::{Failure, Invalid, Kind, Measure, Phase, Probe, Recorder, Target};

const CHECKS: u64 = 10_000;
const INTERVAL: Duration = Duration::from_secs(10);
/// How long the bench looks, after a first interval that is left out.
const ROUNDS: u32 = 3;

#[derive(Debug)]
struct Fake;

impl Probe for Fake {
    const NAME: &'static str = "fake";
    const ABOUT: &'static str = "Waits as if for an answer.";
    const TARGET: &'static str = "Any text.";
    const PHASES: &'static [Phase] = &[CONNECT];
    const MEASURES: &'static [&'static Measure] = &[];
    type Settings = ();

    fn bind(_: &Arc<()>, _: &Target) -> Result<Self, Invalid> {
        Ok(Self)
    }

    async fn run(&self, _: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        recorder.enter(CONNECT);
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok(())
    }
}

static FAKE: Kind = Kind::of::<Fake>();

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<FileContent> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn plan() -> Plan {
    let module = FAKE.module(serde_json::Value::Null).unwrap();
    let named = Arc::new(NamedModule {
        name: "fake".into(),
        module: Some(module.clone()),
        timeout: None,
        access: Access::Open,
    });
    let check = |identity| {
        let target = Target::new(format!("https://host-{identity}.example.org/"));
        let probe = module.bind(&target).unwrap();
        Arc::new(Check {
            identity,
            content: 0,
            name: "town-hall".into(),
            module: Arc::clone(&named),
            target,
            labels: Arc::new([]),
            interval: INTERVAL,
            timeout: INTERVAL,
            probe,
        })
    };
    Plan { checks: (0..CHECKS).map(check).collect(), ..Plan::default() }
}

/// Lines of the agent's own metrics by name and labels.
fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

fn shown(metrics: &AgentMetrics) -> String {
    let mut out = Vec::new();
    metrics.render(Format::Text, &mut out);
    String::from_utf8(out).unwrap()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let metrics = Arc::new(AgentMetrics::new());
        let schedule = Schedule::start(Arc::new(Store::new()), Arc::clone(&metrics), Gate::new(1000));
        let net = Net::new(Resolver::of_servers(&[([127, 0, 0, 1], 9).into()]).unwrap(), Arc::new(NoFiles));
        schedule.apply(&plan(), net);
        tokio::time::sleep(INTERVAL).await;
        let before = shown(&metrics);
        tokio::time::sleep(INTERVAL * ROUNDS).await;
        let after = shown(&metrics);

        let grown = |sample: &str| value(&after, sample) - value(&before, sample);
        let runs = grown("tuermer_run_start_lateness_seconds_count");
        println!("{CHECKS} checks every {INTERVAL:?}: {runs} runs in {:?}", INTERVAL * ROUNDS);
        for bound in ["0.001", "0.002", "0.005", "0.01", "0.025"] {
            let share = grown(&format!("tuermer_run_start_lateness_seconds_bucket{{le=\"{bound}\"}}")) / runs;
            println!("began at most {bound} s late: {:.2} %", share * 100.0);
        }
        for reason in ["late", "overload"] {
            println!("skipped ({reason}): {}", grown(&format!("tuermer_runs_skipped_total{{reason=\"{reason}\"}}")));
        }
        println!("processor time per run: {:.1} µs", grown("process_cpu_seconds_total") / runs * 1e6);
        println!("resident: {:.1} MB", value(&after, "process_resident_memory_bytes") / 1e6);
    });
}
