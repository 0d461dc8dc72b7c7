//! An answer in the text format, read.

use std::collections::{BTreeMap, BTreeSet};

/// Types by metric, values by series as it is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exposition {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) series: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads text; nothing if this is not the text format, or if a series appears twice.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').ok_or_else(|| format!("no type in {line:?}"))?;
                read.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').ok_or_else(|| format!("no value in {line:?}"))?;
                let value = value.parse().map_err(|_| format!("no number in {line:?}"))?;
                if read.series.insert(series.to_owned(), value).is_some() {
                    return Err(format!("twice: {series}"));
                }
            }
        }
        Ok(read)
    }

    /// The value of a series.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// The first series of a metric.
    pub(crate) fn first_of(&self, name: &str) -> Option<(String, f64)> {
        let found = self.series.iter().find(|(series, _)| name_of(series) == name);
        found.map(|(series, value)| (series.clone(), *value))
    }

    /// The names of all metrics.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.series.keys().map(|series| name_of(series)).collect()
    }
}

/// The metric of a series.
pub(crate) fn name_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}
