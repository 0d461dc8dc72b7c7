//! A run on demand with everything that it read, whatever its verdict: also where `/probe` has no metrics to show.

use crate::daemon::tuermer::Tuermer;

/// What one run said.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Every series with its value, as it is written; without lengths of time.
    lines: Vec<String>,
}

impl Asked {
    pub(crate) async fn of(tuermer: &Tuermer, module: &str, target: &str) -> Self {
        let path = format!("/probe?debug=true&module={module}&target={target}");
        let (status, page) = tuermer.get(&path).await;
        assert_eq!(status, 200, "{page}");
        let (_, page) = page.split_once("\nMetrics that would have been returned:\n").expect("metrics");
        let (page, _) = page.split_once("\n\nModule configuration:\n").expect("a module");
        let lines = page.lines().filter(|line| {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            !name.is_empty() && name != "#" && !name.ends_with("_duration_seconds")
        });
        Self { lines: lines.map(str::to_owned).collect() }
    }

    /// The series whose names begin so, without the beginning.
    pub(crate) fn beginning(&self, prefix: &str) -> Vec<&str> {
        self.lines.iter().filter_map(|line| line.strip_prefix(prefix)).collect()
    }

    /// `up`, `down` or `unknown`, and the labels that say why.
    pub(crate) fn verdict(&self) -> String {
        let verdict = match self.beginning("probe_success ")[..] {
            ["1"] => "up",
            ["0"] => "down",
            [] => "unknown",
            _ => panic!("{self:?}"),
        };
        let failure = match self.beginning("probe_failure_info")[..] {
            [] => "",
            [info] => info.strip_suffix(" 1").expect("one"),
            _ => panic!("{self:?}"),
        };
        format!("{verdict}{failure}")
    }
}
