//! Text to plan: the one place that sees configuration text.
//!
//! A file is read whole, understood whole, or refused with everything that is wrong with it. Knows no setting of any
//! kind of probe: sections are handed to their kinds.

mod access;
mod agent;
mod anchors;
mod awaited;
mod checks;
mod dump;
mod fault;
mod fields;
mod hash;
mod import;
mod labels;
mod mails;
mod misread;
mod modules;
mod node;
mod reader;
mod receive;
mod scalar;
mod source;
mod suggest;
pub mod web;
mod yaml;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

pub use anchors::trust_anchors;
use awaited::Taken;
pub use checks::{INTERVAL_DEFAULT, INTERVAL_MAX, INTERVAL_MIN, NAME_BYTES_MAX, TARGET_BYTES_MAX, TIMEOUT_DEFAULT};
pub use fault::ConfigError;
use fault::Fault;
use fields::Fields;
pub use import::{Imported, import};
pub use labels::{CHANNEL_BYTES_MAX, CHANNELS_MAX, LABEL_BYTES_MAX, LABELS_MAX};
use modules::Modules;
pub(crate) use scalar::binary as base64;
use source::Place;
pub(crate) use suggest::closest;

use crate::plan::Plan;

/// Largest configuration file in bytes. Chosen: 100,000 targets are a tenth of it.
pub const FILE_BYTES_MAX: u64 = 64 << 20;

const KEYS: [&str; 9] = [
    "modules",
    "checks",
    "resolver",
    "dnssec_trust_anchors",
    "probe_metrics",
    "probe_targets",
    "limits",
    "revocation_lists",
    receive::KEY,
];

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub plan: Plan,
    /// SHA-256 of the text.
    pub digest: [u8; 32],
    /// The text.
    pub text: Arc<str>,
    /// What an operator should know although the file is valid.
    pub warnings: Vec<String>,
    module_texts: BTreeMap<Arc<str>, Arc<str>>,
}

impl Loaded {
    /// A module as it is written, without secrets.
    pub fn module_text(&self, name: &str) -> Option<&Arc<str>> {
        self.module_texts.get(name)
    }

    /// The whole configuration as it is written, without secrets.
    pub fn shown(&self) -> String {
        // What was understood once is understood again.
        yaml::read(&self.text).ok().flatten().map(|root| dump::document(&root, 4)).unwrap_or_default()
    }
}

/// The text of a module with one more setting, at a path of keys, unless that is set already.
pub fn module_text_with(text: &str, path: &[&str], value: &str) -> Option<String> {
    dump::with_value(text, path, value)
}

/// Reads a file.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let text = read_file(path)?;
    let Understood { plan, module_texts, warnings } = understand(&text, &path.display().to_string())?;
    Ok(Loaded { plan, digest: hash::sha256(&text), text: text.into(), warnings, module_texts })
}

/// The checksum of a file's present content, to see whether a reload would change anything.
pub fn checksum(path: &Path) -> Result<[u8; 32], ConfigError> {
    read_file(path).map(|text| hash::sha256(&text))
}

/// Understands a text. `origin` is what messages call it.
pub fn parse(text: &str, origin: &str) -> Result<Plan, ConfigError> {
    understand(text, origin).map(|understood| understood.plan)
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |why: &dyn std::fmt::Display| ConfigError::unreadable(path, why);
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(&format_args!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(&format_args!("line {line} is not UTF-8"))
    })
}

/// What a text means.
#[derive(Default)]
struct Understood {
    plan: Plan,
    module_texts: BTreeMap<Arc<str>, Arc<str>>,
    warnings: Vec<String>,
}

fn understand(text: &str, origin: &str) -> Result<Understood, ConfigError> {
    let mut faults = Vec::new();
    match read(text, &mut faults) {
        Ok(understood) if faults.is_empty() => Ok(understood),
        Ok(_) => Err(ConfigError::new(faults, text, origin)),
        Err(fault) => Err(ConfigError::new(vec![fault], text, origin)),
    }
}

fn read(text: &str, faults: &mut Vec<Fault>) -> Result<Understood, Fault> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Fault::new(Place::TOP, format_args!("larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    let Some(root) = yaml::read(text)? else {
        return Err(Fault::new(Place::TOP, "the file is empty").with_help("a configuration without anything is: {}"));
    };
    let fields = Fields::of(&root, root.place, "a configuration")?;
    fields.refuse_others(KEYS.into_iter(), faults);

    let mut understood = Understood::default();
    let access = fields.find(access::KEY).and_then(|entry| access::read(entry, faults));
    let modules = match fields.find("modules") {
        Some(section) => modules::read(section, access.as_ref(), faults, &mut understood.warnings),
        None => Modules::new(),
    };
    for entry in fields.iter() {
        agent::read(entry, &mut understood.plan.agent, faults);
    }
    let receive = fields.find(receive::KEY);
    understood.plan.receive = receive.and_then(|entry| receive::read(entry, faults));
    if let Some(section) = fields.find("checks") {
        let taken = Taken::of(receive, understood.plan.receive.as_deref());
        understood.plan.checks = checks::read(section, &modules, &taken, faults);
    }
    understood.warnings.extend(modules::refused(&modules, &understood.plan.checks));
    for (name, loaded) in modules {
        understood.module_texts.insert(Arc::clone(&name), loaded.text);
        understood.plan.modules.insert(name, loaded.module);
    }
    Ok(understood)
}

#[cfg(test)]
mod tests;
