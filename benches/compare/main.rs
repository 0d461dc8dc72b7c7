//! What a probe on demand costs, tuermer beside blackbox_exporter, in one run on one machine.
//!
//! ```text
//! cargo bench --bench compare            # everything, about two minutes
//! cargo bench --bench compare -- http    # one kind
//! ```
//!
//! The exporter under test has the first processor for itself; load and targets share the second. Cost is the processor
//! time of the exporter's process, all threads, for each answered probe. Everything stays on loopback.

mod exporter;
mod load;
mod process;
mod targets;

use std::time::Duration;

use exporter::Exporter;
use targets::Targets;

/// Connections that ask at the same time.
const CLIENTS: usize = 8;
/// Time before counting begins, and time counted.
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(4);
/// Repetitions; the median is shown.
const REPETITIONS: usize = 3;
/// What a probe may cost in milliseconds of processor time.
const GOALS: &[(&str, f64)] = &[("http", 0.06), ("https", 0.30), ("tcp", 0.04), ("dns", 0.04), ("icmp", 0.03)];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if words.first().is_some_and(|word| word == "serve") {
        return targets::serve();
    }
    let targets = Targets::start();
    let exporters: Vec<Exporter> =
        [exporter::tuermer(&targets), exporter::blackbox(&targets)].into_iter().flatten().collect();
    println!("| kind | exporter | ms CPU a probe | probes/s | p50 ms | p99 ms | resident MiB | goal | ratio |");
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for (kind, goal) in GOALS {
        if !words.is_empty() && !words.iter().any(|word| word == kind) {
            continue;
        }
        let mut own = None;
        for exporter in &exporters {
            match measure(exporter, kind, &targets) {
                Ok(cost) => {
                    let ratio = own.map_or_else(String::new, |own: f64| format!("{:.1}×", cost.cpu_ms / own));
                    own = own.or(Some(cost.cpu_ms));
                    println!(
                        "| {kind} | {} | {:.4} | {:.0} | {:.3} | {:.2} | {:.1} | {goal} | {ratio} |",
                        exporter.name, cost.cpu_ms, cost.per_second, cost.p50_ms, cost.p99_ms, cost.resident_mib
                    );
                }
                Err(message) => println!("| {kind} | {} | {message} |", exporter.name),
            }
        }
    }
}

/// What probes of one kind cost.
struct Cost {
    cpu_ms: f64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    resident_mib: f64,
}

fn measure(exporter: &Exporter, kind: &str, targets: &Targets) -> Result<Cost, String> {
    let paths = targets.paths(kind);
    load::ask_once(exporter.address, &paths[0])?;
    let mut costs = Vec::new();
    for _ in 0..REPETITIONS {
        load::run(exporter.address, &paths, CLIENTS, WARM_UP)?;
        let before = process::cpu_seconds(exporter.id());
        let ran = load::run(exporter.address, &paths, CLIENTS, MEASURED)?;
        let spent = process::cpu_seconds(exporter.id()) - before;
        costs.push(Cost {
            cpu_ms: spent * 1e3 / ran.latencies.len() as f64,
            per_second: ran.latencies.len() as f64 / MEASURED.as_secs_f64(),
            p50_ms: ran.quantile_ms(0.5),
            p99_ms: ran.quantile_ms(0.99),
            resident_mib: process::resident_mib(exporter.id()),
        });
    }
    costs.sort_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms));
    Ok(costs.swap_remove(REPETITIONS / 2))
}
