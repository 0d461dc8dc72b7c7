//! What happened in a run.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::failure::Failure;
use crate::measure::{Measure, Reading};
use crate::phase::Phase;
use crate::recorder::NOTES_MAX;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service answered as it should.
    Pass,
    /// It did not, or the agent could not ask.
    Fail(Failure),
}

/// What a run says about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The service works.
    Up,
    /// The service does not work.
    Down,
    /// The agent could not ask; nothing is known.
    Unknown,
}

/// A stretch of time in one phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lap {
    /// The leg of the run; `None` for runs of one leg.
    pub step: Option<Arc<str>>,
    /// What the probe was doing.
    pub phase: Phase,
    /// Time from the start of the run.
    pub start: Duration,
    /// How long it took.
    pub length: Duration,
    /// True for a lap in which the run or its leg failed: it was cut short, not measured.
    pub cut: bool,
}

/// Where a note comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// The probe's own words.
    Info,
    /// Sent to the peer.
    Sent,
    /// Received from the peer.
    Received,
}

/// Words for people, in the order in which they were written.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    pub(crate) text: String,
    pub(crate) entries: Vec<Note>,
    pub(crate) dropped: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) at: Duration,
    pub(crate) kind: NoteKind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Notes {
    /// The notes: time from the start of the run, origin, words.
    pub fn iter(&self) -> impl Iterator<Item = (Duration, NoteKind, &str)> {
        self.entries.iter().map(|note| (note.at, note.kind, &self.text[note.start..note.end]))
    }

    /// Keeps the first notes up to so many bytes, and no spare memory: for reports that are kept for long.
    pub fn shorten(&mut self, bytes_max: usize) {
        let keep = self.entries.iter().take_while(|note| note.end <= bytes_max).count();
        self.dropped += self.entries.len() - keep;
        self.entries.truncate(keep);
        self.entries.shrink_to_fit();
        self.text.truncate(self.entries.last().map_or(0, |note| note.end));
        self.text.shrink_to_fit();
    }

    /// How many notes were left out because there were too many.
    pub const fn dropped(&self) -> usize {
        self.dropped
    }
}

/// What happened in a run.
#[derive(Debug, Clone)]
pub struct Report {
    /// When it began, on the wall clock.
    pub began: SystemTime,
    /// How long it took, on the monotonic clock.
    pub duration: Duration,
    /// How long it was allowed to take.
    pub timeout: Duration,
    /// How it ended.
    pub outcome: Outcome,
    /// Where the time went. Without gaps; the lengths add up to the duration.
    pub laps: Vec<Lap>,
    /// Phases to be shown as zero if they never ran.
    pub declared: Vec<Phase>,
    /// The numbers read.
    pub readings: Vec<Reading>,
    /// The words written.
    pub notes: Notes,
}

impl Report {
    /// What the run says about the service.
    pub fn verdict(&self) -> Verdict {
        match &self.outcome {
            Outcome::Pass => Verdict::Up,
            Outcome::Fail(failure) if failure.reason().is_shortage() => Verdict::Unknown,
            Outcome::Fail(_) => Verdict::Down,
        }
    }

    /// Why it did not pass.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Pass => None,
            Outcome::Fail(failure) => Some(failure),
        }
    }

    /// What the probe was doing when the run ended.
    pub fn last_lap(&self) -> Option<&Lap> {
        self.laps.last()
    }

    /// Where a run that did not pass failed: its step and phase. With several legs that need not be where it ended.
    pub fn failed_at(&self) -> Option<(Option<&str>, Phase)> {
        match self.failure()?.place() {
            Some(place) => Some((place.step.as_deref(), place.phase)),
            None => self.last_lap().map(|lap| (lap.step.as_deref(), lap.phase)),
        }
    }

    /// About how many bytes it takes up.
    pub fn bytes(&self) -> usize {
        let notes = self.notes.text.capacity() + self.notes.entries.capacity() * size_of::<Note>();
        let laps = self.laps.capacity() * size_of::<Lap>() + self.declared.capacity() * size_of::<Phase>();
        let labels = self.readings.iter().flat_map(|reading| &reading.labels);
        let labels: usize = labels.map(|label| size_of_val(label) + label.name.len() + label.value.len()).sum();
        let message = self.failure().map_or(0, |failure| failure.message().len());
        size_of::<Self>() + notes + laps + self.readings.capacity() * size_of::<Reading>() + labels + message
    }

    /// Leaves out notes and, if that is not enough, readings, until it takes up no more than so many bytes: for reports
    /// that are kept for long.
    pub fn shorten(&mut self, bytes_max: usize) {
        if self.bytes() <= bytes_max {
            return;
        }
        let others = self.bytes() - self.notes.text.capacity() - self.notes.entries.capacity() * size_of::<Note>();
        self.notes.shorten(bytes_max.saturating_sub(others + NOTES_MAX * size_of::<Note>()));
        let mut excess = self.bytes().saturating_sub(bytes_max);
        while excess > 0 && !self.readings.is_empty() {
            let keep = self.readings.len() / 2;
            self.readings.truncate(keep);
            self.readings.shrink_to_fit();
            excess = self.bytes().saturating_sub(bytes_max);
        }
    }

    /// The first reading of a measure, whatever its labels.
    pub fn reading(&self, measure: &'static Measure) -> Option<f64> {
        self.readings.iter().find(|reading| std::ptr::eq(reading.measure, measure)).map(|reading| reading.value)
    }

    /// The first reading of the measure with this name: for tests and pages that know no kind.
    pub fn reading_named(&self, name: &str) -> Option<f64> {
        self.readings.iter().find(|reading| reading.measure.name == name).map(|reading| reading.value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Unit;
    use crate::recorder::Recorder;

    static SIZE: Measure = Measure::level("probe_size", Unit::None, "A size.").labels(&["name"]);

    #[test]
    fn a_report_is_shortened_to_what_it_may_take_up() {
        for (notes, readings) in [(0, 0), (200, 0), (0, 200), (200, 200)] {
            let mut recorder = Recorder::start(Duration::from_secs(1));
            for number in 0..notes {
                recorder.note(format_args!("{number} {}", "x".repeat(900)));
            }
            for number in 0..readings {
                recorder.read_with(&SIZE, &[&format!("{number} {}", "y".repeat(900))], 1.0);
            }
            let mut report = recorder.finish(Outcome::Pass);
            report.shorten(16 * 1024);
            assert!(report.bytes() <= 16 * 1024, "{notes} {readings}: {}", report.bytes());
            assert_eq!(report.notes.iter().count() > 0, notes > 0 && readings == 0, "{notes} {readings}");
            assert_eq!(report.readings.is_empty(), readings == 0, "{notes} {readings}");
        }
    }
}
