use std::time::{Duration, SystemTime};

use expect_test::{Expect, expect};
use tuermer_probes::{Failure, Measure, Outcome, Phase, Reason, Recorder, Report};

use super::*;
use crate::cli::probe::json;

const SUBJECT: Subject<'static> = Subject { module: "http_2xx", kind: "http", target: "https://www.example.org/" };
const RESOLVE: Phase = Phase::new("resolve");
const CONNECT: Phase = Phase::new("connect");
const TRANSFER: Phase = Phase::new("transfer");
static STATUS: Measure = Measure::level("probe_http_status_code", Unit::None, "");
static EXPIRY: Measure = Measure::level("probe_ssl_earliest_cert_expiry", Unit::Timestamp, "");
static LENGTH: Measure = Measure::level("probe_http_content_length", Unit::Bytes, "");
static LOOKUP: Measure = Measure::level("probe_dns_lookup_time_seconds", Unit::Seconds, "");
static VERSION: Measure = Measure::level("probe_tls_version_info", Unit::Info, "").labels(&["version"]);

fn plain(width: usize) -> Style {
    Style { width, colour: false }
}

/// The same moment for every report.
fn dated(report: Report) -> Report {
    Report { began: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_424_400_250), ..report }
}

async fn pass(milliseconds: u64) {
    tokio::time::advance(Duration::from_millis(milliseconds)).await;
}

async fn good() -> Report {
    let mut recorder = Recorder::start(Duration::from_secs(5));
    recorder.enter(RESOLVE);
    pass(3).await;
    recorder.read(&LOOKUP, 0.003);
    recorder.note("www.example.org is 192.0.2.7");
    recorder.enter(CONNECT);
    pass(12).await;
    recorder.read_with(&VERSION, &["TLS 1.3"], 1.0);
    recorder.read(&EXPIRY, 1_798_016_400.0);
    recorder.enter(TRANSFER);
    recorder.sent("GET / HTTP/1.1");
    pass(25).await;
    recorder.received("HTTP/1.1 200 OK\u{1b}[31m");
    recorder.read(&STATUS, 200.0);
    recorder.read(&LENGTH, 15_000.0);
    dated(recorder.finish(Outcome::Pass))
}

async fn bad() -> Report {
    let mut recorder = Recorder::start(Duration::from_secs(5));
    recorder.enter(RESOLVE);
    pass(1).await;
    recorder.step(&"mx1.example [192.0.2.25]".into());
    recorder.enter(CONNECT);
    pass(30).await;
    let failure = recorder.leg_failed(Failure::new(Reason::ConnectRefused, "192.0.2.25:25: connection refused"));
    recorder.step(&"mx2.example [192.0.2.26]".into());
    recorder.enter(CONNECT);
    pass(9).await;
    recorder.read(&EXPIRY, -62_135_596_800.0);
    recorder.leave_step();
    dated(recorder.finish(Outcome::Fail(failure)))
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(text);
}

#[tokio::test(start_paused = true)]
async fn a_good_run_is_shown() {
    check(
        &render(&good().await, SUBJECT, plain(80)),
        &expect![[r#"
            ✔ UP  https://www.example.org/  http_2xx (http)  40.0 ms

              resolve   ████····················································     3.0 ms
              connect   ····█████████████████···································    12.0 ms
              transfer  ·····················███████████████████████████████████    25.0 ms

              dns_lookup_time_seconds   3.0 ms
              tls_version_info          version=TLS 1.3
              ssl_earliest_cert_expiry  2026-12-23 09:00:00 UTC (in 30 days)
              http_status_code          200
              http_content_length       14.6 KiB (15000 bytes)

                 3.0 ms  · www.example.org is 192.0.2.7
                15.0 ms  > GET / HTTP/1.1
                40.0 ms  < HTTP/1.1 200 OK\u{1b}[31m
        "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_leg_is_shown_where_it_failed() {
    check(
        &render(&bad().await, SUBJECT, plain(80)),
        &expect![[r#"
            ✘ DOWN  https://www.example.org/  http_2xx (http)  40.0 ms
              connect_refused in connect of mx1.example [192.0.2.25]: 192.0.2.25:25: connection refused
              The port is closed: the connection was refused.

              resolve  █························································     1.0 ms
              mx1.example [192.0.2.25]
              connect  ·▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒·············    30.0 ms ✘
              mx2.example [192.0.2.26]
              connect  ············································█████████████     9.0 ms

              ssl_earliest_cert_expiry  none  step=mx2.example [192.0.2.26]
        "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_lacks_is_no_statement_about_the_service() {
    let recorder = Recorder::start(Duration::from_secs(5));
    let report = dated(recorder.finish(Outcome::Fail(Failure::new(Reason::AgentFd, "no file descriptor left"))));
    check(
        &render(&report, SUBJECT, plain(80)),
        &expect![[r#"
        ? UNKNOWN  https://www.example.org/  http_2xx (http)  0
          agent_fd: no file descriptor left
          The agent ran out of file descriptors.
          This says nothing about the service.
    "#]],
    );
}

#[tokio::test(start_paused = true)]
async fn colour_is_only_colour() {
    let report = good().await;
    let coloured = render(&report, SUBJECT, Style { width: 80, colour: true });
    let mut plain_text = String::new();
    let mut rest = coloured.as_str();
    while let Some(escape) = rest.find('\u{1b}') {
        plain_text.push_str(&rest[..escape]);
        let end = rest[escape..].find('m').expect("a sequence ends");
        rest = &rest[escape + end + 1..];
    }
    plain_text.push_str(rest);
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&plain_text), trimmed(&render(&report, SUBJECT, plain(80))));
}

#[tokio::test(start_paused = true)]
async fn scripts_get_json() {
    check(
        &json::render(&bad().await, SUBJECT),
        &expect![[r#"
        {
          "module": "http_2xx",
          "kind": "http",
          "target": "https://www.example.org/",
          "verdict": "down",
          "began": "2026-11-23T09:00:00.250Z",
          "duration_seconds": 0.04,
          "timeout_seconds": 5.0,
          "failure": {
            "reason": "connect_refused",
            "class": "connect",
            "message": "192.0.2.25:25: connection refused",
            "phase": "connect",
            "step": "mx1.example [192.0.2.25]"
          },
          "laps": [
            {
              "step": null,
              "phase": "resolve",
              "start_seconds": 0.0,
              "length_seconds": 0.001,
              "cut": false
            },
            {
              "step": "mx1.example [192.0.2.25]",
              "phase": "connect",
              "start_seconds": 0.001,
              "length_seconds": 0.03,
              "cut": true
            },
            {
              "step": "mx2.example [192.0.2.26]",
              "phase": "connect",
              "start_seconds": 0.031,
              "length_seconds": 0.009,
              "cut": false
            }
          ],
          "readings": [
            {
              "name": "probe_ssl_earliest_cert_expiry",
              "step": "mx2.example [192.0.2.26]",
              "labels": {},
              "unit": "timestamp",
              "value": -62135596800.0
            }
          ],
          "notes": [],
          "notes_dropped": 0
        }
    "#]],
    );
    let json: serde_json::Value = serde_json::from_str(&json::render(&good().await, SUBJECT)).expect("JSON");
    assert_eq!(json["verdict"], "up");
    assert_eq!(json["notes"][2]["text"], "HTTP/1.1 200 OK\u{1b}[31m");
    assert_eq!(json["readings"][1]["labels"]["version"], "TLS 1.3");
}

#[test]
fn lengths_of_time_have_three_digits() {
    let spans = [0, 5, 5_000, 5_400_000, 123_000_000, 1_234_000_000, 123_000_000_000].map(Duration::from_nanos);
    assert_eq!(spans.map(span), ["0", "5 ns", "5 µs", "5.4 ms", "123 ms", "1.23 s", "123 s"]);
}
