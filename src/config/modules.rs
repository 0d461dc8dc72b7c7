//! `modules:` — blackbox_exporter's section, unchanged.
//!
//! Knows no setting of any kind: a section is handed to its kind as it stands.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tuermer_probes::net::{Addresses, Network, RESOLVE};
use tuermer_probes::settings::Span;
use tuermer_probes::{KINDS, Kind, Limits, Module, Terms};

use super::access;
use super::dump;
use super::fault::Fault;
use super::fields::Fields;
use super::hash;
use super::misread::Faults;
use super::node::{Entry, Form, Node, Scalar, Value};
use super::reader::Reader;
use super::source::Place;
use crate::plan::{Access, Check, NamedModule};

/// Modules by name, with the hash of what each says.
pub(super) type Modules = BTreeMap<Arc<str>, Loaded>;

/// A module and what the checks that use it need to know.
pub(super) struct Loaded {
    pub(super) module: Arc<NamedModule>,
    /// The module as it is written, without secrets.
    pub(super) text: Arc<str>,
    /// Hash of the module's content.
    pub(super) content: u64,
    /// True for a module that is valid, but that nothing can be asked with.
    pub(super) is_unusable: bool,
}

/// Reads the section. `access` is what `/probe` may ask where a module says nothing of it. Modules at fault are loaded without a kind, so that checks are not blamed for them.
pub(super) fn read(
    section: &Entry<'_>,
    access: Option<&Access>,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) -> Modules {
    let mut modules = Modules::new();
    let fields = match Fields::of(&section.value, section.key_place, "`modules`") {
        Ok(fields) => fields,
        Err(fault) => {
            faults.push(fault);
            return modules;
        }
    };
    let mut old_keys = OldKeys::default();
    for entry in fields.iter() {
        let name: Arc<str> = entry.key.as_ref().into();
        let mut named = NamedModule { name: Arc::clone(&name), module: None, timeout: None, access: Access::default() };
        let faults_before = faults.len();
        if !entry.value.is_null() {
            let Read { module, timeout, access: own } = read_module(entry, faults);
            let access = access::of(module.as_ref(), own, access);
            named = NamedModule { module, timeout, access, ..named };
        }
        if faults.len() == faults_before {
            old_keys.warn(entry, warnings);
        }
        let is_unusable = named.module.is_none() && faults.len() == faults_before;
        let content = hash::of_node(&entry.value);
        let text = dump::document(&entry.value, 2);
        modules.insert(name, Loaded { module: Arc::new(named), text: text.into(), content, is_unusable });
    }
    modules
}

/// Most modules named in a warning. Chosen: a line.
const NAMED_MAX: usize = 10;

/// Names the modules that `/probe` refuses although the file does not say so, and that no check uses: those were written
/// for `/probe`.
pub(super) fn refused(modules: &Modules, checks: &[Arc<Check>]) -> Option<String> {
    let used: HashSet<&str> = checks.iter().map(|check| &*check.module.name).collect();
    let refused: Vec<_> = modules
        .iter()
        .filter(|(name, loaded)| loaded.module.access == Access::Refused && !used.contains(&***name))
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let more = match refused.len().checked_sub(NAMED_MAX) {
        None | Some(0) => String::new(),
        Some(more) => format!(" and {more} more"),
    };
    let named = refused[..refused.len().min(NAMED_MAX)].join(", ");
    (!refused.is_empty()).then(|| {
        format!(
            "/probe refuses modules that carry credentials or a client's key, reach unix sockets, or try what a server \
             must refuse: {named}{more}; checks may use them; for /probe write `{}: any`, or a list of targets, into the module or beside `modules`",
            access::KEY
        )
    })
}

/// What a module says.
#[derive(Default)]
struct Read {
    module: Option<Module>,
    timeout: Option<Duration>,
    access: Option<Access>,
}

fn read_module(entry: &Entry<'_>, faults: &mut Vec<Fault>) -> Read {
    let what = format!("module `{}`", entry.key);
    let fields = match Fields::of(&entry.value, entry.key_place, &what) {
        Ok(fields) => fields,
        Err(fault) => {
            faults.push(fault);
            return Read::default();
        }
    };
    let names = KINDS.iter().map(|kind| kind.name);
    fields.refuse_others(
        ["prober", "timeout", access::KEY, "network", "limits"].into_iter().chain(names.clone()),
        faults,
    );

    let timeout = fields.find("timeout").and_then(|timeout| value::<Span>(timeout, faults));
    let timeout = timeout.map(|span| span.0).filter(|span| !span.is_zero());

    let prober = fields.required("prober", &what).and_then(|entry| Ok((entry.place(), entry.text()?)));
    let kind = match prober {
        Ok((place, prober)) => {
            let kind = tuermer_probes::kind(prober);
            if kind.is_none() {
                faults.push(Fault::unknown(place, "prober", prober, names));
            }
            kind
        }
        Err(fault) => {
            faults.push(fault.with_allowed("", names));
            None
        }
    };

    // Sections of other kinds are of no use, but must be valid all the same.
    let mut module = None;
    for section in KINDS {
        let is_own = kind.is_some_and(|kind| std::ptr::eq(kind, section));
        let read = match fields.find(section.name) {
            Some(found) => settings(section, &found.value, found.key_place),
            None if is_own => settings(section, &EMPTY, entry.key_place)
                .map_err(|fault| fault.with_help(format_args!("it belongs into the section `{}`", section.name))),
            None => continue,
        };
        match read {
            Ok(read) if is_own => module = Some(read),
            Ok(_) => {}
            Err(fault) => {
                faults.push(fault.clone());
                if let (Some(found), true) = (fields.find(section.name), fault.is_local) {
                    others(section, &found.value, found.key_place, fault, faults);
                }
            }
        }
    }
    let terms = terms(&fields, kind, faults);
    let access = fields.find(access::KEY).and_then(|entry| access::read(entry, faults));
    Read { module: module.map(|module| module.on(terms)), timeout, access }
}

/// What is said beside the section of a kind, and is the same for every kind.
fn terms(fields: &Fields<'_, '_>, kind: Option<&'static Kind>, faults: &mut Vec<Fault>) -> Terms {
    let mut terms = Terms::default();
    if let Some(entry) = fields.find("network")
        && let Some(network) = value::<Network>(entry, faults)
    {
        faults.extend(network.fault().map(|fault| Fault::new(entry.key_place, fault)));
        if let Some(kind) = kind.filter(|_| network.addresses() == Addresses::All) {
            let why = if kind.has_steps {
                Some("asks several servers already, as its own section says")
            } else if kind.phases.contains(&RESOLVE) {
                None
            } else {
                Some("has no addresses to choose from")
            };
            faults.extend(
                why.map(|why| Fault::new(entry.key_place, format_args!("`addresses: all`: {} {why}", kind.name))),
            );
        }
        terms.network = Some(Arc::new(network));
    }
    if let Some(entry) = fields.find("limits")
        && let Some(limits) = value::<Limits>(entry, faults)
    {
        if let Some(kind) = kind {
            let phases = kind.phases.iter().map(|phase| phase.name());
            for name in limits.phases.names().filter(|name| !phases.clone().any(|phase| phase == *name)) {
                let what = format!("phase of {}", kind.name);
                faults.push(Fault::unknown(entry.key_place, &what, name, phases.clone()));
            }
        }
        terms.limits = limits;
    }
    terms
}

/// A value that knows how to read itself.
fn value<T: serde::de::DeserializeOwned>(entry: &Entry<'_>, faults: &mut Vec<Fault>) -> Option<T> {
    let seen = Faults::default();
    match T::deserialize(Reader::new(&entry.value, entry.place(), &seen)) {
        Ok(value) => Some(value),
        Err(error) => {
            faults.push(seen.take(entry.place(), error));
            None
        }
    }
}

/// Keys that are understood, but that have been replaced, by kind.
#[derive(Default)]
struct OldKeys(BTreeMap<&'static str, Vec<String>>);

impl OldKeys {
    fn of(&mut self, kind: &'static Kind) -> &[String] {
        self.0.entry(kind.name).or_insert_with(|| {
            let schema = kind.schema();
            let properties = schema.get("properties").and_then(serde_json::Value::as_object).into_iter().flatten();
            let is_old = |property: &serde_json::Value| property.get("deprecated") == Some(&true.into());
            properties.filter(|(_, property)| is_old(property)).map(|(key, _)| key.clone()).collect()
        })
    }

    /// Warns of those that a module uses.
    fn warn(&mut self, module: &Entry<'_>, warnings: &mut Vec<String>) {
        let Ok(fields) = Fields::of(&module.value, module.key_place, "") else { return };
        for kind in KINDS {
            let Some(section) = fields.find(kind.name) else { continue };
            let Ok(used) = Fields::of(&section.value, section.key_place, "") else { continue };
            for key in self.of(kind).iter().filter(|key| used.find(key).is_some()) {
                let about = format_args!("`{key}` is an old word; see `tuermer kinds {}`", kind.name);
                warnings.push(format!("module `{}`: {about}", module.key));
            }
        }
    }
}

/// Most faults told of one section. Chosen: enough to correct in one go.
const FAULTS_MAX: usize = 10;

/// The faults of a section beside the first: it is read again without what was wrong, as long as only values of their own
/// are. Faults of several values together are not sought, for they might come from what was taken out.
fn others(kind: &'static Kind, node: &Node<'_>, place: Place, mut fault: Fault, faults: &mut Vec<Fault>) {
    let mut node = node.clone();
    for _ in 1..FAULTS_MAX {
        if !node.prune(fault.place) {
            return;
        }
        match settings(kind, &node, place) {
            Err(next) if next.is_local => {
                faults.push(next.clone());
                fault = next;
            }
            _ => return,
        }
    }
}

/// A section that is not there: every key that must be set is missing.
static EMPTY: Node<'static> = Node {
    place: Place::TOP,
    value: Value::Scalar(Scalar { text: std::borrow::Cow::Borrowed(""), form: Form::Plain }),
};

fn settings(kind: &'static Kind, node: &Node<'_>, place: Place) -> Result<Module, Fault> {
    let faults = Faults::default();
    kind.module(Reader::new(node, place, &faults)).map_err(|error| faults.take(place, error))
}
