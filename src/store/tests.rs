use std::time::Duration;

use tuermer_probes::{Measure, Outcome, Reason, Unit};

use super::*;
use crate::plan::Check;
use crate::testkit::{CODE, CONNECT, LAST_MAIL, MAILS, TLS, WAY, check, failed, lap, moment, plan, reading, report};

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

fn with_mails(colour: &str) -> Report {
    let readings = vec![
        reading(&MAILS, None, &[("colour", colour)], 2.0),
        reading(&WAY, None, &[], 0.5),
        reading(&WAY, None, &[], 4.0),
        reading(&LAST_MAIL, None, &[], 9.0),
    ];
    Report { readings, ..report(0, Outcome::Pass) }
}

fn kept(store: &Store, entry: &Entry) -> Vec<(String, f64)> {
    let ours = |reading: &ReadingView| reading.name.starts_with("probe_fake_") && !reading.name.ends_with("_code");
    let readings = store.readings(&entry.view()).into_iter().filter(ours);
    readings.map(|reading| (format!("{}{{{}}}", &reading.name[11..], reading.labels), reading.value)).collect()
}

#[test]
fn counters_histograms_and_lasting_numbers_go_on_over_runs_and_reloads() {
    let store = store_of([check("a", "pass", &[])]);
    for colour in ["red", "blue"] {
        store.record(&store.entries()[0], with_mails(colour));
    }
    store.record(&store.entries()[0], passed(1));
    store.record(&store.entries()[0], report(2, failed(Reason::AgentOverload)));
    let sums = |red: f64, ways: f64| {
        let rows = [
            ("last_mail_timestamp_seconds{}", 9.0),
            (r#"mails_total{colour="blue"}"#, 2.0),
            (r#"mails_total{colour="red"}"#, red),
            ("whole_way_seconds_count{}", ways),
            ("whole_way_seconds_sum{}", ways / 2.0 * 4.5),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).to_vec()
    };
    assert_eq!(kept(&store, &store.entries()[0]), sums(2.0, 4.0));
    store.apply(&plan([Check { content: 2, ..check("a", "pass", &[("x", "1")]) }]));
    assert_eq!(kept(&store, &store.entries()[0]), sums(2.0, 4.0));
    store.record(&store.entries()[0], with_mails("red"));
    assert_eq!(kept(&store, &store.entries()[0]), sums(4.0, 6.0));
}

#[test]
fn a_scrape_that_is_being_written_does_not_see_what_comes_then() {
    let store = store_of([check("a", "pass", &[])]);
    let entry = &store.entries()[0];
    store.record(entry, with_mails("red"));
    let before = entry.view();
    store.record(entry, with_mails("red"));
    let count = |view: &View| store.readings(view).iter().find(|reading| &*reading.name == MAILS.name).unwrap().value;
    assert_eq!((count(&before), count(&entry.view())), (2.0, 4.0));
}

#[test]
fn a_series_makes_way_for_an_operators_label_of_the_same_name() {
    let store = store_of([check("a", "pass", &[])]);
    store.record(&store.entries()[0], with_mails("red"));
    let entries = store.apply(&plan([check("a", "pass", &[("colour", "green")])]));
    assert_eq!(kept(&store, &entries[0]), []);
    store.record(&entries[0], with_mails("red"));
    assert_eq!(kept(&store, &entries[0])[1], (r#"mails_total{exported_colour="red"}"#.to_owned(), 2.0));
}

#[test]
fn of_two_measures_with_one_name_the_first_says_what_it_is() {
    static TWIN: Measure = Measure::lasting("probe_fake_mails_total", Unit::None, "");
    let store = store_of([check("a", "pass", &[])]);
    let entry = &store.entries()[0];
    store.record(entry, Report { readings: vec![reading(&TWIN, None, &[], 7.0)], ..report(0, Outcome::Pass) });
    assert_eq!(kept(&store, entry), []);
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
