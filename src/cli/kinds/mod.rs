//! `tuermer kinds`: what can be probed, as the kinds themselves declare it.

mod schema;

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};
use tuermer_probes::{KINDS, Kind, Measure, Shape, Unit, net};

use self::schema::Setting;
use super::paint::{Ink, Style};
use super::{fail, print};
use crate::args::{EXIT_BAD, KindsOutput};

/// Shows all kinds, or one.
pub fn run(name: Option<&str>, output: KindsOutput) -> ExitCode {
    let kinds: Vec<&'static Kind> = match name {
        None => KINDS.iter().collect(),
        Some(name) => match tuermer_probes::kind(name) {
            Some(kind) => vec![kind],
            None => {
                let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
                return fail(&format!("error: there is no kind `{name}`, only {}", names.join(", ")), EXIT_BAD);
            }
        },
    };
    let text = match (output, name) {
        (KindsOutput::Json, _) => json_text(&kinds),
        (KindsOutput::Markdown, _) => markdown(&kinds),
        (KindsOutput::Text, None) => overview(&kinds, Style::of_stdout()),
        (KindsOutput::Text, Some(_)) => kinds.iter().map(|kind| page(kind, Style::of_stdout())).collect(),
    };
    print(text.as_bytes())
}

fn overview(kinds: &[&Kind], style: Style) -> String {
    let mut out = String::new();
    for kind in kinds {
        let _ = writeln!(out, "{:<10} {}", style.paint(Ink::Strong, kind.name), kind.about);
    }
    out.push_str("\n`tuermer kinds NAME` shows settings, phases and readings of one.\n");
    out
}

fn page(kind: &Kind, style: Style) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}  {}", style.paint(Ink::Strong, kind.name), kind.about);
    let _ = writeln!(out, "\nA target is {}.", kind.target);
    let _ = writeln!(out, "\n{}", style.paint(Ink::Strong, "Settings"));
    for setting in schema::settings(&kind.schema()) {
        let _ =
            writeln!(out, "  {}  {}", style.paint(Ink::Accent, &setting.path), style.paint(Ink::Dim, setting.kind()));
        for line in wrapped(&setting.about, style.width.saturating_sub(6)) {
            let _ = writeln!(out, "      {line}");
        }
    }
    let _ = writeln!(out, "\n{}", style.paint(Ink::Strong, "Phases"));
    for line in wrapped(&phases(kind).join(", "), style.width.saturating_sub(2)) {
        let _ = writeln!(out, "  {line}");
    }
    let _ = writeln!(out, "\n{}", style.paint(Ink::Strong, "Readings"));
    for measure in measures(kind) {
        let over_runs = over_runs(measure.shape);
        let _ = writeln!(out, "  {}{}{over_runs}", style.paint(Ink::Accent, measure.name), labels(measure));
        for line in wrapped(measure.help, style.width.saturating_sub(6)) {
            let _ = writeln!(out, "      {line}");
        }
    }
    out
}

/// The reference of kinds: in the README between two marks, kept true by a test.
pub fn markdown(kinds: &[&Kind]) -> String {
    let mut out = String::new();
    for kind in kinds {
        let _ = writeln!(out, "### `{}`\n\n{}\n\nA target is {}.\n", kind.name, cell(kind.about), cell(kind.target));
        let settings = schema::settings(&kind.schema());
        if settings.is_empty() {
            out.push_str("There is nothing to set.\n");
        } else {
            out.push_str("| setting | type | default | meaning |\n|---|---|---|---|\n");
        }
        for Setting { path, kind, default, about, is_required } in &settings {
            let default = match default {
                _ if *is_required => "required".to_owned(),
                Some(default) => format!("`{default}`"),
                None => String::new(),
            };
            let _ = writeln!(out, "| `{path}` | {} | {} | {} |", cell(kind), cell(&default), cell(about));
        }
        let phases: Vec<_> = phases(kind).iter().map(|phase| format!("`{phase}`")).collect();
        let _ = writeln!(out, "\nPhases: {}.\n", phases.join(", "));
        if !kind.measures.is_empty() {
            out.push_str("| reading | meaning |\n|---|---|\n");
        }
        for measure in kind.measures {
            let extra = if measure.extra { " (not in blackbox_exporter)" } else { "" };
            let name = format!("{}{}", measure.name, labels(measure));
            let _ = writeln!(out, "| `{name}` | {}{}{extra} |", cell(measure.help), over_runs(measure.shape));
        }
        out.push('\n');
    }
    out.push_str("### What every kind can read\n\n| reading | meaning |\n|---|---|\n");
    for measure in net::MEASURES.iter().copied().flatten() {
        let extra = if measure.extra { " (not in blackbox_exporter)" } else { "" };
        let _ = writeln!(out, "| `{}{}` | {}{extra} |", measure.name, labels(measure), cell(measure.help));
    }
    out
}

fn json_text(kinds: &[&Kind]) -> String {
    let kinds: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            json!({
                "name": kind.name,
                "about": kind.about,
                "target": kind.target,
                "settings": kind.schema(),
                "phases": phases(kind),
                "readings": measures(kind).map(reading).collect::<Vec<_>>(),
            })
        })
        .collect();
    format!("{:#}\n", Value::from(kinds))
}

fn reading(measure: &Measure) -> Value {
    json!({
        "name": measure.name,
        "help": measure.help,
        "unit": unit(measure.unit),
        "combines": combines(measure.shape),
        "bounds": match measure.shape { Shape::Distribution(bounds) => bounds.into(), _ => Value::Null },
        "labels": measure.labels,
        "in_blackbox_exporter": !measure.extra,
    })
}

/// How readings combine, in one word: within a run, or over the runs of a check.
const fn combines(shape: Shape) -> &'static str {
    match shape {
        Shape::Level => "last",
        Shape::Count => "sum",
        Shape::Total => "counter",
        Shape::Distribution(_) => "histogram",
        Shape::Lasting => "lasting",
    }
}

/// What readings of a scheduled check are over its runs, if they are something.
const fn over_runs(shape: Shape) -> &'static str {
    match shape {
        Shape::Level | Shape::Count => "",
        Shape::Total => " (counter over runs)",
        Shape::Distribution(_) => " (histogram over runs)",
        Shape::Lasting => " (stands until it is read again)",
    }
}

/// A unit in one word.
pub(super) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "none",
        Unit::Seconds => "seconds",
        Unit::Timestamp => "timestamp",
        Unit::Bytes => "bytes",
        Unit::Info => "info",
    }
}

fn measures(kind: &Kind) -> impl Iterator<Item = &'static Measure> {
    kind.measures.iter().copied().chain(net::MEASURES.iter().copied().flatten().copied())
}

fn phases(kind: &Kind) -> Vec<&'static str> {
    kind.phases.iter().map(|phase| phase.name()).collect()
}

fn labels(measure: &Measure) -> String {
    if measure.labels.is_empty() { String::new() } else { format!("{{{}}}", measure.labels.join(", ")) }
}

/// A text that cannot break a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_shown_in_every_form() {
        let kinds: Vec<_> = KINDS.iter().collect();
        let markdown = markdown(&kinds);
        let json: Value = serde_json::from_str(&json_text(&kinds)).expect("JSON");
        for (kind, json) in kinds.iter().zip(json.as_array().expect("a list")) {
            assert_eq!(json["name"], kind.name);
            assert!(markdown.contains(&format!("### `{}`", kind.name)));
            for setting in schema::settings(&kind.schema()) {
                assert!(!setting.kind.is_empty(), "{}: {} has no type", kind.name, setting.path);
                assert!(!setting.about.is_empty(), "{}: {} is not explained", kind.name, setting.path);
            }
            let style = Style { width: 80, colour: false };
            assert!(page(kind, style).lines().all(|line| line.chars().count() < 160), "{}", page(kind, style));
        }
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
    }
}
