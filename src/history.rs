//! The last probes on demand, for `/logs` and the front page: the latest, and failures that the latest pushed out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tuermer_probes::{Kind, Report, Target, Verdict};

use crate::plan::{NamedModule, ProbeMetrics};

/// Most bytes of one remembered probe. Chosen: a long dialogue and all of a certificate's names.
const ENTRY_BYTES_MAX: usize = 32 * 1024;
/// Most bytes of all. Chosen: the default of twice a hundred always fits, and no limit that is set can exhaust the memory.
const BYTES_MAX: usize = 8 << 20;

/// A probe that was made on demand.
#[derive(Debug)]
pub struct Asked {
    /// The module.
    pub module: Arc<NamedModule>,
    /// The module's kind.
    pub kind: &'static Kind,
    /// The module as it is written, without secrets.
    pub module_text: Arc<str>,
    /// The target and the name that it was asked for.
    pub target: Target,
    /// What `/probe` shows of the report.
    pub shown: ProbeMetrics,
    /// What happened.
    pub report: Report,
}

impl Asked {
    fn is_success(&self) -> bool {
        self.report.verdict() == Verdict::Up
    }

    fn bytes(&self) -> usize {
        // The text of a module is shared, until the configuration changes.
        let texts = self.module_text.len() + self.target.text().len() + self.target.hostname().map_or(0, str::len);
        size_of::<Self>() + self.report.bytes() + texts
    }
}

/// A probe under the number by which it can be asked for.
#[derive(Debug, Clone)]
pub struct Past {
    /// Counted from 0 since the start.
    pub id: u64,
    /// The probe.
    pub asked: Arc<Asked>,
}

/// The last probes on demand.
#[derive(Debug)]
pub struct History {
    /// How many are kept, and as many failures.
    limit: usize,
    rings: Mutex<Rings>,
}

#[derive(Debug, Default)]
struct Rings {
    next: u64,
    latest: VecDeque<Past>,
    /// Failures that fell out of the latest.
    failures: VecDeque<Past>,
    bytes: usize,
}

impl History {
    /// Room for so many probes, and as many failures.
    pub fn new(limit: usize) -> Self {
        Self { limit, rings: Mutex::default() }
    }

    /// Keeps a probe.
    pub fn push(&self, mut asked: Asked) {
        if self.limit == 0 {
            return;
        }
        asked.report.shorten(ENTRY_BYTES_MAX);
        let asked = Arc::new(asked);
        let mut rings = self.rings();
        let id = rings.next;
        rings.next += 1;
        rings.bytes += asked.bytes();
        rings.latest.push_back(Past { id, asked });
        rings.shrink(self.limit);
    }

    /// All that are kept: failures that fell out of the latest, then the latest; each from the oldest to the newest.
    pub fn all(&self) -> Vec<Past> {
        let rings = self.rings();
        rings.all().cloned().collect()
    }

    /// The probe with this number.
    pub fn find(&self, id: u64) -> Option<Past> {
        let rings = self.rings();
        rings.all().find(|past| past.id == id).cloned()
    }

    /// The first of [`Self::all`] with this target, and this module if one is given: the oldest, as in blackbox_exporter.
    pub fn find_target(&self, target: &str, module: Option<&str>) -> Option<Past> {
        let rings = self.rings();
        let is_it = |past: &&Past| {
            past.asked.target.text() == target && module.is_none_or(|module| *past.asked.module.name == *module)
        };
        rings.all().find(is_it).cloned()
    }

    fn rings(&self) -> std::sync::MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rings {
    fn all(&self) -> impl Iterator<Item = &Past> {
        self.failures.iter().chain(&self.latest)
    }

    fn shrink(&mut self, limit: usize) {
        while self.latest.len() > limit
            && let Some(oldest) = self.latest.pop_front()
        {
            if oldest.asked.is_success() {
                self.bytes -= oldest.asked.bytes();
            } else {
                self.failures.push_back(oldest);
            }
        }
        while self.failures.len() > limit || self.bytes > BYTES_MAX {
            let Some(oldest) = self.failures.pop_front().or_else(|| self.latest.pop_front()) else { return };
            self.bytes -= oldest.asked.bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{FAKE, failed, report};
    use tuermer_probes::{Outcome, Reason};

    fn asked(module: &str, target: &str, outcome: Outcome) -> Asked {
        Asked {
            module: Arc::new(NamedModule {
                name: module.into(),
                module: None,
                timeout: None,
                access: crate::plan::Access::Open,
            }),
            kind: &FAKE,
            module_text: "".into(),
            target: Target::new(target),
            shown: ProbeMetrics::Blackbox,
            report: report(0, outcome),
        }
    }

    fn ids(history: &History) -> Vec<u64> {
        history.all().iter().map(|past| past.id).collect()
    }

    fn push(history: &History, number: usize, outcome: &Outcome) {
        for _ in 0..number {
            history.push(asked("m", "t", outcome.clone()));
        }
    }

    #[test]
    fn the_latest_are_kept_and_numbers_count_on() {
        let history = History::new(3);
        push(&history, 4, &Outcome::Pass);
        assert_eq!(ids(&history), [1, 2, 3]);
        assert_eq!((history.find(0).is_none(), history.find(3).map(|past| past.id)), (true, Some(3)));
    }

    #[test]
    fn failures_that_fall_out_are_kept_as_long_as_there_is_room() {
        let history = History::new(3);
        push(&history, 3, &Outcome::Pass);
        push(&history, 6, &failed(Reason::Timeout));
        assert_eq!(ids(&history), [3, 4, 5, 6, 7, 8]);
        push(&history, 3, &Outcome::Pass);
        assert_eq!(ids(&history), [6, 7, 8, 9, 10, 11]);
    }

    #[test]
    fn a_target_is_found_from_the_oldest_failures_first() {
        let history = History::new(2);
        for (module, target, outcome) in [
            ("a", "x", Outcome::Pass),
            ("b", "x", failed(Reason::Timeout)),
            ("a", "x", Outcome::Pass),
            ("b", "y", Outcome::Pass),
        ] {
            history.push(asked(module, target, outcome));
        }
        let found = |target, module| history.find_target(target, module).map(|past| past.id);
        assert_eq!(found("x", None), Some(1));
        assert_eq!((found("x", Some("a")), found("y", Some("a")), found("z", None)), (Some(2), None, None));
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        let history = History::new(0);
        push(&history, 2, &Outcome::Pass);
        assert_eq!(ids(&history), [0; 0]);
    }

    #[test]
    fn no_limit_exhausts_the_memory() {
        let history = History::new(usize::MAX);
        let target = "x".repeat(8000);
        for _ in 0..3000 {
            history.push(asked("m", &target, failed(Reason::Timeout)));
        }
        let kept = ids(&history);
        assert!(kept.len() > 500 && kept.len() * 8000 <= BYTES_MAX, "{}", kept.len());
        assert_eq!(kept.last(), Some(&2999));
    }
}
