//! Where a job's targets stand: in itself, or in files that it names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::fault::Fault;
use super::super::fields::{Fields, text_of};
use super::super::node::{Entry, Node, Value};
use super::super::source::Place;
use super::super::yaml;
use super::relabel::Labels;
use super::{Source, Work};

/// Most files with targets. Chosen: one for each machine of a large place.
const FILES_MAX: usize = 1000;
/// Most entries of a folder that are looked at for files with targets.
const FOLDER_ENTRIES_MAX: usize = 100_000;

/// A target as it stands, with its group's labels.
pub(super) struct Target {
    pub(super) source: Arc<Source>,
    pub(super) place: Place,
    pub(super) labels: Labels,
}

/// The targets of a job. What is not read is told.
pub(super) fn targets(job: &Fields<'_, '_>, source: &Arc<Source>, work: &mut Work) -> Vec<Target> {
    let mut targets = Vec::new();
    for entry in job.iter() {
        let read = match entry.key.as_ref() {
            "static_configs" => groups(&entry.value, entry.key_place, source, &Labels::new(), &mut targets, work),
            "file_sd_configs" => files(entry, source, &mut targets, work),
            other if other.ends_with("_sd_configs") => {
                Err(Fault::new(entry.key_place, format_args!("`{other}`: these targets are not known beforehand"))
                    .with_help("let the same source write files, and name them in file_sd_configs"))
            }
            _ => Ok(()),
        };
        if let Err(fault) = read {
            work.note(source, &fault);
        }
    }
    targets
}

/// A list of groups: targets and their labels.
fn groups(
    node: &Node<'_>,
    place: Place,
    source: &Arc<Source>,
    known: &Labels,
    targets: &mut Vec<Target>,
    work: &mut Work,
) -> Result<(), Fault> {
    let Value::List(items) = &node.value else {
        return if node.is_null() {
            Ok(())
        } else {
            Err(Fault::new(place, "this must be a list of groups of targets"))
        };
    };
    for group in items {
        let fields = Fields::of(group, group.place, "a group of targets")?;
        let mut labels = known.clone();
        if let Some(entry) = fields.find("labels") {
            for label in Fields::of(&entry.value, entry.key_place, "`labels`")?.iter() {
                labels.insert(label.key.to_string(), label.text()?.to_owned());
            }
        }
        let Some(entry) = fields.find("targets") else { continue };
        for item in entry.list()? {
            let Some(address) = text_of(item).filter(|address| !address.is_empty()) else {
                return Err(Fault::new(item.place, "a target must be a text"));
            };
            work.targets += 1;
            work.label_bytes +=
                address.len() + labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            if work.targets > super::TARGETS_MAX || work.label_bytes > super::LABEL_BYTES_MAX {
                return Err(Fault::new(item.place, "too many targets: from here on nothing is translated"));
            }
            let mut labels = labels.clone();
            labels.insert("__address__".to_owned(), address.to_owned());
            targets.push(Target { source: Arc::clone(source), place: item.place, labels });
        }
    }
    Ok(())
}

fn files(entry: &Entry<'_>, source: &Source, targets: &mut Vec<Target>, work: &mut Work) -> Result<(), Fault> {
    let mut left = FILES_MAX;
    for config in entry.list()? {
        let fields = Fields::of(config, config.place, "an entry of `file_sd_configs`")?;
        let Some(names) = fields.find("files") else { continue };
        for name in names.list()? {
            let written = text_of(name).unwrap_or_default();
            let found = matching(&source.path.parent().unwrap_or(Path::new("")).join(written));
            if found.is_empty() {
                work.note(source, &Fault::new(name.place, format_args!("there is no file {written:?}")));
            }
            for path in found {
                if left == 0 {
                    return Err(Fault::new(name.place, format_args!("more than {FILES_MAX} files of targets")));
                }
                left -= 1;
                let file = Source::read(&path)
                    .map_err(|why| Fault::new(name.place, format_args!("cannot read {}: {why}", path.display())))?;
                let known = Labels::from([("__meta_filepath".to_owned(), file.origin.clone())]);
                let file = Arc::new(file);
                let read = yaml::read(&file.text).and_then(|root| match root {
                    Some(root) => groups(&root, root.place, &file, &known, targets, work),
                    None => Ok(()),
                });
                if let Err(fault) = read {
                    work.note(&file, &fault);
                }
            }
        }
    }
    Ok(())
}

/// The files that a path means, the last part of which may hold one star.
fn matching(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((start, end)) = name.split_once('*') else {
        return if path.exists() { vec![path.to_owned()] } else { Vec::new() };
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_meant = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    let paths = entries.take(FOLDER_ENTRIES_MAX).filter_map(Result::ok).map(|entry| folder.join(entry.file_name()));
    let mut found: Vec<PathBuf> = paths.filter(is_meant).collect();
    found.sort();
    found
}
