//! `checks:` — what the agent asks by itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tuermer_probes::{Invalid, Module, Target, hide_password};

use super::awaited::Taken;
use super::fault::Fault;
use super::fields::{Fields, text_of};
use super::hash::{self, Hash};
use super::labels;
use super::mails::Mails;
use super::modules::{Loaded, Modules};
use super::node::{Entry, Node};
use crate::plan::{Check, NamedModule};

/// Longest name of a check in bytes. Chosen: a line on a page.
pub const NAME_BYTES_MAX: usize = 200;
/// Longest target in bytes. Chosen: the longest URL that servers take.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Shortest interval. Chosen: below it a check is a load test.
pub const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Longest interval. Chosen: a month.
pub const INTERVAL_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Interval of a check that says nothing.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(60);
/// Timeout of a check where neither it nor its module says anything.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

const KEYS: [&str; 6] = ["module", "targets", "interval", "timeout", "labels", labels::FATE];

/// Reads the section. Every check and every target at fault is named.
pub(super) fn read(
    section: &Entry<'_>,
    modules: &Modules,
    taken: &Taken<'_>,
    faults: &mut Vec<Fault>,
) -> Vec<Arc<Check>> {
    let mut checks = Vec::new();
    let fields = match Fields::of(&section.value, section.key_place, "`checks`") {
        Ok(fields) => fields,
        Err(fault) => {
            faults.push(fault);
            return checks;
        }
    };
    let mut mails = Mails::default();
    for entry in fields.iter() {
        let first = checks.len();
        read_check(entry, modules, &mut checks, faults);
        mails.add(entry, &checks[first..], faults);
        taken.judge(entry, &checks[first..], faults);
    }
    checks
}

/// What all targets of a check share.
struct Shared<'m> {
    name: Arc<str>,
    module: &'m Loaded,
    labels: Arc<[(Arc<str>, Arc<str>)]>,
    interval: Duration,
    timeout: Duration,
    content: u64,
}

fn read_check(entry: &Entry<'_>, modules: &Modules, checks: &mut Vec<Arc<Check>>, faults: &mut Vec<Fault>) {
    let what = format!("check `{}`", entry.key);
    let fields = match Fields::of(&entry.value, entry.key_place, &what) {
        Ok(fields) => fields,
        Err(fault) => return faults.push(fault),
    };
    fields.refuse_others(KEYS.into_iter(), faults);
    faults.extend(name_fault(entry));

    let module = module_of(&fields, &what, modules).map_err(|fault| faults.push(fault)).ok();
    let named = module.map(|module| module.module.as_ref());
    let (interval, timeout) = times_of(&fields, named, faults);
    let kind = named.and_then(|module| module.module.as_ref()).map(Module::kind);
    let labels = labels::read(&fields, kind, faults);
    let targets = match fields.required("targets", &what).and_then(|targets| Ok((targets, targets.list()?))) {
        Ok((targets, [])) => return faults.push(Fault::new(targets.key_place, format_args!("{what} has no target"))),
        Ok((_, targets)) => targets,
        Err(fault) => return faults.push(fault),
    };
    let targets = targets_of(targets, faults);
    let Some(module) = module else { return };

    let content = Hash::new().number(module.content).span(interval).span(timeout);
    let content =
        labels.iter().fold(content, |hash, (name, value)| hash.bytes(name.as_bytes()).bytes(value.as_bytes()));
    let name = entry.key.as_ref().into();
    let shared = Shared { name, module, labels, interval, timeout, content: content.finish() };
    // A module at fault has no kind; its fault is told already.
    let Some(kind) = &module.module.module else { return };
    checks.reserve(targets.len());
    for (node, target) in targets {
        match bound(&shared, kind, target) {
            Ok(check) => checks.push(Arc::new(check)),
            Err(invalid) => {
                let message = format_args!("target {target:?} of {what}: {invalid}");
                faults.push(Fault::new(node.place, message).with_help(format_args!(
                    "a target of {} is {}",
                    kind.kind().name,
                    kind.kind().target
                )));
            }
        }
    }
}

fn bound(shared: &Shared<'_>, module: &Module, text: &str) -> Result<Check, Invalid> {
    let target = Target::new(text);
    let probe = module.bind(&target)?;
    let identity = hash::identity(&shared.name, &shared.module.module.name, text);
    Ok(Check {
        identity,
        content: Hash::new().number(shared.content).number(identity).finish(),
        name: Arc::clone(&shared.name),
        module: Arc::clone(&shared.module.module),
        target,
        labels: Arc::clone(&shared.labels),
        interval: shared.interval,
        timeout: shared.timeout,
        probe,
    })
}

fn name_fault(entry: &Entry<'_>) -> Option<Fault> {
    let name = entry.key.as_ref();
    let why = if name.trim().is_empty() {
        "a check needs a name".to_owned()
    } else if name.len() > NAME_BYTES_MAX {
        format!("the name of a check is at most {NAME_BYTES_MAX} bytes long")
    } else if name.contains(char::is_control) {
        "the name of a check must not contain control characters".to_owned()
    } else {
        return None;
    };
    Some(Fault::new(entry.key_place, why))
}

fn module_of<'m>(fields: &Fields<'_, '_>, what: &str, modules: &'m Modules) -> Result<&'m Loaded, Fault> {
    let entry = fields.required("module", what)?;
    let name = entry.text()?;
    let names = modules.keys().map(AsRef::as_ref);
    let module = modules.get(name).ok_or_else(|| match modules.is_empty() {
        true => Fault::new(entry.place(), format_args!("unknown module `{name}`: the file has no `modules`")),
        false => Fault::unknown(entry.place(), "module", name, names),
    })?;
    if module.is_unusable {
        return Err(Fault::new(entry.place(), format_args!("module `{name}` cannot be asked: it has no prober")));
    }
    Ok(module)
}

fn times_of(fields: &Fields<'_, '_>, module: Option<&NamedModule>, faults: &mut Vec<Fault>) -> (Duration, Duration) {
    let mut read = |key: &str| match fields.find(key).map(|entry| Ok((entry, entry.span()?))) {
        Some(Ok(found)) => Some(found),
        Some(Err(fault)) => {
            faults.push(fault);
            None
        }
        None => None,
    };
    let interval = read("interval");
    let timeout = read("timeout");
    if let Some((entry, interval)) = interval
        && !(INTERVAL_MIN..=INTERVAL_MAX).contains(&interval)
    {
        let message = format_args!("an interval of {interval:?} is not between {INTERVAL_MIN:?} and 30 days (720h)");
        faults.push(Fault::new(entry.place(), message));
    }
    let interval = interval.map_or(INTERVAL_DEFAULT, |(_, interval)| interval);
    let Some((entry, timeout)) = timeout else {
        let timeout = module.and_then(|module| module.timeout).unwrap_or(TIMEOUT_DEFAULT);
        return (interval, timeout.min(interval));
    };
    if timeout.is_zero() {
        faults.push(Fault::new(entry.place(), "a timeout must be longer than nothing"));
    } else if timeout > interval {
        let message = format_args!("a timeout of {timeout:?} is longer than the interval of {interval:?}");
        faults.push(Fault::new(entry.place(), message).with_help("a check never overlaps itself"));
    }
    (interval, timeout)
}

fn targets_of<'n, 't>(nodes: &'n [Node<'t>], faults: &mut Vec<Fault>) -> Vec<(&'n Node<'t>, &'n str)> {
    let mut seen = HashSet::with_capacity(nodes.len());
    let mut targets = Vec::with_capacity(nodes.len());
    for node in nodes {
        let why = match text_of(node) {
            None => "a target must be a single value, not a list or a map".to_owned(),
            Some("") => "a target must not be empty".to_owned(),
            Some(text) if text.len() > TARGET_BYTES_MAX => {
                format!("a target is at most {TARGET_BYTES_MAX} bytes long")
            }
            // What is shown of it tells it from others.
            Some(text) if !seen.insert(hide_password(text)) => format!("target {text:?} stands twice in this check"),
            Some(text) => {
                targets.push((node, text));
                continue;
            }
        };
        faults.push(Fault::new(node.place, why));
    }
    targets
}
