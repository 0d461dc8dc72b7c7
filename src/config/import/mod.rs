//! Prometheus' scrape configuration, as far as it has blackbox_exporter asked, written as `checks:`.
//!
//! The jobs' targets are found and relabelled as Prometheus does it, and what would be asked for them in the end becomes
//! checks. Whatever cannot be said that way is told with file, line and column, never left out silently.

mod discovery;
mod jobs;
mod relabel;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::fault::{ConfigError, Fault};
use super::{Loaded, read_file, yaml};

/// Most targets. Chosen: more than one agent asks.
const TARGETS_MAX: usize = 500_000;
/// Most applications of relabelling rules. Chosen: forty rules for each of so many targets.
const RULE_RUNS_MAX: usize = 20_000_000;
/// Most bytes of labels, of all targets. Chosen: half a KiB for each of so many targets.
const LABEL_BYTES_MAX: usize = 256 << 20;
/// Most notes that are shown. Chosen: a few screens.
const NOTES_SHOWN_MAX: usize = 100;

/// What became of a scrape configuration.
#[derive(Debug, Clone)]
pub struct Imported {
    /// A configuration: the checks, after the modules if they were given.
    pub text: String,
    /// What could not be translated, and where it stands.
    pub notes: Vec<String>,
    /// How much was translated, in a line.
    pub summary: String,
}

/// Translates a scrape configuration. With the modules that its jobs name, targets are tried and the result is a whole file.
pub fn import(path: &Path, modules: Option<&Loaded>) -> Result<Imported, ConfigError> {
    let source = Arc::new(Source::read(path).map_err(|why| ConfigError::unreadable(path, why))?);
    let mut work = Work::default();
    let (wanted, others) = {
        let refused = |fault| ConfigError::new(vec![fault], &source.text, &source.origin);
        let root = yaml::read(&source.text).map_err(refused)?;
        let root = root.ok_or_else(|| refused(Fault::new(super::source::Place::TOP, "the file is empty")))?;
        jobs::read(&root, &source, &mut work).map_err(refused)?
    };
    let checks = write::group(wanted, modules, &mut work);
    let names: BTreeSet<&str> = checks.iter().map(|check| check.module.as_str()).collect();
    let targets: usize = checks.iter().map(|check| check.targets.len()).sum();
    let mut text = String::new();
    if let Some(loaded) = modules {
        text.push_str(loaded.text.trim_end());
        text.push_str("\n\n");
    }
    write::write(&mut text, &source.origin, &checks, modules.is_some());
    if let Some(loaded) = modules {
        let plan = super::parse(&text, "the result")?;
        if plan.checks.len() != targets || plan.modules.len() != loaded.plan.modules.len() {
            let why = "nothing can be added below its modules: they must be all there is in the file, in block style";
            return Err(ConfigError::unusable(why));
        }
    }
    let mut summary = format!(
        "{}: {} with {} and {}",
        source.origin,
        counted(checks.len(), "check"),
        counted(targets, "target"),
        counted(names.len(), "module"),
    );
    if others > 0 {
        summary.push_str(&format!("; {} left alone: they do not ask blackbox_exporter", counted(others, "job")));
    }
    let more = work.notes.len().saturating_sub(NOTES_SHOWN_MAX);
    let mut notes = work.notes;
    notes.truncate(NOTES_SHOWN_MAX);
    if more + work.notes_dropped > 0 {
        notes.push(format!("and {} more\n", more + work.notes_dropped));
    }
    Ok(Imported { text, notes, summary })
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A file whose places are pointed at.
struct Source {
    path: PathBuf,
    origin: String,
    text: String,
}

impl Source {
    fn read(path: &Path) -> Result<Self, String> {
        // A pipe would be waited for.
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Err("it is no file".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        let text = read_file(path).map_err(|error| error.to_string())?;
        Ok(Self { path: path.to_owned(), origin: path.display().to_string(), text })
    }
}

/// What was done and said so far.
#[derive(Default)]
struct Work {
    targets: usize,
    rule_runs: usize,
    label_bytes: usize,
    notes: Vec<String>,
    notes_dropped: usize,
}

impl Work {
    /// Tells what could not be translated. What is told once is not told again.
    fn note(&mut self, source: &Source, fault: &Fault) {
        if self.notes.len() > NOTES_SHOWN_MAX {
            self.notes_dropped += 1;
            return;
        }
        let note = fault.written("not translated", &source.text, &source.origin);
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// What is asked with one module, at one rhythm, under one set of labels.
struct Group {
    job: String,
    module: String,
    labels: Vec<(String, String)>,
    interval: Duration,
    /// `None`: the module's.
    timeout: Option<Duration>,
    exporter: String,
    targets: Vec<String>,
}

#[cfg(test)]
mod tests;
