//! `relabel_configs` as Prometheus applies them.

use std::collections::BTreeMap;

use tuermer_probes::{Groups, Pattern};

use super::super::fault::Fault;
use super::super::fields::{Fields, text_of};
use super::super::node::{Entry, Node};
use super::super::source::Place;
use super::Work;

/// Most rules of a job. Chosen: a hundred times what jobs have.
const RULES_MAX: usize = 1000;
/// Most labels of a target. Chosen: ten times what targets have.
const LABELS_MAX: usize = 256;
/// Longest value of a label. Chosen: the longest target.
const VALUE_BYTES_MAX: usize = 8 * 1024;

const KEYS: [&str; 7] = ["source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"];
const ACTIONS: [&str; 10] = [
    "replace",
    "keep",
    "drop",
    "keepequal",
    "dropequal",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
];

/// A target's labels.
pub(super) type Labels = BTreeMap<String, String>;

/// One rule.
pub(super) struct Rule {
    sources: Vec<String>,
    separator: String,
    regex: Pattern,
    target: String,
    replacement: String,
    action: &'static str,
    place: Place,
}

/// The rules of a job. Any of them that is not understood spoils all.
pub(super) fn read(entry: &Entry<'_>) -> Result<Vec<Rule>, Fault> {
    let items = entry.list()?;
    if items.len() > RULES_MAX {
        return Err(Fault::new(entry.key_place, format_args!("more than {RULES_MAX} rules")));
    }
    items.iter().map(Rule::read).collect()
}

impl Rule {
    fn read(node: &Node<'_>) -> Result<Self, Fault> {
        let fields = Fields::of(node, node.place, "a rule")?;
        let mut faults = Vec::new();
        fields.refuse_others(KEYS.into_iter(), &mut faults);
        if let Some(fault) = faults.into_iter().next() {
            return Err(fault);
        }
        let text = |key: &str, default: &str| match fields.find(key) {
            Some(entry) => entry.text().map(str::to_owned),
            None => Ok(default.to_owned()),
        };
        let action = text("action", "replace")?.to_ascii_lowercase();
        let place = fields.find("action").map_or(node.place, Entry::place);
        let action = ACTIONS.into_iter().find(|known| *known == action).ok_or_else(|| {
            Fault::new(place, format_args!("relabelling action `{action}`"))
                .with_help("no part of this job is translated")
        })?;
        let regex = text("regex", "(.*)")?;
        let regex = Pattern::new(&format!("^(?s:{regex})$"))
            .map_err(|error| Fault::new(fields.find("regex").map_or(node.place, Entry::place), error))?;
        let sources = match fields.find("source_labels") {
            Some(entry) => entry.list()?.iter().map(|item| text_of(item).unwrap_or_default().to_owned()).collect(),
            None => Vec::new(),
        };
        Ok(Self {
            sources,
            separator: text("separator", ";")?,
            regex,
            target: text("target_label", "")?,
            replacement: text("replacement", "$1")?,
            action,
            place: node.place,
        })
    }

    /// Whether it may write this label.
    pub(super) fn writes(&self, label: &str) -> bool {
        self.target == label || self.target.contains('$') || self.action == "labelmap"
    }

    /// Applies the rule; false if the target is dropped.
    fn apply(&self, labels: &mut Labels) -> Result<bool, Fault> {
        let joined = || {
            let values = self.sources.iter().map(|name| labels.get(name).map_or("", String::as_str));
            values.collect::<Vec<_>>().join(&self.separator)
        };
        let matches = |text: &str| self.regex.is_match(text.as_bytes());
        let equal = || joined() == labels.get(&self.target).map_or("", String::as_str);
        match self.action {
            "keep" => return Ok(matches(&joined())),
            "drop" => return Ok(!matches(&joined())),
            "keepequal" => return Ok(equal()),
            "dropequal" => return Ok(!equal()),
            "labeldrop" => labels.retain(|name, _| !matches(name)),
            "labelkeep" => labels.retain(|name, _| matches(name)),
            "lowercase" => self.set(labels, self.target.clone(), joined().to_lowercase())?,
            "uppercase" => self.set(labels, self.target.clone(), joined().to_uppercase())?,
            "labelmap" => {
                for (name, value) in labels.clone() {
                    if let Some(groups) = self.regex.captures(name.as_bytes()) {
                        self.set(labels, self.expand(&self.replacement, &groups)?, value)?;
                    }
                }
            }
            _ => {
                let value = joined();
                if let Some(groups) = self.regex.captures(value.as_bytes()) {
                    let name = self.expand(&self.target, &groups)?;
                    let value = self.expand(&self.replacement, &groups)?;
                    self.set(labels, name, value)?;
                }
            }
        }
        Ok(true)
    }

    /// Sets a label; an empty value is no label.
    fn set(&self, labels: &mut Labels, name: String, value: String) -> Result<(), Fault> {
        if value.is_empty() {
            labels.remove(&name);
        } else if !name.is_empty() {
            labels.insert(name, value);
        }
        if labels.len() > LABELS_MAX {
            return Err(Fault::new(self.place, format_args!("more than {LABELS_MAX} labels")));
        }
        Ok(())
    }

    /// A template with the groups of a match in it (Go's `Regexp.Expand`).
    fn expand(&self, template: &str, groups: &Groups<'_>) -> Result<String, Fault> {
        let mut out = String::new();
        let mut rest = template;
        while let Some(dollar) = rest.find('$') {
            out.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
                continue;
            }
            let (name, after) = match rest.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
                Some(braced) => braced,
                None => rest.split_at(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())),
            };
            if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                out.push('$');
                continue;
            }
            rest = after;
            let group = match name.parse() {
                Ok(number) => groups.get(number),
                Err(_) => self.regex.groups_named(name).find_map(|number| groups.get(number)),
            };
            out.push_str(&String::from_utf8_lossy(group.unwrap_or_default()));
            if out.len() > VALUE_BYTES_MAX {
                break;
            }
        }
        out.push_str(rest);
        if out.len() > VALUE_BYTES_MAX {
            let message = format_args!("this makes a label longer than {VALUE_BYTES_MAX} bytes");
            return Err(Fault::new(self.place, message));
        }
        Ok(out)
    }
}

/// Applies all rules; false if the target is dropped.
pub(super) fn apply(rules: &[Rule], labels: &mut Labels, work: &mut Work) -> Result<bool, Fault> {
    for rule in rules {
        work.rule_runs += 1;
        if work.rule_runs > super::RULE_RUNS_MAX {
            return Err(Fault::new(rule.place, "too much to relabel: from here on nothing is translated"));
        }
        if !rule.apply(labels)? {
            return Ok(false);
        }
    }
    Ok(true)
}
