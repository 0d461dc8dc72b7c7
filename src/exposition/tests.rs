use expect_test::expect_file;
use tuermer_probes::{Lap, Measure, Outcome, Phase, Reason, Report, Shape, Unit};

use super::*;
use crate::store::Store;
use crate::testkit::{
    BYTES, CODE, CONNECT, FAKE, INFO, LAST_MAIL, MAILS, QUEUE, TLS, WAY, WAYS, check, failed, lap, plan, reading,
    report,
};

fn passed() -> Report {
    Report {
        laps: vec![
            lap(None, QUEUE, 0, 1, false),
            lap(None, CONNECT, 1, 2, false),
            lap(None, TLS, 3, 3, false),
            lap(None, CONNECT, 6, 4, false),
        ],
        declared: vec![CONNECT, TLS, Phase::new("transfer")],
        readings: vec![
            reading(&INFO, None, &[("version", "2"), ("name", "a\\b\"c\nd")], 1.0),
            reading(&INFO, None, &[("version", "1"), ("name", "x")], 1.0),
            reading(&CODE, None, &[], 200.0),
            reading(&BYTES, None, &[], 1_048_576.0),
        ],
        ..report(0, Outcome::Pass)
    }
}

fn two_legs() -> Report {
    Report {
        laps: vec![
            lap(Some("one"), CONNECT, 0, 1, false),
            lap(Some("one"), TLS, 1, 2, true),
            lap(Some("two"), CONNECT, 3, 3, true),
        ],
        declared: vec![CONNECT, TLS, QUEUE],
        readings: vec![reading(&CODE, Some("two"), &[], 503.0), reading(&CODE, Some("one"), &[], f64::NAN)],
        ..report(60, failed(Reason::Timeout))
    }
}

fn rendered(report: &Report, what: ProbeMetrics, format: Format) -> String {
    let mut out = Vec::new();
    render_report(report, &FAKE, what, format, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_report_shows_what_blackbox_exporter_shows() {
    let text = rendered(&passed(), ProbeMetrics::Blackbox, Format::Text);
    expect_file!["../../tests/golden/report_blackbox.prom"].assert_eq(&text);
}

#[test]
fn a_failed_report_of_two_legs_shows_everything() {
    let text = rendered(&two_legs(), ProbeMetrics::All, Format::Text);
    expect_file!["../../tests/golden/report_all.prom"].assert_eq(&text);
}

#[test]
fn a_report_can_be_had_as_openmetrics() {
    let text = rendered(&passed(), ProbeMetrics::All, Format::OpenMetrics);
    expect_file!["../../tests/golden/report_openmetrics.prom"].assert_eq(&text);
}

#[test]
fn success_is_absent_if_the_agent_could_not_ask() {
    let text = rendered(&report(0, failed(Reason::AgentFd)), ProbeMetrics::All, Format::Text);
    assert!(!text.contains("probe_success"), "{text}");
    assert!(text.contains("probe_failure_info{reason=\"agent_fd\"} 1\n"), "{text}");
}

#[test]
fn a_kind_whose_phases_are_extra_shows_none_as_blackbox_exporter() {
    let mut kind = FAKE;
    kind.phases_extra = true;
    let mut out = Vec::new();
    render_report(&passed(), &kind, ProbeMetrics::Blackbox, Format::Text, &mut out);
    assert!(!String::from_utf8(out).unwrap().contains("phase"));
}

#[test]
fn a_kind_says_to_what_blackbox_exporter_counts_a_phase() {
    const PHASES: &[Phase] =
        &[CONNECT.counted_to("check"), TLS.counted_to("check"), QUEUE.cut_counted_to(Some("wait"))];
    let mut kind = FAKE;
    kind.phases = PHASES;
    let shown = |cut, what| {
        let mut report = report(30, Outcome::Pass);
        report.laps =
            vec![lap(None, CONNECT, 0, 10, false), lap(None, TLS, 10, 10, false), lap(None, QUEUE, 20, 10, cut)];
        let mut out = Vec::new();
        render_report(&report, &kind, what, Format::Text, &mut out);
        let text = String::from_utf8(out).unwrap();
        let phases = text.lines().filter_map(|line| line.strip_prefix("probe_fake_duration_seconds{phase=\""));
        phases.map(|phase| phase.replace("\"}", "")).collect::<Vec<_>>()
    };
    assert_eq!(shown(true, ProbeMetrics::Blackbox), ["check 0.02", "wait 0.01"]);
    assert_eq!(shown(false, ProbeMetrics::Blackbox), ["check 0.02"]);
    assert_eq!(shown(true, ProbeMetrics::All), ["connect 0.01", "queue 0.01", "tls 0.01"]);
}

#[test]
fn a_connection_that_was_none_takes_no_time_in_blackbox_exporters_eyes() {
    const PHASES: &[Phase] = &[CONNECT.whole_only(), QUEUE.takes_back(), TLS.takes_back()];
    let mut kind = FAKE;
    kind.phases = PHASES;
    let shown = |laps: Vec<Lap>, what| {
        let mut report = report(50, Outcome::Pass);
        report.laps = laps;
        let mut out = Vec::new();
        render_report(&report, &kind, what, Format::Text, &mut out);
        let text = String::from_utf8(out).unwrap();
        let phases = text.lines().filter_map(|line| line.strip_prefix("probe_fake_duration_seconds{phase=\""));
        phases.map(|phase| phase.replace("\"}", "")).collect::<Vec<_>>()
    };
    let connect = |cut| lap(None, CONNECT, 0, 10, cut);
    let queue = |cut| lap(None, QUEUE, 10, 10, cut);
    let tls = |cut| lap(None, TLS, 20, 10, cut);
    for (laps, due) in [
        (vec![connect(false), tls(false)], vec!["connect 0.01", "tls 0.01"]),
        (vec![connect(false), tls(true)], vec!["connect 0", "tls 0"]),
        (vec![connect(false), queue(false), tls(true)], vec!["connect 0", "tls 0"]),
        (vec![connect(false), queue(true)], vec!["connect 0"]),
        (vec![connect(false), tls(false), connect(false), tls(true)], vec!["connect 0.01", "tls 0.01"]),
    ] {
        assert_eq!(shown(laps, ProbeMetrics::Blackbox), due);
    }
    assert_eq!(shown(vec![connect(false), tls(true)], ProbeMetrics::All), ["connect 0.01", "tls 0"]);
}

/// A run in which mails of some colours came.
fn with_mails(seconds: u64, way: f64, colours: &[&str]) -> Report {
    let mut readings = vec![reading(&WAY, None, &[], way), reading(&LAST_MAIL, None, &[], 1e9 + seconds as f64)];
    for colour in colours {
        readings.push(reading(&MAILS, None, &[("colour", colour)], 1.0));
        readings.push(reading(&WAYS, None, &[("hop", "1")], way));
        readings.push(reading(&WAYS, None, &[("hop", "2")], way * 8.0));
    }
    Report { readings, ..report(seconds, Outcome::Pass) }
}

#[test]
fn a_report_alone_shows_of_what_lasts_only_the_last_reading() {
    let text = rendered(&with_mails(5, 0.25, &["red"]), ProbeMetrics::All, Format::Text);
    assert!(text.contains("# TYPE probe_fake_last_mail_timestamp_seconds gauge\n"), "{text}");
    assert!(text.contains("probe_fake_last_mail_timestamp_seconds 1.000000005e+09\n"), "{text}");
    assert!(!text.contains("mails") && !text.contains("way"), "{text}");
}

#[test]
fn what_one_check_counted_is_one_family_with_what_others_did() {
    let store = Store::new();
    let entries = store.apply(&plan([check("a", "pass", &[]), check("b", "pass", &[])]));
    for _ in 0..2 {
        store.record(&entries[0], with_mails(0, 2.0, &["red"]));
    }
    store.record(&entries[1], with_mails(0, 0.5, &["blue"]));
    let text = scraped(&store, Format::Text);
    let counted: Vec<_> = text.lines().filter(|line| line.contains("probe_fake_mails_total")).collect();
    assert_eq!(
        counted,
        [
            "# HELP probe_fake_mails_total How many there were.",
            "# TYPE probe_fake_mails_total counter",
            r#"probe_fake_mails_total{check="a",module="fake_module",target="pass",colour="red"} 2"#,
            r#"probe_fake_mails_total{check="b",module="fake_module",target="pass",colour="blue"} 1"#,
        ]
    );
}

/// In OpenMetrics a counter's family has no `_total`, and no family may have the name of another's samples.
#[test]
fn names_of_families_differ_from_each_other_in_both_formats() {
    let own = ["probe_failures", "probe_runs", "probe_interval_seconds", "probe_run_duration_seconds"];
    let mut names: std::collections::BTreeMap<String, (&str, Shape)> =
        own.into_iter().map(|name| (name.to_owned(), (name, Shape::Level))).collect();
    for kind in tuermer_probes::KINDS {
        for measure in tuermer_probes::net::MEASURES.iter().copied().flatten().chain(kind.measures) {
            let name = measure.name;
            let taken: Vec<String> = match measure.shape {
                Shape::Total => vec![name.strip_suffix("_total").expect("a counter's name").to_owned()],
                Shape::Distribution(bounds) => {
                    assert!(bounds.is_sorted_by(|one, next| one < next) && !bounds.is_empty(), "{name}");
                    ["", "_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")).to_vec()
                }
                Shape::Level | Shape::Count | Shape::Lasting => vec![name.to_owned()],
            };
            for taken in taken {
                let first = *names.entry(taken.clone()).or_insert((name, measure.shape));
                assert_eq!(first, (name, measure.shape), "{taken} of kind {}", kind.name);
            }
        }
    }
}

fn store() -> Store {
    let store = Store::new();
    store.apply(&plan([
        check("home", "pass", &[("le", "reserved"), ("service", "web \"1\""), ("version", "operator's")]),
        check("mail", "fail", &[]),
        check("never asked", "pass", &[]),
    ]));
    let entries = store.entries();
    for _ in 0..3 {
        store.record(&entries[0], passed());
    }
    for (seconds, way, colours) in [(0, 0.25, &["red", "blue"][..]), (10, 2.0, &[]), (20, 100.0, &["red"])] {
        store.record(&entries[0], with_mails(seconds, way, colours));
    }
    store.record(&entries[0], passed());
    store.record(&entries[1], report(0, Outcome::Pass));
    store.record(&entries[1], report(30, failed(Reason::AgentFd)));
    store.record(&entries[1], two_legs());
    store
}

fn scraped(store: &Store, format: Format) -> String {
    let mut out = Vec::new();
    render_store(store, format, &mut out);
    end(format, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_scrape_has_every_family_once_with_all_checks() {
    expect_file!["../../tests/golden/store.prom"].assert_eq(&scraped(&store(), Format::Text));
}

#[test]
fn a_scrape_can_be_had_as_openmetrics() {
    expect_file!["../../tests/golden/store_openmetrics.prom"].assert_eq(&scraped(&store(), Format::OpenMetrics));
}

#[test]
fn a_scrape_that_is_handed_on_in_pieces_is_the_same() {
    let store = Store::new();
    let entries = store.apply(&plan((0..1000).map(|number| check(&format!("check {number}"), "pass", &[]))));
    entries.iter().for_each(|entry| store.record(entry, passed()));
    let mut pieces = Pieces::default();
    write_store(&store, Format::Text, &mut pieces).unwrap();
    assert_eq!(String::from_utf8(pieces.text).unwrap(), scraped(&store, Format::Text));
    assert!(pieces.longest < 100_000, "{}", pieces.longest);
}

#[derive(Default)]
struct Pieces {
    text: Vec<u8>,
    longest: usize,
}

impl std::io::Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.text.extend_from_slice(piece);
        self.longest = self.longest.max(piece.len());
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_series_stands_twice_in_a_scrape() {
    let text = scraped(&store(), Format::Text);
    let mut series: Vec<_> = text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series).collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all);
}

#[test]
fn an_empty_store_is_an_empty_scrape() {
    assert_eq!(scraped(&Store::new(), Format::Text), "");
    assert_eq!(scraped(&Store::new(), Format::OpenMetrics), "# EOF\n");
}

#[test]
fn two_measures_with_one_name_are_one_family_and_one_series() {
    static TWIN: Measure = Measure::level("probe_fake_code", Unit::None, "Another's help.");
    let twins = Report {
        readings: vec![reading(&CODE, None, &[], 1.0), reading(&TWIN, None, &[], 1.0)],
        ..report(0, Outcome::Pass)
    };
    let text = rendered(&twins, ProbeMetrics::All, Format::Text);
    assert_eq!(text.matches("\nprobe_fake_code 1\n").count(), 1, "{text}");
    let store = Store::new();
    let entries = store.apply(&plan([check("a", "pass", &[])]));
    store.record(&entries[0], twins);
    assert_eq!(scraped(&store, Format::Text).matches("\nprobe_fake_code{").count(), 1);
}

#[test]
fn invalid_label_names_are_made_valid() {
    let odd = Report {
        readings: vec![reading(&CODE, None, &[("1 ü", "x"), ("", "y"), ("a", "z"), ("a", "twice")], 1.0)],
        ..report(0, Outcome::Pass)
    };
    let text = rendered(&odd, ProbeMetrics::All, Format::Text);
    assert!(text.contains("probe_fake_code{_=\"y\",_1__=\"x\",a=\"z\"} 1\n"), "{text}");
}
