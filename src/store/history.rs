//! What is remembered of past runs: a line of outcomes, and the laps of the last few.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tuermer_probes::{Failure, Reason, Report, Verdict};

/// Runs whose outcome is remembered. Chosen: an hour at one run a minute.
pub const HISTORY_RUNS_MAX: usize = 60;

/// The outcome of a past run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    began_seconds: u32,
    micros: u32,
    /// What it said of the service.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub reason: Option<Reason>,
}

impl Past {
    pub(super) fn of(report: &Report) -> Self {
        let began = report.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            began_seconds: u32::try_from(began.as_secs()).unwrap_or(u32::MAX),
            micros: micros(report.duration),
            verdict: report.verdict(),
            reason: report.failure().map(Failure::reason),
        }
    }

    /// When it began, to the second.
    pub fn began(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.began_seconds.into())
    }

    /// How long it took, to the microsecond and up to an hour.
    pub const fn duration(&self) -> Duration {
        Duration::from_micros(self.micros as u64)
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The last runs' outcomes, a ring.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    ring: Vec<Past>,
    /// Where the oldest stands once the ring is full.
    oldest: usize,
}

impl History {
    pub(super) fn push(&mut self, past: Past) {
        if self.ring.len() < HISTORY_RUNS_MAX {
            self.ring.push(past);
        } else {
            self.ring[self.oldest] = past;
            self.oldest = (self.oldest + 1) % HISTORY_RUNS_MAX;
        }
    }

    /// From the oldest to the newest.
    pub(super) fn to_vec(&self) -> Vec<Past> {
        let (newer, older) = self.ring.split_at(self.oldest);
        [older, newer].concat()
    }
}

/// Where the time of a past run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// What it said of the service.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub reason: Option<Reason>,
    laps: Box<[PastLap]>,
}

/// A stretch of time in one phase, compact: it begins where the one before ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PastLap {
    step: Option<Arc<str>>,
    phase: &'static str,
    end_micros: u32,
    cut: bool,
}

/// A stretch of a past run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LapView<'a> {
    /// The leg of the run; `None` for runs of one leg.
    pub step: Option<&'a str>,
    /// What the probe was doing.
    pub phase: &'static str,
    /// Time from the start of the run, to the microsecond.
    pub start: Duration,
    /// How long it took, to the microsecond.
    pub length: Duration,
    /// True for a lap in which the run or its leg failed.
    pub cut: bool,
}

impl PastRun {
    pub(super) fn of(report: &Report) -> Self {
        let laps = report.laps.iter().map(|lap| PastLap {
            step: lap.step.clone(),
            phase: lap.phase.name(),
            end_micros: micros(lap.start + lap.length),
            cut: lap.cut,
        });
        Self {
            began: report.began,
            duration: report.duration,
            verdict: report.verdict(),
            reason: report.failure().map(Failure::reason),
            laps: laps.collect(),
        }
    }

    /// Where the time went, in order.
    pub fn laps(&self) -> impl Iterator<Item = LapView<'_>> {
        self.laps.iter().scan(Duration::ZERO, |at, lap| {
            let (start, end) = (*at, Duration::from_micros(lap.end_micros.into()));
            *at = end;
            let length = end.saturating_sub(start);
            Some(LapView { step: lap.step.as_deref(), phase: lap.phase, start, length, cut: lap.cut })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_keeps_the_newest_in_order() {
        let mut history = History::default();
        for began_seconds in 0..150 {
            history.push(Past { began_seconds, micros: 0, verdict: Verdict::Up, reason: None });
        }
        let seconds: Vec<_> = history.to_vec().iter().map(|past| past.began_seconds).collect();
        assert_eq!(seconds, (90..150).collect::<Vec<_>>());
    }

    #[test]
    fn a_past_outcome_is_small() {
        assert_eq!(size_of::<Past>(), 12);
    }
}
