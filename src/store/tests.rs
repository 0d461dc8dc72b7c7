use std::time::Duration;

use tuermer_probes::{Outcome, Reason};

use super::*;
use crate::plan::Check;
use crate::testkit::{CODE, CONNECT, TLS, check, failed, lap, moment, plan, reading, report};

fn store_of(checks: impl IntoIterator<Item = Check>) -> Store {
    let store = Store::new();
    store.apply(&plan(checks));
    store
}

fn passed(seconds: u64) -> Report {
    Report { readings: vec![reading(&CODE, None, &[], 200.0)], ..report(seconds, Outcome::Pass) }
}

fn reading_names(store: &Store, entry: &Entry) -> Vec<String> {
    store.readings(&entry.view()).into_iter().map(|reading| format!("{}{{{}}}", reading.name, reading.labels)).collect()
}

#[test]
fn an_unchanged_check_keeps_its_entry() {
    let store = store_of([check("a", "pass", &[("x", "1")]), check("b", "pass", &[])]);
    let before = store.entries();
    let after = store.apply(&plan([check("b", "pass", &[]), check("a", "pass", &[("x", "1")])]));
    assert!(Arc::ptr_eq(&before[0], &after[1]) && Arc::ptr_eq(&before[1], &after[0]));
    assert!(Arc::ptr_eq(&before[0], &store.entry(before[0].check().identity).unwrap()));
}

#[test]
fn a_changed_check_keeps_counters_and_history_but_not_its_metrics() {
    let store = store_of([check("a", "pass", &[])]);
    store.record(&store.entries()[0], passed(0));
    let entries = store.apply(&plan([Check { content: 2, ..check("a", "pass", &[]) }]));
    let view = entries[0].view();
    assert_eq!((view.runs.up, view.history.len(), view.waterfalls.len()), (1, 1, 1));
    assert_eq!(reading_names(&store, &entries[0]), Vec::<String>::new());
}

#[test]
fn a_check_with_other_labels_keeps_everything_under_them() {
    let store = store_of([check("a", "pass", &[("x", "1")])]);
    store.record(&store.entries()[0], passed(0));
    let entries = store.apply(&plan([check("a", "pass", &[("x", "2")])]));
    assert_eq!(entries[0].labels(), br#"check="a",module="fake_module",target="pass",x="2""#);
    assert_eq!(entries[0].view().runs.up, 1);
    assert_eq!(
        reading_names(&store, &entries[0]),
        ["probe_duration_seconds{}", "probe_fake_code{}", "probe_success{}", "probe_timeout_seconds{}"]
    );
}

#[test]
fn a_report_for_an_old_entry_is_not_seen() {
    let store = store_of([check("a", "pass", &[]), check("gone", "pass", &[])]);
    let old = store.entries();
    store.apply(&plan([Check { content: 2, ..check("a", "pass", &[]) }]));
    old.iter().for_each(|entry| store.record(entry, passed(0)));
    assert_eq!(store.counts(), Counts { pending: 1, ..Counts::default() });
}

#[test]
fn the_state_holds_since_the_first_of_equal_runs() {
    let store = store_of([check("a", "pass", &[])]);
    let entry = &store.entries()[0];
    let mut seen = Vec::new();
    for (seconds, outcome) in [
        (0, Outcome::Pass),
        (10, failed(Reason::ConnectRefused)),
        (20, failed(Reason::Timeout)),
        (30, failed(Reason::AgentFd)),
        (40, failed(Reason::Timeout)),
        (50, Outcome::Pass),
        (60, Outcome::Pass),
    ] {
        store.record(entry, report(seconds, outcome));
        let last = entry.view().last.unwrap();
        seen.push((last.verdict, last.since.duration_since(moment(0)).unwrap().as_secs(), last.failures_in_a_row));
    }
    use Verdict::{Down, Unknown, Up};
    assert_eq!(
        seen,
        [(Up, 0, 0), (Down, 10, 1), (Down, 10, 2), (Unknown, 30, 2), (Down, 40, 3), (Up, 50, 0), (Up, 50, 0)]
    );
    let view = entry.view();
    assert_eq!(view.last_success, Some(moment(60)));
    assert_eq!(view.runs, Runs { up: 3, down: 3, unknown: 1 });
    assert_eq!(view.last_failure.unwrap().began, moment(40));
}

#[test]
fn the_last_runs_show_where_their_time_went() {
    let store = store_of([check("a", "pass", &[])]);
    let entry = &store.entries()[0];
    for seconds in 0..6 {
        let laps = vec![lap(None, CONNECT, 0, 2, false), lap(Some("leg"), TLS, 2, 5, true)];
        store.record(entry, Report { laps, ..report(seconds, failed(Reason::TlsAlert)) });
    }
    let view = entry.view();
    let began: Vec<_> = view.waterfalls.iter().map(|run| run.began).collect();
    assert_eq!(began, [moment(5), moment(4), moment(3), moment(2)]);
    let laps: Vec<_> = view.waterfalls[0].laps().collect();
    let millis = Duration::from_millis;
    let connect = LapView { step: None, phase: "connect", start: millis(0), length: millis(2), cut: false };
    let tls = LapView { step: Some("leg"), phase: "tls", start: millis(2), length: millis(5), cut: true };
    assert_eq!(laps, [connect, tls]);
    assert_eq!(view.history.len(), 6);
    assert_eq!(view.history[5].reason, Some(Reason::TlsAlert));
    assert_eq!(view.history[5].duration(), Duration::from_micros(12_345));
}

#[test]
fn hostile_names_and_targets_stay_inside_their_label() {
    let store = store_of([check("a\"} 1\nb{", "pass/\\", &[("x", "\"")])]);
    assert_eq!(
        String::from_utf8_lossy(store.entries()[0].labels()),
        r#"check="a\"} 1\nb{",module="fake_module",target="pass/\\",x="\"""#
    );
}
