//! What checks wait for at the agent itself: mail for an address that it takes, kept for as long as they look back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tuermer_probes::{Awaited, Module};

use super::fault::Fault;
use super::fields::{Fields, text_of};
use super::node::Entry;
use super::receive;
use super::source::Place;
use crate::plan::{Check, Receive};

/// Most targets of a check that are told to be at fault. Chosen: more are not shown, and each names what is allowed.
const FAULTS_MAX: usize = 20;

/// What the agent takes mail for.
pub(super) enum Taken<'r> {
    /// The file has no such section.
    Nothing,
    /// The section is at fault, which is told already.
    Unknown,
    /// Mail for these, in small letters.
    For(&'r Receive, HashSet<String>),
}

impl<'r> Taken<'r> {
    /// What a section says. `receive` is how it was understood.
    pub(super) fn of(section: Option<&Entry<'_>>, receive: Option<&'r Receive>) -> Self {
        match (section, receive) {
            (None, _) => Self::Nothing,
            (Some(_), None) => Self::Unknown,
            (Some(_), Some(receive)) => {
                Self::For(receive, receive.recipients.iter().map(|own| own.to_ascii_lowercase()).collect())
            }
        }
    }

    /// Finds the targets of a check that wait for what can never be found.
    pub(super) fn judge(&self, entry: &Entry<'_>, checks: &[Arc<Check>], faults: &mut Vec<Fault>) {
        let mut told = 0;
        for check in checks {
            let awaited = check.module.module.as_ref().and_then(|module| Module::awaited(module, &check.target));
            let Some(fault) = awaited.and_then(|awaited| self.fault(entry, &awaited)) else { continue };
            told += 1;
            // What is wrong with the module is so for every target.
            if faults.last() != Some(&fault) {
                faults.push(fault);
            }
            if told == FAULTS_MAX {
                return;
            }
        }
    }

    fn fault(&self, entry: &Entry<'_>, awaited: &Awaited) -> Option<Fault> {
        let Awaited { recipient, time } = awaited;
        let what = || format!("check `{}` waits at the agent for mail to {recipient}", entry.key);
        let key = receive::KEY;
        match self {
            Self::Unknown => None,
            Self::Nothing => Some(
                Fault::new(place(entry, Some(recipient)), format_args!("{}, but the file has no `{key}`", what()))
                    .with_help(format_args!("the agent takes mail only with `{key}`, for the `recipients` in it")),
            ),
            Self::For(receive, recipients) if !recipients.contains(&recipient.to_ascii_lowercase()) => Some(
                Fault::new(
                    place(entry, Some(recipient)),
                    format_args!("{}, which is not among `recipients` of `{key}`", what()),
                )
                .with_allowed("", receive.recipients.iter().map(AsRef::as_ref)),
            ),
            Self::For(Receive { keep_for, .. }, _) if time > keep_for => {
                let message = format_args!(
                    "check `{}` looks for mail of the last {}, but `{key}` keeps it for {}",
                    entry.key,
                    shown(*time),
                    shown(*keep_for)
                );
                let most = receive::KEEP_FOR_MAX;
                let help = match *time <= most {
                    true => format!("allowed: up to {}; or set `keep_for` to {}", shown(*keep_for), shown(*time)),
                    false => format!("allowed: up to {}; `keep_for` can be {} at most", shown(*keep_for), shown(most)),
                };
                Some(Fault::new(place(entry, None), message).with_help(help))
            }
            Self::For(..) => None,
        }
    }
}

/// Where to point: at the target, if that is the address; else at the name of the module, which says it.
fn place(check: &Entry<'_>, recipient: Option<&str>) -> Place {
    let Ok(fields) = Fields::of(&check.value, check.key_place, "") else { return check.key_place };
    let targets = fields.find("targets").and_then(|targets| targets.list().ok()).unwrap_or_default();
    let target = recipient.and_then(|recipient| targets.iter().find(|node| text_of(node) == Some(recipient)));
    match target {
        Some(target) => target.place,
        None => fields.find("module").map_or(check.key_place, Entry::place),
    }
}

/// A length of time in its largest unit, as it can be written.
fn shown(time: Duration) -> String {
    let millis = time.as_millis();
    match [(3_600_000, "h"), (60_000, "m"), (1000, "s")].into_iter().find(|(unit, _)| millis.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None => format!("{millis}ms"),
    }
}
