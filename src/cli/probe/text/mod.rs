//! A report for people: verdict, reason, waterfall of phases, readings, dialogue.

use std::fmt::Write as _;
use std::time::Duration;

use tuermer_probes::{Lap, NoteKind, Report, Unit, Verdict, shown};

use super::Subject;
use crate::cli::paint::{Ink, Style};

/// Bars of the waterfall: at most so many columns. Chosen: beyond it nothing more can be seen.
const BAR_COLUMNS_MAX: usize = 64;
/// Longest target in the headline, in bytes.
const TARGET_BYTES_MAX: usize = 120;
/// Longest value of a label, in bytes.
const LABEL_BYTES_MAX: usize = 80;
/// Longest line of the dialogue, in bytes.
const NOTE_BYTES_MAX: usize = 300;
/// The years that a date is written out for; other moments mean "none".
const TIMESTAMPS: std::ops::RangeInclusive<f64> = 0.0..=253_402_300_799.0;

pub(super) fn render(report: &Report, subject: Subject<'_>, style: Style) -> String {
    let mut out = String::new();
    headline(&mut out, report, subject, style);
    waterfall(&mut out, report, style);
    readings(&mut out, report, style);
    dialogue(&mut out, report, style);
    out
}

fn headline(out: &mut String, report: &Report, subject: Subject<'_>, style: Style) {
    let (word, ink) = match report.verdict() {
        Verdict::Up => ("✔ UP", Ink::Good),
        Verdict::Down => ("✘ DOWN", Ink::Bad),
        Verdict::Unknown => ("? UNKNOWN", Ink::Doubt),
    };
    let _ = writeln!(
        out,
        "{}  {}  {}  {}",
        style.paint(ink, word),
        style.paint(Ink::Strong, shown(subject.target.as_bytes(), TARGET_BYTES_MAX)),
        style
            .paint(Ink::Dim, format_args!("{} ({})", shown(subject.module.as_bytes(), TARGET_BYTES_MAX), subject.kind)),
        span(report.duration),
    );
    let Some(failure) = report.failure() else { return };
    let reason = failure.reason();
    let _ = writeln!(out, "  {}{}: {}", style.paint(ink, reason.name()), place(report), failure.message());
    let _ = writeln!(out, "  {}", style.paint(Ink::Dim, reason.about()));
    if report.verdict() == Verdict::Unknown {
        let _ = writeln!(out, "  {}", style.paint(Ink::Dim, "This says nothing about the service."));
    }
}

fn place(report: &Report) -> String {
    match report.failed_at() {
        Some((Some(step), phase)) => format!(" in {} of {}", phase.name(), shown(step.as_bytes(), LABEL_BYTES_MAX)),
        Some((None, phase)) => format!(" in {}", phase.name()),
        None => String::new(),
    }
}

fn waterfall(out: &mut String, report: &Report, style: Style) {
    if report.laps.is_empty() {
        return;
    }
    out.push('\n');
    let name_width = report.laps.iter().map(|lap| lap.phase.name().len()).max().unwrap_or(0);
    let columns = style.width.saturating_sub(name_width + 16).clamp(10, BAR_COLUMNS_MAX);
    let mut step: Option<&str> = None;
    for lap in &report.laps {
        if lap.step.as_deref() != step {
            step = lap.step.as_deref();
            let _ =
                writeln!(out, "  {}", style.paint(Ink::Accent, shown(step.unwrap_or("-").as_bytes(), LABEL_BYTES_MAX)));
        }
        let (before, bar, after) = bar(lap, report.duration, columns);
        let ink = if lap.cut { Ink::Bad } else { Ink::Accent };
        let _ = writeln!(
            out,
            "  {:name_width$}  {}{}{}  {:>9}{}",
            lap.phase.name(),
            style.paint(Ink::Dim, "·".repeat(before)),
            style.paint(ink, if lap.cut { "▒".repeat(bar.chars().count()) } else { bar }),
            style.paint(Ink::Dim, "·".repeat(after)),
            span(lap.length),
            if lap.cut { " ✘" } else { "" },
        );
    }
}

/// Columns before a lap's bar, the bar, and columns after it.
fn bar(lap: &Lap, whole: Duration, columns: usize) -> (usize, String, usize) {
    let share = |span: Duration| if whole.is_zero() { 0.0 } else { span.as_secs_f64() / whole.as_secs_f64() };
    // Both ends are rounded alike, so that neighbouring bars touch.
    let column = |span: Duration| ((share(span) * columns as f64).round() as usize).min(columns);
    let (start, end) = (column(lap.start), column(lap.start + lap.length));
    if end > start {
        return (start, "█".repeat(end - start), columns - end);
    }
    let start = start.min(columns - 1);
    (start, "▏".to_owned(), columns - start - 1)
}

fn readings(out: &mut String, report: &Report, style: Style) {
    let rows: Vec<_> = report
        .readings
        .iter()
        .filter(|reading| !reading.measure.shape.needs_runs())
        .map(|reading| {
            let mut labels: Vec<String> = Vec::new();
            if let Some(step) = &reading.step {
                labels.push(format!("step={}", shown(step.as_bytes(), LABEL_BYTES_MAX)));
            }
            for label in &reading.labels {
                labels.push(format!("{}={}", label.name, shown(label.value.as_bytes(), LABEL_BYTES_MAX)));
            }
            let name = reading.measure.name.strip_prefix("probe_").unwrap_or(reading.measure.name);
            (name, labels.join(" "), value(reading.measure.unit, reading.value, report))
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    let name_width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    out.push('\n');
    for (name, labels, value) in rows {
        let labels = style.paint(Ink::Dim, labels);
        let line = format!("  {name:name_width$}  {value}{}{labels}", if value.is_empty() { "" } else { "  " });
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn dialogue(out: &mut String, report: &Report, style: Style) {
    if report.notes.iter().next().is_none() {
        return;
    }
    out.push('\n');
    for (at, kind, text) in report.notes.iter() {
        let ink = match kind {
            NoteKind::Info => Ink::Dim,
            NoteKind::Sent => Ink::Accent,
            NoteKind::Received => Ink::Strong,
        };
        let text = shown(text.as_bytes(), NOTE_BYTES_MAX);
        let _ = writeln!(out, "  {:>9}  {} {}", style.paint(Ink::Dim, span(at)), style.paint(ink, sign(kind)), text);
    }
    if report.notes.dropped() > 0 {
        let _ = writeln!(out, "  and {} more lines", report.notes.dropped());
    }
}

fn sign(kind: NoteKind) -> char {
    match kind {
        NoteKind::Info => '·',
        NoteKind::Sent => '>',
        NoteKind::Received => '<',
    }
}

/// A number in its unit, for people.
fn value(unit: Unit, value: f64, report: &Report) -> String {
    match unit {
        Unit::None => number(value),
        Unit::Info => String::new(),
        Unit::Bytes if value >= 1024.0 => format!("{} ({} bytes)", binary(value), number(value)),
        Unit::Bytes => format!("{} bytes", number(value)),
        Unit::Seconds => Duration::try_from_secs_f64(value).map_or_else(|_| format!("{} s", number(value)), span),
        Unit::Timestamp => timestamp(value, report),
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value}") }
}

fn binary(bytes: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = bytes / 1024.0;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", units[unit])
}

/// A moment as a date, with its distance from the run.
fn timestamp(value: f64, report: &Report) -> String {
    let seconds = Some(value).filter(|value| TIMESTAMPS.contains(value)).map(|value| value as i64);
    let Some(at) = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) else {
        return "none".to_owned();
    };
    let began = report.began.duration_since(std::time::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let days = (value - began) / 86_400.0;
    let distance = match days {
        days if days >= 1.0 => format!("in {days:.0} days"),
        days if days > 0.0 => format!("in {:.0} h", days * 24.0),
        days if days > -1.0 => format!("{:.0} h ago", -days * 24.0),
        days => format!("{:.0} days ago", -days),
    };
    format!("{} ({distance})", at.strftime("%Y-%m-%d %H:%M:%S UTC"))
}

/// A length of time with three digits or so.
fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.1 => format!("{:.0} ms", s * 1e3),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s if s >= 1e-6 => format!("{:.0} µs", s * 1e6),
        s if s > 0.0 => format!("{:.0} ns", s * 1e9),
        _ => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests;
