//! A check with what is known of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tuermer_probes::{Verdict, hide_password};

use super::state::{State, View};
use crate::exposition::{RESERVED_LABELS, Taken, write_label};
use crate::plan::Check;

/// Labels that every sample of a check has, besides the operator's.
const OWN_LABELS: &[&str] = &["check", "module", "target"];

/// A check with what is known of it. Shared by the schedule, the pages and the scrape.
#[derive(Debug)]
pub struct Entry {
    check: Arc<Check>,
    /// `check="…",module="…",target="…"` and the operator's labels, sorted by name, escaped.
    labels: Box<[u8]>,
    /// `None` until the first run, so that a check that never ran costs little.
    state: Mutex<Option<Box<State>>>,
}

impl Entry {
    pub(super) fn new(check: Arc<Check>) -> Self {
        let labels = render_labels(&check).into_boxed_slice();
        Self { check, labels, state: Mutex::new(None) }
    }

    /// The entry of a check that a new plan has under the same identity.
    pub(super) fn succeeded_by(self: &Arc<Self>, check: &Arc<Check>) -> Arc<Self> {
        let new = Self::new(Arc::clone(check));
        let same_question = self.check.content == check.content;
        let same_rhythm = (self.check.interval, self.check.timeout) == (check.interval, check.timeout);
        if same_question && same_rhythm && self.labels == new.labels {
            return Arc::clone(self);
        }
        let mut state = self.state().clone();
        if let Some(state) = &mut state {
            if !same_question {
                state.forget_report();
            }
            if self.kind_name() != new.kind_name() {
                state.forget_kept();
            }
            let names: Vec<&str> = check.labels.iter().map(|(name, _)| &**name).collect();
            state.make_way_for(&names);
        }
        *new.state() = state;
        Arc::new(new)
    }

    /// The check.
    pub const fn check(&self) -> &Arc<Check> {
        &self.check
    }

    fn kind_name(&self) -> Option<&'static str> {
        self.check.module.module.as_ref().map(|module| module.kind().name)
    }

    /// The labels of every sample of the check, rendered.
    pub(crate) fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Label names that a report must leave alone.
    pub(super) fn taken(&self) -> Taken<'_> {
        Taken { own: OWN_LABELS, operator: &self.check.labels }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, Option<Box<State>>> {
        // Nothing that holds the lock can leave a half-made state behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of everything known of the check, for pages.
    pub fn view(&self) -> View {
        self.state().as_deref().map(State::view).unwrap_or_default()
    }

    /// What the last run said; `None` before the first.
    pub fn verdict(&self) -> Option<Verdict> {
        self.state().as_deref().and_then(State::verdict)
    }
}

fn render_labels(check: &Check) -> Vec<u8> {
    let operator = check.labels.iter().map(|(name, value)| (&**name, &**value));
    let mut labels: Vec<_> = operator.filter(|(name, _)| !RESERVED_LABELS.contains(name)).collect();
    let target = hide_password(check.target.text());
    labels.extend([("check", &*check.name), ("module", &*check.module.name), ("target", &*target)]);
    labels.sort_unstable();
    labels.dedup_by_key(|(name, _)| *name);
    let mut out = Vec::new();
    for (name, value) in labels {
        write_label(name, value, 0, &mut out);
    }
    out
}
