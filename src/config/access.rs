//! `probe_targets:` — what `/probe` may ask, for all modules or for one.

use std::sync::Arc;

use tuermer_probes::Module;
use tuermer_probes::net::TargetList;

use super::fault::Fault;
use super::fields::text_of;
use super::node::{Entry, Value};
use crate::plan::Access;

/// The key.
pub(super) const KEY: &str = "probe_targets";

/// Longest list. Chosen: more is better said with a range or a pattern.
const ENTRIES_MAX: usize = 10_000;

const HELP: &str = "write `any`, or a list of names, ranges of addresses and paths of unix sockets: \
                    [www.example.org, \"*.example.net:443\", 192.0.2.0/24, \"[2001:db8::/32]:443\", /run/app.sock]";

/// Reads the key. `None` if it cannot be understood.
pub(super) fn read(entry: &Entry<'_>, faults: &mut Vec<Fault>) -> Option<Access> {
    if let Value::Scalar(_) = entry.value.value {
        if text_of(&entry.value) == Some("any") {
            return Some(Access::Any);
        }
        faults.push(Fault::new(entry.place(), format_args!("`{KEY}` is neither `any` nor a list")).with_help(HELP));
        return None;
    }
    let items = match entry.list() {
        Ok(items) if items.len() <= ENTRIES_MAX => items,
        Ok(_) => {
            faults.push(Fault::new(entry.key_place, format_args!("more than {ENTRIES_MAX} entries")));
            return None;
        }
        Err(fault) => {
            faults.push(fault.with_help(HELP));
            return None;
        }
    };
    let mut list = TargetList::default();
    for item in items {
        let pushed = match text_of(item) {
            Some(text) => list.push(text),
            None => Err("an entry must be a single value".to_owned()),
        };
        if let Err(why) = pushed {
            faults.push(Fault::new(item.place, why).with_help(HELP));
        }
    }
    Some(Access::Listed(Arc::new(list)))
}

/// What may be asked with a module where its own key, and the one for all modules, say this.
pub(super) fn of(module: Option<&Module>, own: Option<Access>, all: Option<&Access>) -> Access {
    match own.or_else(|| all.cloned()) {
        Some(access) => access,
        None if module.is_some_and(Module::carries_secrets) => Access::Refused,
        None => Access::Open,
    }
}
