//! The same row asked through both programs, and what differs.
//!
//! Compared are the status, the media type, and of metrics: names, types, label sets, and every value that is not a
//! time.

use std::collections::BTreeSet;

use crate::accepted;
use crate::case::Case;
use crate::exposition::{Exposition, name_of};
use crate::program::{Answer, Program, has_names};
use crate::world::{Outcome, Ready, World};

/// Metrics whose values are stretches of time: two runs never take equally long.
const TIMES: [&str; 2] = ["_duration_seconds", "_lookup_time_seconds"];

/// How a reason begins that the suite checks: 0.23 must refuse the module.
pub(crate) const OF_THE_MODULE: &str = "module: ";

/// Labels that 0.23 does not have yet: a difference of their own, so that the other labels are compared.
const NEWER_LABELS: [(&str, &str); 1] = [("probe_ssl_last_chain_info", "serialnumber")];

/// Something that is not the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Id of the case.
    pub(crate) id: &'static str,
    /// What it is about: a series, or `status`, `type`, `exit`.
    pub(crate) subject: String,
    /// A sentence.
    pub(crate) text: String,
}

/// What came of comparing a case.
pub(crate) struct Compared {
    /// Rows that were asked through both.
    pub(crate) rows: usize,
    /// Differences, accepted or not.
    pub(crate) differences: Vec<Difference>,
    /// What kept rows from being compared although they should have been.
    pub(crate) faults: Vec<String>,
}

/// Whether any row of a case can be asked through 0.23.
pub(crate) fn is_comparable(case: &Case) -> bool {
    case.rows().iter().any(|row| row.not_in_0_23.is_none())
}

/// Compares every row that 0.23 can be asked.
pub(crate) async fn compare(world: &World, case: &Case) -> Compared {
    let mut compared = Compared { rows: 0, differences: Vec::new(), faults: Vec::new() };
    for ready in world.rows(case.id) {
        let difference = |(subject, text): (String, String)| Difference {
            id: case.id,
            subject,
            text: format!("{}: {text}", ready.name),
        };
        if ready.row.not_in_0_23.is_some() {
            if let Some(fault) = is_wrongly_left_out(world, case.id, ready).await {
                compared.faults.push(fault);
            }
            continue;
        }
        if ready.needs_names() && !has_names() {
            eprintln!("{}: not compared, because blackbox_exporter cannot be given names here", ready.name);
            continue;
        }
        let ours = world.outcome(ready, Program::Tuermer).await;
        let theirs = world.outcome(ready, Program::Blackbox).await;
        match (ours, theirs) {
            (Ok(ours), _) if ours.lacks_rights(&ready.name) => {}
            (Ok(ours), Ok(theirs)) => {
                compared.rows += 1;
                compared.differences.extend(differences(&ours, &theirs).into_iter().map(difference));
            }
            (Err(error), _) | (_, Err(error)) => compared.faults.push(format!("{}: {error}", ready.name)),
        }
    }
    compared
}

/// A row that is said to be too new, but whose module 0.23 takes, or that it answers as we do.
async fn is_wrongly_left_out(world: &World, id: &'static str, ready: &Ready) -> Option<String> {
    let why = ready.row.not_in_0_23?;
    if why.starts_with(OF_THE_MODULE) {
        let refusal = world.refusal(ready, Program::Blackbox).await;
        return refusal.is_none().then(|| format!("{}: 0.23 takes the module, although {why:?}", ready.name));
    }
    let ours = world.outcome(ready, Program::Tuermer).await.ok()?;
    let theirs = world.outcome(ready, Program::Blackbox).await.ok()?;
    let found = differences(&ours, &theirs).into_iter().map(|(subject, text)| Difference { id, subject, text });
    let is_same = found.into_iter().all(|difference| accepted::is_covered(&difference));
    is_same.then(|| format!("{}: 0.23 answers as tuermer does, although {why:?}", ready.name))
}

fn differences(ours: &Outcome, theirs: &Outcome) -> Vec<(String, String)> {
    match (ours, theirs) {
        (Outcome::Asked { answers: ours, .. }, Outcome::Asked { answers: theirs, .. }) => {
            ours.iter().zip(theirs).flat_map(|(ours, theirs)| of_answers(ours, theirs)).collect()
        }
        (Outcome::Ran { exit: ours, printed: our_print }, Outcome::Ran { exit: theirs, printed: their_print }) => {
            let text = format!("exit code {ours}, blackbox_exporter {theirs}: {our_print} / {their_print}");
            if ours == theirs { Vec::new() } else { vec![("exit".to_owned(), text)] }
        }
        (Outcome::Saw(ours), Outcome::Saw(theirs)) => {
            let mut found = Vec::new();
            for (number, (what, value)) in ours.0.iter().enumerate() {
                let other =
                    theirs.0.get(number).filter(|(their, _)| their == what).map_or("nothing", |(_, value)| value);
                if other != value {
                    found.push((what.clone(), format!("{what} is {value:?}, with blackbox_exporter {other:?}")));
                }
            }
            found
        }
        _ => vec![("outcome".to_owned(), "outcomes of different sorts".to_owned())],
    }
}

fn of_answers(ours: &Answer, theirs: &Answer) -> Vec<(String, String)> {
    if ours.status != theirs.status {
        let theirs = match theirs.status {
            0 => "drops the connection".to_owned(),
            status => format!("answers {status}: {}", first_line(&theirs.text())),
        };
        let text = format!("status {}: {}, blackbox_exporter {theirs}", ours.status, first_line(&ours.text()));
        return vec![("status".to_owned(), text)];
    }
    let (our_type, their_type) = (media_type(ours), media_type(theirs));
    if our_type != their_type {
        return vec![("type".to_owned(), format!("content type {our_type:?}, blackbox_exporter {their_type:?}"))];
    }
    match (Exposition::parse(&ours.text()), Exposition::parse(&theirs.text())) {
        (Ok(ours), Ok(theirs)) if ours.value("probe_success").is_some() => of_metrics(&ours, &theirs),
        _ => Vec::new(),
    }
}

fn of_metrics(ours: &Exposition, theirs: &Exposition) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let ours = &without_newer_labels(ours, theirs, &mut found);
    for (name, kind) in &ours.types {
        if let Some(their_kind) = theirs.types.get(name).filter(|their| *their != kind) {
            found.push((name.clone(), format!("{name} is a {kind}, of blackbox_exporter a {their_kind}")));
        }
    }
    let all: BTreeSet<&String> = ours.series.keys().chain(theirs.series.keys()).collect();
    for series in all {
        let text = match (ours.value(series), theirs.value(series)) {
            (Some(value), None) => format!("{series} is {value}, and missing of blackbox_exporter"),
            (None, Some(value)) => format!("{series} is missing, and {value} of blackbox_exporter"),
            (Some(our), Some(their)) if is_time(series) && (our > 0.0) != (their > 0.0) => {
                format!("{series} is {our}, of blackbox_exporter {their}")
            }
            (Some(our), Some(their)) if !is_time(series) && !is_same(our, their) => {
                format!("{series} is {our}, of blackbox_exporter {their}")
            }
            _ => continue,
        };
        found.push((series.clone(), text));
    }
    found
}

/// Our series without the labels that 0.23 lacks, where that is what it has.
fn without_newer_labels(ours: &Exposition, theirs: &Exposition, found: &mut Vec<(String, String)>) -> Exposition {
    let mut ours = ours.clone();
    for (metric, label) in NEWER_LABELS {
        let Some((series, value)) = ours.first_of(metric) else { continue };
        let older = without_label(&series, label);
        if older != series && theirs.value(&older).is_some() {
            found.push((format!("{metric}.{label}"), format!("{metric} has the label {label}")));
            ours.series.remove(&series);
            ours.series.insert(older, value);
        }
    }
    ours
}

/// A series as it is written, without one of its labels.
fn without_label(series: &str, label: &str) -> String {
    let Some((before, rest)) = series.split_once(&format!("{label}=\"")) else { return series.to_owned() };
    let Some((_, after)) = rest.split_once('"') else { return series.to_owned() };
    match after.strip_prefix(',') {
        Some(after) => format!("{before}{after}"),
        None => format!("{}{after}", before.strip_suffix(',').unwrap_or(before)),
    }
}

fn is_time(series: &str) -> bool {
    TIMES.iter().any(|ending| name_of(series).ends_with(ending))
}

fn is_same(our: f64, their: f64) -> bool {
    (our - their).abs() <= our.abs().max(their.abs()) * 1e-9 || (our.is_nan() && their.is_nan())
}

fn media_type(answer: &Answer) -> &str {
    answer.header("content-type").split(';').next().unwrap_or_default().trim()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
