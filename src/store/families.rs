//! Families under small numbers: a sample in the store names its family in two bytes.

use std::collections::HashMap;
use std::sync::Arc;

use tuermer_probes::{Measure, Shape, net};

use crate::exposition::{Family, phases_name};
use crate::plan::Check;

/// A family's number. Numbers are given once and never change.
pub(crate) type FamilyId = u16;

/// A family that reports export.
#[derive(Debug, Clone)]
pub(crate) struct FamilyHead {
    pub(crate) name: Arc<str>,
    pub(crate) help: &'static str,
    /// How its numbers combine over runs, and so what it is.
    pub(crate) shape: Shape,
}

/// Every family that any check may export. Two measures with one name are one family.
#[derive(Debug, Default)]
pub(crate) struct Families {
    heads: Vec<FamilyHead>,
    by_name: HashMap<Arc<str>, FamilyId>,
    /// By the address of a `static` measure.
    by_measure: HashMap<usize, FamilyId>,
}

impl Families {
    /// Knows beforehand whatever a check can export, so that recording has nothing to add.
    pub(super) fn learn(&mut self, check: &Check) {
        let Some(module) = &check.module.module else { return };
        let phases = phases_name(module.kind());
        for family in [Family::Duration, Family::FailureInfo, Family::Phases, Family::Success, Family::Timeout] {
            self.intern(family, &phases);
        }
        for measure in net::MEASURES.iter().copied().flatten().chain(module.kind().measures) {
            self.intern(Family::Measure(measure), &phases);
        }
    }

    /// The family's number, if it has one. `phases` is the name of the family that depends on the kind.
    pub(super) fn find(&self, family: Family, phases: &str) -> Option<FamilyId> {
        match family {
            Family::Measure(measure) => self.by_measure.get(&address(measure)).copied(),
            _ => self.by_name.get(family.name(phases)).copied(),
        }
    }

    /// The family's number, a new one if it has none yet.
    pub(super) fn intern(&mut self, family: Family, phases: &str) -> FamilyId {
        if let Some(id) = self.find(family, phases) {
            return id;
        }
        let name = family.name(phases);
        let id = self.by_name.get(name).copied().unwrap_or_else(|| {
            let id = FamilyId::try_from(self.heads.len()).expect("fewer than 65536 measures are compiled in");
            let name: Arc<str> = name.into();
            self.heads.push(FamilyHead { name: Arc::clone(&name), help: family.help(), shape: family.shape() });
            self.by_name.insert(name, id);
            id
        });
        if let Family::Measure(measure) = family {
            self.by_measure.insert(address(measure), id);
        }
        id
    }

    /// Every family by number.
    pub(super) fn heads(&self) -> &[FamilyHead] {
        &self.heads
    }
}

fn address(measure: &'static Measure) -> usize {
    std::ptr::from_ref(measure).addr()
}
