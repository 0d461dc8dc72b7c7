use std::collections::BTreeMap;

use tokio::time::{Instant, advance, sleep};
use tuermer_probes::{Reason, Verdict};

use super::*;
use crate::agent_metrics::Skip;
use crate::exposition::Format;
use crate::plan::Check;
use crate::testkit::{check, moment, net, plan, starts};

/// A schedule with everything around it. The clock is paused: time passes when nothing else is to be done.
struct Bench {
    began: Instant,
    store: Arc<Store>,
    metrics: Arc<AgentMetrics>,
    schedule: Schedule,
}

const SECOND: Duration = Duration::from_secs(1);

impl Bench {
    fn new(checks: impl IntoIterator<Item = Check>, runs_max: usize) -> Self {
        let (store, metrics) = (Arc::new(Store::new()), Arc::new(AgentMetrics::new()));
        let gate = Gate::new(1);
        let schedule = Schedule::start_at(moment(0), Arc::clone(&store), Arc::clone(&metrics), gate);
        let mut plan = plan(checks);
        plan.agent.runs_in_flight_max = runs_max;
        schedule.apply(&plan, net());
        Self { began: Instant::now(), store, metrics, schedule }
    }

    /// Milliseconds at which each target was asked.
    fn starts(&self) -> BTreeMap<String, Vec<u128>> {
        let mut by_target: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (target, at) in starts() {
            by_target.entry(target).or_default().push((at - self.began).as_millis());
        }
        by_target
    }

    fn metric(&self, sample: &str) -> f64 {
        let mut out = Vec::new();
        self.metrics.render(Format::Text, &mut out);
        let text = String::from_utf8(out).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{sample} in {text}")).parse().unwrap()
    }

    fn skipped(&self, skip: Skip) -> f64 {
        self.metric(&format!("tuermer_runs_skipped_total{{reason=\"{}\"}}", skip.name()))
    }
}

fn many(number: usize) -> impl Iterator<Item = Check> {
    (0..number).map(|number| check("many", &format!("pass/{number}"), &[]))
}

/// The moments are one interval apart, give or take the timer's tick.
fn assert_steady(moments: &[u128], interval: u128) {
    for pair in moments.windows(2) {
        assert!((interval - 1..=interval + 1).contains(&(pair[1] - pair[0])), "{moments:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_check_starts_once_per_interval_at_its_own_moment() {
    let bench = Bench::new(many(100), 1000);
    sleep(30 * SECOND).await;
    let starts = bench.starts();
    assert_eq!(starts.len(), 100);
    for moments in starts.values() {
        assert_eq!(moments.len(), 3, "{moments:?}");
        assert_steady(moments, 10_000);
    }
    let mut first: Vec<_> = starts.values().map(|moments| moments[0]).collect();
    first.sort_unstable();
    let widest = first.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(first[0] < 1000 && first[99] > 9000 && widest < 1000, "spread: {first:?}");
    assert_eq!(bench.metric("tuermer_run_start_lateness_seconds_count"), 300.0);
    assert_eq!(bench.metric("tuermer_run_start_lateness_seconds_bucket{le=\"0.002\"}"), 300.0);
    assert_eq!(bench.metric("tuermer_runs_in_flight"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_agent_keeps_the_moments() {
    let bench = Bench::new(many(10), 1000);
    sleep(10 * SECOND).await;
    let first = bench.starts();
    drop(bench);
    sleep(Duration::from_millis(3210)).await;
    // In the meantime 13.21 s have passed on the wall clock too.
    let (store, metrics) = (Arc::new(Store::new()), Arc::new(AgentMetrics::new()));
    let began = Instant::now();
    let wall = moment(0) + Duration::from_millis(13_210);
    let schedule = Schedule::start_at(wall, store, metrics, Gate::new(1000));
    schedule.apply(&plan(many(10)), net());
    sleep(10 * SECOND).await;
    let again = starts().split_off(10);
    assert_eq!(again.len(), 10);
    for (target, at) in again {
        let since_first_began = (at - began).as_millis() + 13_210;
        assert_steady(&[first[&target][0], since_first_began % 10_000 + 10_000], 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_held_up_never_overlaps_itself() {
    let slow = |name| Check { interval: SECOND, timeout: SECOND, ..check(name, &format!("700/{name}"), &[]) };
    let bench = Bench::new([slow("a"), slow("b"), slow("c")], 1);
    sleep(60 * SECOND).await;
    let mut all: Vec<_> = starts().into_iter().map(|(_, at)| at).collect();
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(700)), "one run at a time");
    let runs = bench.starts();
    assert!(runs.len() >= 2 && all.len() >= 60, "{runs:?}");
    let due = 3.0 * 60.0;
    let (overload, late) = (bench.skipped(Skip::Overload), bench.skipped(Skip::Late));
    let made = bench.metric("tuermer_run_start_lateness_seconds_count");
    assert!(overload > 0.0 && (due - 3.0..=due).contains(&(made + overload + late)), "{made} {overload} {late}");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_slow_run_is_lateness_of_the_next() {
    let bench = Bench::new([check("a", "4000/a", &[]), check("b", "4000/b", &[])], 1);
    sleep(100 * SECOND).await;
    let made = bench.metric("tuermer_run_start_lateness_seconds_count");
    assert!((19.0..=20.0).contains(&made), "{made}");
    assert_eq!((bench.skipped(Skip::Overload), bench.skipped(Skip::Late)), (0.0, 0.0));
    let durations: Vec<_> = bench.store.entries().iter().map(|entry| entry.view().last.unwrap().duration).collect();
    assert_eq!(durations, [4 * SECOND, 4 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn moments_that_passed_in_a_stall_are_counted_and_not_made_up_for() {
    let bench = Bench::new(many(50), 1000);
    sleep(20 * SECOND).await;
    let before = bench.starts();
    advance(35 * SECOND).await;
    sleep(10 * SECOND).await;
    let after = bench.starts();
    for (target, moments) in &after {
        let [.., last] = moments[..] else { panic!("{target} was asked") };
        assert!(last > 55_000, "{target} at its next moment: {moments:?}");
        assert_eq!(moments.len(), before[target].len() + 1, "{target} once: {moments:?}");
        let ahead = (last - before[target].last().unwrap()) % 10_000;
        assert!(ahead <= 1 || ahead >= 9_999, "{target} keeps its rhythm: {moments:?}");
    }
    // 65 seconds are 6.5 moments for each check on average; three of them were made.
    let skipped = bench.skipped(Skip::Late);
    assert!((150.0..=200.0).contains(&skipped), "{skipped}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_rhythm_history_and_counters() {
    let bench = Bench::new([check("same", "pass/same", &[]), check("changed", "pass/changed", &[])], 1000);
    for _ in 0..7 {
        sleep(Duration::from_millis(3777)).await;
        let changed = Check { content: 2, ..check("changed", "pass/changed", &[]) };
        bench.schedule.apply(&plan([check("same", "pass/same", &[]), changed]), net());
    }
    sleep(Duration::from_millis(3561)).await;
    let starts = bench.starts();
    for moments in starts.values() {
        assert_eq!(moments.len(), 3, "{moments:?}");
        assert_steady(moments, 10_000);
    }
    let runs: Vec<_> = bench.store.entries().iter().map(|entry| entry.view().history.len()).collect();
    assert_eq!(runs, [3, 3]);
}

#[tokio::test(start_paused = true)]
async fn checks_come_and_go_with_a_reload() {
    let bench = Bench::new([check("goes", "pass/goes", &[])], 1000);
    sleep(10 * SECOND).await;
    bench.schedule.apply(&plan([check("comes", "pass/comes", &[])]), net());
    sleep(20 * SECOND).await;
    let counts: BTreeMap<_, _> = bench.starts().into_iter().map(|(target, moments)| (target, moments.len())).collect();
    assert_eq!(counts, BTreeMap::from([("pass/comes".to_owned(), 2), ("pass/goes".to_owned(), 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_changed_interval_counts_at_once() {
    let bench = Bench::new([check("a", "pass", &[])], 1000);
    sleep(10 * SECOND).await;
    bench.schedule.apply(&plan([Check { interval: SECOND, timeout: SECOND, ..check("a", "pass", &[]) }]), net());
    sleep(10 * SECOND).await;
    assert_eq!(bench.starts()["pass"].len(), 11);
}

#[tokio::test(start_paused = true)]
async fn what_an_old_run_says_of_a_changed_check_is_dropped() {
    let bench = Bench::new([check("a", "5000", &[])], 1000);
    while starts().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    bench.schedule.apply(&plan([Check { content: 2, ..check("a", "5000", &[]) }]), net());
    sleep(7 * SECOND).await;
    assert_eq!(bench.store.entries()[0].verdict(), None);
    sleep(10 * SECOND).await;
    assert_eq!(bench.store.entries()[0].verdict(), Some(Verdict::Up));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_run_only() {
    let bench = Bench::new([check("a", "panic", &[]), check("b", "pass", &[])], 1000);
    sleep(20 * SECOND).await;
    let entries = bench.store.entries();
    let failure = entries[0].view().last_failure.unwrap();
    assert_eq!(failure.failure().unwrap().reason(), Reason::AgentPanic);
    let verdicts: Vec<_> = entries.iter().map(|entry| entry.verdict().unwrap()).collect();
    assert_eq!(verdicts, [Verdict::Unknown, Verdict::Up]);
    assert_eq!(entries[0].view().runs.unknown, 2);
    assert_eq!(bench.metric("tuermer_panics_total"), 2.0);
    assert_eq!(bench.metric("tuermer_agent_shortages_total{reason=\"agent_panic\"}"), 2.0);
    assert_eq!(bench.metric("tuermer_runs_in_flight"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_runs_and_starts_none() {
    let bench = Bench::new([check("a", "3000", &[]), check("b", "3000/b", &[])], 1);
    while starts().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    let began = Instant::now();
    assert!(bench.schedule.shutdown(5 * SECOND).await);
    let took = began.elapsed();
    assert!(took > 2 * SECOND && took <= 3 * SECOND, "{took:?}");
    sleep(60 * SECOND).await;
    assert_eq!(starts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_no_longer_than_allowed() {
    let bench = Bench::new([check("a", "9000", &[])], 1);
    while starts().is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    let began = Instant::now();
    assert!(!bench.schedule.shutdown(SECOND).await);
    assert!(began.elapsed() <= 2 * SECOND);
}
