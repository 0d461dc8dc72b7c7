//! What is wanted as checks: the same questions together, in YAML.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

use tuermer_probes::{Target, hide_password, shown};

use super::super::dump;
use super::super::fault::Fault;
use super::super::node::Form;
use super::super::{
    INTERVAL_MAX, INTERVAL_MIN, LABEL_BYTES_MAX, LABELS_MAX, Loaded, NAME_BYTES_MAX, TARGET_BYTES_MAX, TIMEOUT_DEFAULT,
};
use super::jobs::Wanted;
use super::{Group, Work};
use crate::exposition::RESERVED_LABELS;

/// What blackbox_exporter takes off the scrape timeout.
const TIMEOUT_OFFSET: Duration = Duration::from_millis(500);

/// Puts together what differs in the target only.
pub(super) fn group(wanted: Vec<Wanted>, modules: Option<&Loaded>, work: &mut Work) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known = HashMap::new();
    let mut asked = HashSet::new();
    let mut told = HashSet::new();
    for one in wanted {
        let place = one.place;
        let mut tell = |message: String| {
            // Once for each job: its other targets are no different.
            if told.insert((one.job.clone(), message.clone())) {
                work.note(&one.source, &Fault::new(place, message));
            }
        };
        if let Some(why) = refused(&one, modules) {
            tell(why);
            continue;
        }
        let labels = labels(&one, &mut tell);
        let interval = one.interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
        if interval != one.interval {
            tell(format!("an interval of {:?} is made {interval:?}", one.interval));
        }
        let module_timeout = modules.map(|loaded| loaded.plan.modules.get(one.module.as_str()).and_then(|m| m.timeout));
        let timeout = module_timeout.and_then(|module| timeout(module, one.timeout, interval));
        let key = (one.job.clone(), one.module.clone(), labels.clone(), interval, timeout, one.exporter.clone());
        let number = *known.entry(key).or_insert_with(|| {
            let (job, module) = (one.job.clone(), one.module.clone());
            groups.push(Group {
                job,
                module,
                labels,
                interval,
                timeout,
                exporter: one.exporter.clone(),
                targets: Vec::new(),
            });
            groups.len() - 1
        });
        // Prometheus too asks the same once.
        if asked.insert((number, one.target.clone())) {
            groups[number].targets.push(one.target);
        }
    }
    groups
}

/// Why a target cannot be asked.
fn refused(one: &Wanted, modules: Option<&Loaded>) -> Option<String> {
    if one.target.len() > TARGET_BYTES_MAX {
        return Some(format!("a target is at most {TARGET_BYTES_MAX} bytes long"));
    }
    let loaded = modules?;
    let Some(named) = loaded.plan.modules.get(one.module.as_str()) else {
        return Some(format!("there is no module `{}`", one.module));
    };
    let Some(module) = &named.module else { return Some(format!("module `{}` cannot be asked", one.module)) };
    match module.bind(&Target::new(one.target.as_str())) {
        Ok(_) => None,
        Err(invalid) => Some(format!("target {:?}: {invalid}", hide_password(&one.target))),
    }
}

/// The labels of a check: what is left when tuermer and Prometheus have set theirs.
fn labels(one: &Wanted, tell: &mut impl FnMut(String)) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    for (name, value) in &one.labels {
        let own = match name.as_str() {
            "instance" | "target" => &one.target,
            "module" => &one.module,
            _ => "",
        };
        let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
        if value == own || value.is_empty() {
            continue;
        }
        if RESERVED_LABELS.contains(&name.as_str()) || name == "quantile" {
            tell(format!("label `{name}`: tuermer sets it itself, to something else"));
        } else if !name.starts_with(is_start) || !name.chars().all(|c| is_start(c) || c.is_ascii_digit()) {
            tell(format!("label {name:?}: its name is not made of letters, digits and _"));
        } else if value.len() > LABEL_BYTES_MAX || labels.len() >= LABELS_MAX {
            tell(format!("label `{name}`: at most {LABELS_MAX} labels of {LABEL_BYTES_MAX} bytes"));
        } else {
            labels.push((name.clone(), value.clone()));
        }
    }
    labels
}

/// The timeout to write, where it is not the one that the check has anyway.
fn timeout(module: Option<Duration>, scrape: Duration, interval: Duration) -> Option<Duration> {
    let left = if scrape > TIMEOUT_OFFSET { scrape - TIMEOUT_OFFSET } else { scrape };
    let had = module.unwrap_or(TIMEOUT_DEFAULT).min(interval);
    let wanted = module.map_or(left, |module| module.min(left)).min(interval);
    (wanted != had && !wanted.is_zero()).then_some(wanted)
}

/// Appends the section.
pub(super) fn write(out: &mut String, origin: &str, groups: &[Group], has_modules: bool) {
    let exporters: BTreeSet<&str> = groups.iter().map(|group| group.exporter.as_str()).collect();
    let modules: BTreeSet<&str> = groups.iter().map(|group| group.module.as_str()).collect();
    let shown = |text: &str| shown(text.as_bytes(), 256);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# Made by `tuermer import` from {}.", shown(origin));
    if !has_modules && !modules.is_empty() {
        let names: Vec<String> = modules.into_iter().map(shown).collect();
        let _ = writeln!(out, "# The modules that it needs are not in here: {}.", names.join(", "));
    }
    if groups.is_empty() {
        out.push_str("checks: {}\n");
        return;
    }
    out.push_str("checks:\n");
    let mut taken = HashSet::new();
    for group in groups {
        let name = name(group, groups, &mut taken);
        let _ = writeln!(out, "  {}:", scalar(&name));
        if exporters.len() > 1 {
            let _ = writeln!(out, "    # blackbox_exporter at {}", shown(&group.exporter));
        }
        let _ = writeln!(out, "    module: {}", scalar(&group.module));
        let _ = writeln!(out, "    interval: {}", span(group.interval));
        if let Some(timeout) = group.timeout {
            let _ = writeln!(out, "    timeout: {}", span(timeout));
        }
        if !group.labels.is_empty() {
            out.push_str("    labels:\n");
            for (name, value) in &group.labels {
                let _ = writeln!(out, "      {}: {}", scalar(name), scalar(value));
            }
        }
        out.push_str("    targets:\n");
        for target in &group.targets {
            let _ = writeln!(out, "      - {}", scalar(target));
        }
    }
}

fn scalar(text: &str) -> String {
    dump::text(text, Form::Text)
}

/// In Go's notation.
fn span(length: Duration) -> String {
    if length.subsec_nanos() == 0 { format!("{}s", length.as_secs()) } else { format!("{}ms", length.as_millis()) }
}

/// A name of its own for each check: the job's, with the module's where the job has several, with a number where that
/// is not enough.
fn name(group: &Group, groups: &[Group], taken: &mut HashSet<String>) -> String {
    let has_several = groups.iter().any(|other| other.job == group.job && other.module != group.module);
    let name = if has_several { format!("{} {}", group.job, group.module) } else { group.job.clone() };
    let name = name.replace(char::is_control, " ");
    // Room for the number.
    let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX - 10)];
    let name = if name.trim().is_empty() { "import" } else { name };
    let numbers = (2..).map(|number| format!("{name} {number}"));
    let free = std::iter::once(name.to_owned()).chain(numbers).find(|name| !taken.contains(name));
    let free = free.unwrap_or_default();
    taken.insert(free.clone());
    free
}
