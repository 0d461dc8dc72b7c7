//! Families and samples of the scheduled checks, line by line.

use super::super::Format;
use super::super::number::{write_count, write_number};
use super::super::text::{FamilyType, write_bound_label, write_head, write_labels};
use super::snapshot::{Ran, Sample, Snapshot};
use crate::store::{BOUNDS, Histogram};

/// What is being written.
pub(super) struct Page<'o> {
    pub(super) format: Format,
    pub(super) out: &'o mut Vec<u8>,
    /// From this length on, the text is handed to `spill`, which empties it.
    pub(super) spill_bytes: usize,
    pub(super) spill: &'o mut dyn FnMut(&mut Vec<u8>),
}

impl Page<'_> {
    fn head(&mut self, family: FamilyType, name: &str, help: &str) {
        write_head(family, name, help, self.format, self.out);
    }

    /// Name and labels of a sample; the value follows.
    fn begin(&mut self, name: &str, suffix: &str, labels: &[u8], more: &[u8]) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        write_labels(labels, more, self.out);
    }

    fn number(&mut self, value: f64) {
        write_number(value, self.out);
        self.end_line();
    }

    fn count(&mut self, value: u64) {
        write_count(value, self.out);
        self.end_line();
    }

    fn end_line(&mut self) {
        self.out.push(b'\n');
        if self.out.len() >= self.spill_bytes {
            (self.spill)(self.out);
        }
    }

    pub(super) fn gauges(&mut self, name: &str, help: &str, samples: &[Sample<'_>], ran: &[Ran<'_>]) {
        self.numbers(FamilyType::Gauge, name, help, samples, ran);
    }

    pub(super) fn counters(&mut self, name: &str, help: &str, samples: &[Sample<'_>], ran: &[Ran<'_>]) {
        self.numbers(FamilyType::Counter, name, help, samples, ran);
    }

    fn numbers(&mut self, family: FamilyType, name: &str, help: &str, samples: &[Sample<'_>], ran: &[Ran<'_>]) {
        if samples.is_empty() {
            return;
        }
        self.head(family, name, help);
        for sample in samples {
            self.begin(name, "", ran[sample.ran as usize].labels, sample.labels);
            self.number(sample.value);
        }
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        help: &str,
        bounds: &[f64],
        samples: &[Sample<'_>],
        ran: &[Ran<'_>],
    ) {
        if samples.is_empty() {
            return;
        }
        let les = bound_labels(bounds.iter().copied(), self.format);
        self.head(FamilyType::Histogram, name, help);
        let mut labels = Vec::new();
        for sample in samples {
            let ran = &ran[sample.ran as usize];
            let buckets = ran.kept.as_ref().map_or(&[][..], |kept| kept.buckets(sample.buckets, bounds.len()));
            labels.clear();
            labels.extend_from_slice(ran.labels);
            if !sample.labels.is_empty() {
                labels.push(b',');
                labels.extend_from_slice(sample.labels);
            }
            let mut count = 0;
            for (le, bucket) in les.iter().zip(buckets) {
                count += u64::from(*bucket);
                self.begin(name, "_bucket", &labels, le);
                self.count(count);
            }
            self.begin(name, "_sum", &labels, b"");
            self.number(sample.value);
            self.begin(name, "_count", &labels, b"");
            self.count(count);
        }
    }

    /// One gauge for each check that has a value.
    pub(super) fn values(&mut self, name: &str, help: &str, ran: &[Ran<'_>], value: impl Fn(&Ran<'_>) -> Option<f64>) {
        let mut values = ran.iter().filter_map(|ran| Some((ran, value(ran)?))).peekable();
        if values.peek().is_some() {
            self.head(FamilyType::Gauge, name, help);
        }
        for (ran, value) in values {
            self.begin(name, "", ran.labels, b"");
            self.number(value);
        }
    }

    pub(super) fn runs(&mut self, name: &str, ran: &[Ran<'_>]) {
        if ran.is_empty() {
            return;
        }
        self.head(FamilyType::Counter, name, "Runs since the agent began, by what they said of the service.");
        for ran in ran {
            for (outcome, count) in [
                (br#"outcome="down""#.as_slice(), ran.runs.down),
                (br#"outcome="unknown""#, ran.runs.unknown),
                (br#"outcome="up""#, ran.runs.up),
            ] {
                self.begin(name, "", ran.labels, outcome);
                self.count(count.into());
            }
        }
    }

    pub(super) fn failures(&mut self, name: &str, snapshot: &Snapshot<'_>) {
        if snapshot.failures.is_empty() {
            return;
        }
        self.head(FamilyType::Counter, name, "Runs since the agent began that did not pass, by reason.");
        for (ran, reason, count) in &snapshot.failures {
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b'{');
            self.out.extend_from_slice(snapshot.ran[*ran].labels);
            self.out.extend_from_slice(b",reason=\"");
            self.out.extend_from_slice(reason.name().as_bytes());
            self.out.extend_from_slice(b"\"} ");
            self.count((*count).into());
        }
    }

    pub(super) fn durations(&mut self, name: &str, ran: &[Ran<'_>]) {
        if ran.is_empty() {
            return;
        }
        let les = bound_labels(Histogram::bounds(), self.format);
        self.head(FamilyType::Histogram, name, "How long runs took, in seconds.");
        for ran in ran {
            let counts = ran.durations.cumulative();
            for (le, count) in les.iter().zip(counts) {
                self.begin(name, "_bucket", ran.labels, le);
                self.count(count);
            }
            self.begin(name, "_sum", ran.labels, b"");
            self.number(ran.durations.sum());
            self.begin(name, "_count", ran.labels, b"");
            self.count(counts[BOUNDS]);
        }
    }
}

/// The label `le` of each bucket.
fn bound_labels(bounds: impl Iterator<Item = f64>, format: Format) -> Vec<Vec<u8>> {
    let label = |bound| {
        let mut out = Vec::new();
        write_bound_label(bound, format, &mut out);
        out
    };
    bounds.chain([f64::INFINITY]).map(label).collect()
}
