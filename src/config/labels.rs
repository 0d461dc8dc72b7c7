//! The labels of a check: the operator's own, and its fate.

use std::collections::BTreeSet;
use std::sync::Arc;

use tuermer_probes::{Kind, Measure, net};

use super::fault::Fault;
use super::fields::{Fields, text_of};
use super::node::{Entry, Value};
use crate::exposition::RESERVED_LABELS;

/// Longest value of a label in bytes. Chosen: a sentence.
pub const LABEL_BYTES_MAX: usize = 1024;
/// Most labels of a check. Chosen: half of what Prometheus suggests as a limit for a scrape.
pub const LABELS_MAX: usize = 32;
/// Most channels of a fate. Chosen: more ways to reach people than anybody has.
pub const CHANNELS_MAX: usize = 16;
/// Longest name of a channel in bytes. Chosen: a word.
pub const CHANNEL_BYTES_MAX: usize = 32;

/// The key, and the label, of the channels that fall when the service falls: news of it must not travel by them.
pub(super) const FATE: &str = "fate";
/// A label that the text format sets for summaries.
const QUANTILE: &str = "quantile";

/// Why an operator cannot have a label of this name.
fn label_fault(entry: &Entry<'_>, kind: Option<&'static Kind>) -> Option<Fault> {
    let name = entry.key.as_ref();
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    let fault = |message: std::fmt::Arguments<'_>| Some(Fault::new(entry.key_place, message));
    if !name.starts_with(is_start) || !name.chars().all(|c| is_start(c) || c.is_ascii_digit()) {
        return fault(format_args!("{name:?} is not the name of a label"))
            .map(|fault| fault.with_help("write letters, digits and _, beginning with a letter"));
    }
    if name.starts_with("__") {
        return fault(format_args!("label `{name}`: names beginning with __ are Prometheus' own"));
    }
    if name == FATE {
        return fault(format_args!("label `{name}` is written beside `labels`"))
            .map(|fault| fault.with_help("as in `fate: [mail]`"));
    }
    if RESERVED_LABELS.contains(&name) || name == QUANTILE {
        return fault(format_args!("label `{name}` is set by tuermer itself"));
    }
    let has_it = |measures: &[&'static Measure]| measures.iter().any(|measure| measure.labels.contains(&name));
    let kind = kind.filter(|kind| has_it(kind.measures) || net::MEASURES.iter().any(|measures| has_it(measures)))?;
    fault(format_args!("label `{name}` is a label of what {} reads", kind.name))
}

/// The labels of a check, sorted by name, its fate among them.
pub(super) fn read(
    check: &Fields<'_, '_>,
    kind: Option<&'static Kind>,
    faults: &mut Vec<Fault>,
) -> Arc<[(Arc<str>, Arc<str>)]> {
    let mut labels = match check.find("labels") {
        Some(entry) => own_labels(entry, kind, faults),
        None => Vec::new(),
    };
    if let Some(channels) = check.find(FATE).and_then(|entry| channels(entry, faults)) {
        labels.push((FATE.into(), channels.into()));
    }
    labels.sort_unstable();
    labels.into()
}

fn own_labels(entry: &Entry<'_>, kind: Option<&'static Kind>, faults: &mut Vec<Fault>) -> Vec<(Arc<str>, Arc<str>)> {
    let labels = match Fields::of(&entry.value, entry.key_place, "`labels`") {
        Ok(labels) => labels,
        Err(fault) => {
            faults.push(fault);
            return Vec::new();
        }
    };
    if labels.iter().len() > LABELS_MAX {
        faults.push(Fault::new(entry.key_place, format_args!("more than {LABELS_MAX} labels")));
    }
    let mut read: Vec<(Arc<str>, Arc<str>)> = Vec::with_capacity(labels.iter().len());
    for label in labels.iter() {
        if let Some(fault) = label_fault(label, kind) {
            faults.push(fault);
            continue;
        }
        match label.text() {
            Ok(value) if value.len() > LABEL_BYTES_MAX => {
                let message = format_args!("the value of a label is at most {LABEL_BYTES_MAX} bytes long");
                faults.push(Fault::new(label.place(), message));
            }
            // Prometheus takes an empty label for no label.
            Ok("") => {}
            Ok(value) => read.push((label.key.as_ref().into(), value.into())),
            Err(fault) => faults.push(fault),
        }
    }
    read
}

/// The channels of a fate as the value of its label: sorted, with a comma on both sides of each, so that one matcher
/// (`fate=~".*,mail,.*"`) finds a channel wherever it stands.
fn channels(entry: &Entry<'_>, faults: &mut Vec<Fault>) -> Option<String> {
    let nodes = match &entry.value.value {
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(&entry.value),
    };
    if nodes.len() > CHANNELS_MAX {
        faults.push(Fault::new(entry.key_place, format_args!("more than {CHANNELS_MAX} channels")));
        return None;
    }
    let mut channels = BTreeSet::new();
    for node in nodes {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        match text_of(node) {
            Some(name) if (1..=CHANNEL_BYTES_MAX).contains(&name.len()) && name.chars().all(is_part) => {
                channels.insert(name);
            }
            found => {
                let message = match found {
                    Some(name) => format!("{name:?} is not the name of a channel"),
                    None => "a channel must be a single value, not a list or a map".to_owned(),
                };
                faults.push(Fault::new(node.place, message).with_help(format_args!(
                    "write lower-case letters, digits, - and _, at most {CHANNEL_BYTES_MAX}, as in `fate: [mail]`"
                )));
            }
        }
    }
    if channels.is_empty() {
        return None;
    }
    Some(channels.into_iter().fold(",".to_owned(), |text, name| text + name + ","))
}
