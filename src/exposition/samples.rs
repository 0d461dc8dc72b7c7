//! A report as samples: which families it has, with which labels and values. Knows measures, never kinds by name.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use tuermer_probes::{Kind, Lap, Measure, Phase, Reading, Report, Shape, Verdict};

use super::number::seconds;
use super::text::write_label;
use crate::plan::ProbeMetrics;

/// Most labels of one sample. Chosen: three times what a kind declares; operators name labels too.
const LABELS_MAX: usize = 16;
/// Nanoseconds in a second: lengths are added up as whole nanoseconds, so that sums have no rounding noise.
const NANOS: f64 = 1e9;

/// What a sample is a sample of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Family {
    Duration,
    FailureInfo,
    /// Time per phase; the name contains the kind's.
    Phases,
    Success,
    Timeout,
    Measure(&'static Measure),
}

impl Family {
    /// The family's name. `phases` is the name of the one that depends on the kind.
    pub(crate) const fn name<'a>(&self, phases: &'a str) -> &'a str {
        match self {
            Self::Duration => "probe_duration_seconds",
            Self::FailureInfo => "probe_failure_info",
            Self::Phases => phases,
            Self::Success => "probe_success",
            Self::Timeout => "probe_timeout_seconds",
            Self::Measure(measure) => measure.name,
        }
    }

    pub(crate) const fn help(&self) -> &'static str {
        match self {
            Self::Duration => "How long the probe took to complete, in seconds.",
            Self::FailureInfo => "Why the probe did not pass, and in which phase.",
            Self::Phases => "Time spent in each phase of the probe, in seconds.",
            Self::Success => "Whether the probe passed. Absent if the agent could not ask.",
            Self::Timeout => "How long the probe was allowed to take, in seconds.",
            Self::Measure(measure) => measure.help,
        }
    }

    /// How its numbers combine over runs.
    pub(crate) const fn shape(&self) -> Shape {
        match self {
            Self::Duration | Self::FailureInfo | Self::Phases | Self::Success | Self::Timeout => Shape::Level,
            Self::Measure(measure) => measure.shape,
        }
    }
}

/// The name of the family of a kind's phases.
pub(crate) fn phases_name(kind: &Kind) -> String {
    format!("probe_{}_duration_seconds", kind.name)
}

/// One number with its labels, which are a stretch of [`Samples::text`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) family: Family,
    pub(crate) value: f64,
    start: u32,
    end: u32,
}

/// Everything a report says in numbers: sorted by family and labels, no series twice.
#[derive(Debug)]
pub(crate) struct Samples<'a> {
    pub(crate) list: Vec<Sample>,
    text: Vec<u8>,
    phases: &'a str,
}

/// Label names that a report's own labels must not repeat, because they are on every sample of the check.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken<'a> {
    pub(crate) own: &'a [&'a str],
    pub(crate) operator: &'a [(Arc<str>, Arc<str>)],
}

impl Taken<'_> {
    fn contains(&self, name: &str) -> bool {
        self.own.contains(&name) || self.operator.iter().any(|(taken, _)| **taken == *name)
    }
}

impl<'a> Samples<'a> {
    /// The samples of a report for itself. `phases` is the name of the family of phases.
    pub(crate) fn of(report: &Report, kind: &Kind, phases: &'a str, what: ProbeMetrics, taken: Taken<'_>) -> Self {
        let samples = Self { list: Vec::with_capacity(report.readings.len() + 16), text: Vec::new(), phases };
        let mut builder = Builder { samples, labels: Labels { taken, pairs: Vec::new() } };
        builder.run(report, what);
        builder.phases(report, kind, what);
        for reading in &report.readings {
            let is_shown = what == ProbeMetrics::All || !reading.measure.extra;
            if is_shown && !reading.measure.shape.needs_runs() {
                builder.reading(reading);
            }
        }
        let mut samples = builder.samples;
        samples.fold();
        samples
    }

    /// What a report adds to the runs before it, in the order in which it was read; a series may occur several times.
    pub(crate) fn over_runs(report: &Report, taken: Taken<'_>) -> Self {
        let samples = Self { list: Vec::new(), text: Vec::new(), phases: "" };
        let mut builder = Builder { samples, labels: Labels { taken, pairs: Vec::new() } };
        report.readings.iter().filter(|reading| reading.measure.shape.is_over_runs()).for_each(|reading| {
            builder.reading(reading);
        });
        builder.samples
    }

    /// The labels of a sample, rendered, without braces.
    pub(crate) fn labels(&self, sample: &Sample) -> &[u8] {
        &self.text[sample.start as usize..sample.end as usize]
    }

    /// The family name of a sample.
    pub(crate) fn name(&self, sample: &Sample) -> &'a str {
        sample.family.name(self.phases)
    }

    /// Sorts, adds up the laps of one phase, and leaves one sample of each series.
    fn fold(&mut self) {
        let Self { list, text, phases } = self;
        let labels = |sample: &Sample| &text[sample.start as usize..sample.end as usize];
        let order = |a: &Sample, b: &Sample| -> Ordering {
            a.family.name(phases).cmp(b.family.name(phases)).then_with(|| labels(a).cmp(labels(b)))
        };
        list.sort_unstable_by(order);
        list.dedup_by(|next, kept| {
            let same = order(next, kept).is_eq();
            if same && matches!(kept.family, Family::Phases) {
                kept.value += next.value;
            }
            same
        });
        for sample in list.iter_mut().filter(|sample| matches!(sample.family, Family::Phases)) {
            sample.value /= NANOS;
        }
    }
}

struct Builder<'a, 'r> {
    samples: Samples<'a>,
    labels: Labels<'r>,
}

impl<'r> Builder<'_, 'r> {
    /// What every report has.
    fn run(&mut self, report: &'r Report, what: ProbeMetrics) {
        self.push(Family::Duration, seconds(report.duration));
        self.push(Family::Timeout, seconds(report.timeout));
        match report.verdict() {
            Verdict::Up => self.push(Family::Success, 1.0),
            Verdict::Down => self.push(Family::Success, 0.0),
            Verdict::Unknown => {}
        }
        if let (ProbeMetrics::All, Some(failure)) = (what, report.failure()) {
            let (step, phase) = match report.failed_at() {
                Some((step, phase)) => (step, Some(phase.name())),
                None => (None, None),
            };
            self.labels.add("reason", failure.reason().name());
            self.labels.add_some("phase", phase);
            self.labels.add_some("step", step);
            self.push(Family::FailureInfo, 1.0);
        }
    }

    /// Lengths in nanoseconds; [`Samples::fold`] adds them up.
    fn phases(&mut self, report: &'r Report, kind: &Kind, what: ProbeMetrics) {
        if what == ProbeMetrics::Blackbox && kind.phases_extra {
            return;
        }
        for (index, lap) in report.laps.iter().enumerate() {
            let phase = as_shown(lap.phase, kind, what);
            if let Some(name) = name_of(phase, lap.cut, what) {
                let is_whole = !lap.cut && !is_taken_back(&report.laps[index + 1..], kind, what);
                let length = if phase.is_whole_only() && !is_whole { Duration::ZERO } else { lap.length };
                self.phase(lap.step.as_deref(), name, length);
            }
        }
        for phase in &report.declared {
            if let Some(name) = name_of(as_shown(*phase, kind, what), false, what)
                && !report.laps.iter().any(|lap| lap.phase.name() == phase.name())
            {
                self.phase(None, name, Duration::ZERO);
            }
        }
    }

    fn phase(&mut self, step: Option<&'r str>, phase: &'static str, length: Duration) {
        self.labels.add("phase", phase);
        self.labels.add_some("step", step);
        self.push(Family::Phases, length.as_nanos() as f64);
    }

    fn reading(&mut self, reading: &'r Reading) {
        for label in &reading.labels {
            self.labels.add(&label.name, &label.value);
        }
        self.labels.add_some("step", reading.step.as_deref());
        self.push(Family::Measure(reading.measure), reading.value);
    }

    /// A sample with the labels added since the last.
    fn push(&mut self, family: Family, value: f64) {
        let text = &mut self.samples.text;
        let start = offset(text.len());
        self.labels.write(text);
        let end = offset(text.len());
        self.samples.list.push(Sample { family, value, start, end });
    }
}

/// What blackbox_exporter makes of a phase is the kind's to say, also for those that every kind goes through.
fn as_shown(phase: Phase, kind: &Kind, what: ProbeMetrics) -> Phase {
    let is_it = |own: &&Phase| own.name() == phase.name();
    match what {
        ProbeMetrics::Blackbox => kind.phases.iter().find(is_it).copied().unwrap_or(phase),
        ProbeMetrics::All => phase,
    }
}

/// Whether the laps that follow one take it back: the first that is shown does, or one on the way to it.
fn is_taken_back(following: &[Lap], kind: &Kind, what: ProbeMetrics) -> bool {
    let is_last = |lap: &&Lap| lap.cut || name_of(as_shown(lap.phase, kind, what), false, what).is_some();
    let next = following.iter().find(is_last).filter(|lap| lap.cut && what == ProbeMetrics::Blackbox);
    next.is_some_and(|lap| as_shown(lap.phase, kind, what).is_taking_back())
}

/// The name a lap of a phase is shown under, if it is.
const fn name_of(phase: Phase, cut: bool, what: ProbeMetrics) -> Option<&'static str> {
    match what {
        ProbeMetrics::Blackbox => phase.shown(cut),
        ProbeMetrics::All => Some(phase.name()),
    }
}

fn offset(length: usize) -> u32 {
    u32::try_from(length).expect("readings and labels are limited to far less than 4 GiB")
}

/// The labels of one sample, sorted by name, no name twice.
struct Labels<'r> {
    taken: Taken<'r>,
    pairs: Vec<(Cow<'r, str>, &'r str)>,
}

impl<'r> Labels<'r> {
    /// Adds a label. As in Prometheus, a name that the check's own labels have is shown with `exported_` before it.
    fn add(&mut self, name: &'r str, value: &'r str) {
        let mut name = valid_name(name);
        while self.taken.contains(&name) {
            name = Cow::Owned(format!("exported_{name}"));
        }
        if let Err(at) = self.pairs.binary_search_by(|(known, _)| (**known).cmp(&name))
            && self.pairs.len() < LABELS_MAX
        {
            self.pairs.insert(at, (name, value));
        }
    }

    fn add_some(&mut self, name: &'static str, value: Option<&'r str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        for (name, value) in self.pairs.drain(..) {
            write_label(&name, value, start, out);
        }
    }
}

/// A label's name; one that cannot stand in the text gets an underscore in front and one for every wrong character.
fn valid_name(name: &str) -> Cow<'_, str> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(valid) {
        return Cow::Borrowed(name);
    }
    let replaced = name.chars().map(|c| if valid(c) { c } else { '_' });
    Cow::Owned(std::iter::once('_').chain(replaced).collect())
}
