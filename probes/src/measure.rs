//! What can be read off a service: names, units and shapes of numbers.
//!
//! Knows nothing of how numbers are stored or printed.

use std::borrow::Cow;
use std::sync::Arc;

/// What a number counts. The last part of a measure's name says the same (`_seconds`, `_bytes`, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A plain number: a code, a count, a truth value (0 or 1).
    None,
    /// Seconds.
    Seconds,
    /// Seconds since 1970-01-01T00:00:00Z.
    Timestamp,
    /// Bytes.
    Bytes,
    /// Always 1; the labels are the message.
    Info,
}

/// How readings of one measure combine: the first two within one run, the others also over the runs of a check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The last reading stands.
    Level,
    /// Readings add up.
    Count,
    /// Readings are increments, which add up over all runs.
    Total,
    /// Every reading is an observation, counted over all runs in buckets with these upper bounds.
    Distribution(&'static [f64]),
    /// The last reading stands, until a later run reads it again.
    Lasting,
}

impl Shape {
    /// Whether readings mean something beyond their run.
    pub const fn is_over_runs(self) -> bool {
        matches!(self, Self::Total | Self::Distribution(_) | Self::Lasting)
    }

    /// Whether the readings of a single run mean nothing by themselves.
    pub const fn needs_runs(self) -> bool {
        matches!(self, Self::Total | Self::Distribution(_))
    }
}

/// A declared quantity. Always a `static`: readings refer to it by address.
#[derive(Debug)]
pub struct Measure {
    /// The full name, as users see it (`probe_http_status_code`).
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// What the number counts.
    pub unit: Unit,
    /// How readings combine.
    pub shape: Shape,
    /// Names of the labels, in the order in which [`crate::Recorder::read_with`] takes their values.
    pub labels: &'static [&'static str],
    /// True if blackbox_exporter has no such metric for this prober.
    pub extra: bool,
}

impl Measure {
    /// A number that stands until it is read again.
    pub const fn level(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, help, unit, shape: Shape::Level, labels: &[], extra: false }
    }

    /// A number whose readings within a run add up.
    pub const fn count(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, help, unit, shape: Shape::Count, labels: &[], extra: false }
    }

    /// A counter: readings are increments, which add up over the runs of a check. The name ends in `_total`. Without labels
    /// it is read as zero where a run begins, so that it is there before something happens.
    pub const fn total(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: Unit::None, shape: Shape::Total, labels: &[], extra: false }
    }

    /// A histogram over the runs of a check: every reading is one observation. `bounds` ascend.
    pub const fn distribution(name: &'static str, unit: Unit, bounds: &'static [f64], help: &'static str) -> Self {
        Self { name, help, unit, shape: Shape::Distribution(bounds), labels: &[], extra: false }
    }

    /// A number that stands until a later run reads it again, also if the runs in between did not.
    pub const fn lasting(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { name, help, unit, shape: Shape::Lasting, labels: &[], extra: false }
    }

    /// Names the labels.
    pub const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }

    /// Marks what blackbox_exporter does not have.
    pub const fn extra(mut self) -> Self {
        self.extra = true;
        self
    }
}

/// One label of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The label's name.
    pub name: Cow<'static, str>,
    /// The label's value: any text, also a hostile one.
    pub value: Box<str>,
}

/// One number of one measure.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What was read.
    pub measure: &'static Measure,
    /// Which leg of the run read it; `None` for runs of one leg.
    pub step: Option<Arc<str>>,
    /// The reading's own labels.
    pub labels: Vec<Label>,
    /// The number, in the measure's unit.
    pub value: f64,
}

impl Reading {
    /// Whether both are one series: the same measure, step and labels.
    pub fn is_same_series(&self, other: &Self) -> bool {
        std::ptr::eq(self.measure, other.measure) && self.step == other.step && self.labels == other.labels
    }
}
