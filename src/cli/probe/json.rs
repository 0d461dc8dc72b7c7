//! A report for scripts. The shape is a promise: keys are added, never renamed or removed.
//!
//! | key | value |
//! |---|---|
//! | `module`, `kind`, `target` | what was asked, as text |
//! | `verdict` | `up`, `down` or `unknown` |
//! | `began` | the moment as RFC 3339 has it, in UTC; null for a clock that shows no such moment |
//! | `duration_seconds`, `timeout_seconds` | numbers |
//! | `failure` | null, or `reason`, `class`, `message`, and the `phase` and `step` where it failed (null if none) |
//! | `laps` | list of `step` (null for runs of one leg), `phase`, `start_seconds`, `length_seconds`, `cut` |
//! | `readings` | list of `name`, `step`, `labels` (a map), `unit`, `value` (null if it is no number) |
//! | `notes` | list of `at_seconds`, `kind` (`info`, `sent`, `received`), `text` (a peer's may hold any character) |
//! | `notes_dropped` | how many notes were left out |

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tuermer_probes::{NoteKind, Report, Verdict};

use super::Subject;
use crate::cli::kinds::unit;

pub(super) fn render(report: &Report, subject: Subject<'_>) -> String {
    let place = report.failed_at();
    let failure = report.failure().map(|failure| {
        json!({
            "reason": failure.reason().name(),
            "class": failure.reason().class().name(),
            "message": failure.message(),
            "phase": place.map(|(_, phase)| phase.name()),
            "step": place.and_then(|(step, _)| step),
        })
    });
    let laps = report.laps.iter().map(|lap| {
        json!({
            "step": lap.step.as_deref(),
            "phase": lap.phase.name(),
            "start_seconds": seconds(lap.start),
            "length_seconds": seconds(lap.length),
            "cut": lap.cut,
        })
    });
    let readings = report.readings.iter().filter(|reading| !reading.measure.shape.needs_runs());
    let readings = readings.map(|reading| {
        let labels = reading.labels.iter().map(|label| (label.name.to_string(), Value::from(&*label.value)));
        json!({
            "name": reading.measure.name,
            "step": reading.step.as_deref(),
            "labels": labels.collect::<Map<_, _>>(),
            "unit": unit(reading.measure.unit),
            "value": reading.value,
        })
    });
    let notes = report.notes.iter().map(|(at, kind, text)| {
        let kind = match kind {
            NoteKind::Info => "info",
            NoteKind::Sent => "sent",
            NoteKind::Received => "received",
        };
        json!({ "at_seconds": seconds(at), "kind": kind, "text": text })
    });
    let report = json!({
        "module": subject.module,
        "kind": subject.kind,
        "target": subject.target,
        "verdict": match report.verdict() { Verdict::Up => "up", Verdict::Down => "down", Verdict::Unknown => "unknown" },
        "began": timestamp(report.began),
        "duration_seconds": seconds(report.duration),
        "timeout_seconds": seconds(report.timeout),
        "failure": failure,
        "laps": laps.collect::<Vec<_>>(),
        "readings": readings.collect::<Vec<_>>(),
        "notes": notes.collect::<Vec<_>>(),
        "notes_dropped": report.notes.dropped(),
    });
    format!("{report:#}\n")
}

/// Seconds, to the nanosecond and without the noise of a division.
fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

/// The moment as RFC 3339 has it; nothing for a clock that is out of its mind.
fn timestamp(at: SystemTime) -> Option<String> {
    let at = jiff::Timestamp::try_from(at).ok()?;
    Some(format!("{at:.3}"))
}
