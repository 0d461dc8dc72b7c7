//! The notebook of a run: phases, readings and notes. The only reader of the clock.
//!
//! A run is always in exactly one phase. Entering a phase ends the one before it, so the laps have no gaps and no
//! overlaps and their lengths add up to the run's duration. The notebook outlives the probe's future: when the deadline
//! drops the probe, everything written until then stands.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::failure::{Failure, Place};
use crate::measure::{Label, Measure, Reading, Shape};
use crate::memory::Owner;
use crate::phase::Phase;
use crate::report::{Lap, Note, NoteKind, Notes, Outcome, Report};
use crate::terms::PhaseLimits;
use crate::watch::Watch;

/// Most notes of one run. Chosen: a long dialogue.
pub const NOTES_MAX: usize = 256;
/// Longest note in bytes. Chosen: an SMTP line (RFC 5321 section 4.5.3.1.5) and its escapes.
pub const NOTE_BYTES_MAX: usize = 1024;
/// Most readings of one run. Chosen: sixteen mail servers with ninety readings each.
pub(crate) const READINGS_MAX: usize = 1536;
/// Most observations of distributions in one run. Chosen: a run looks at 500 mails, and as many readings are left.
pub(crate) const OBSERVATIONS_MAX: usize = 512;
/// Most laps of one run. Chosen: sixteen mail servers with twenty laps each.
pub(crate) const LAPS_MAX: usize = 320;

/// What a running probe writes to.
#[derive(Debug)]
pub struct Recorder {
    began: SystemTime,
    start: Instant,
    deadline: Instant,
    step: Option<Arc<str>>,
    current: Option<(Phase, Instant)>,
    /// End of the last lap that was closed; the start of the run before there was one.
    closed: Instant,
    laps: Vec<Lap>,
    declared: Vec<Phase>,
    readings: Vec<Reading>,
    notes: Notes,
    /// Whose run it is.
    owner: Owner,
    /// What the run is held to besides its deadline; most runs are held to nothing.
    bounds: Option<Box<Bounds>>,
}

/// What a run is held to besides its deadline.
#[derive(Debug)]
struct Bounds {
    watch: Arc<Watch>,
    phases: PhaseLimits,
    /// When the present leg began, and when it must be over.
    leg: Option<(Instant, Instant)>,
    /// How long the present phase may take in all, and when that will be.
    phase: Option<(Duration, Instant)>,
}

#[expect(clippy::disallowed_methods, reason = "the recorder is the one reader of the clock")]
fn now() -> (SystemTime, Instant) {
    (SystemTime::now(), Instant::now())
}

#[expect(clippy::disallowed_methods, reason = "the recorder is the one reader of the clock")]
fn instant() -> Instant {
    Instant::now()
}

impl Recorder {
    /// Opens the notebook: the run starts now.
    pub fn start(timeout: Duration) -> Self {
        let (began, start) = now();
        Self {
            began,
            start,
            deadline: start + timeout,
            step: None,
            current: None,
            closed: start,
            laps: Vec::with_capacity(8),
            declared: Vec::new(),
            readings: Vec::with_capacity(24),
            notes: Notes::default(),
            owner: Owner::default(),
            bounds: None,
        }
    }

    /// Says whose run it is.
    pub(crate) const fn belongs_to(&mut self, owner: Owner) {
        self.owner = owner;
    }

    /// Whose run it is: what earlier runs of the same left is under this name.
    pub(crate) const fn owner(&self) -> Owner {
        self.owner
    }

    /// Holds the run to limits. The watch is told, at every change, when what goes on must be over.
    pub(crate) fn hold(&mut self, watch: &Arc<Watch>, phases: PhaseLimits) {
        self.bounds = Some(Box::new(Bounds { watch: Arc::clone(watch), phases, leg: None, phase: None }));
    }

    /// Begins a leg that must be over by `end`.
    pub(crate) fn leg(&mut self, name: &Arc<str>, end: Instant) {
        self.step(name);
        let began = self.closed;
        if let Some(bounds) = &mut self.bounds {
            bounds.leg = Some((began, end));
        }
        self.tell_watch();
    }

    /// Begins the first leg: what was read so far was read of it, but for these measures, which are the run's.
    pub(crate) fn first_leg(&mut self, name: &Arc<str>, end: Instant, of_run: &[&'static Measure]) {
        self.leg(name, end);
        for reading in self.readings.iter_mut().filter(|reading| reading.step.is_none()) {
            if !of_run.iter().any(|measure| std::ptr::eq(*measure, reading.measure)) {
                reading.step = Some(Arc::clone(name));
            }
        }
    }

    /// Ends the last leg: the run's own deadline counts again.
    pub(crate) fn leave_legs(&mut self) {
        if let Some(bounds) = &mut self.bounds {
            bounds.leg = None;
        }
        self.leave_step();
    }

    /// How long the run, or its present leg, was to take.
    pub(crate) fn patience(&self) -> Duration {
        match self.bounds.as_ref().and_then(|bounds| bounds.leg) {
            Some((began, end)) => end - began,
            None => self.deadline - self.start,
        }
    }

    /// The limit of the present phase, if that has passed.
    pub(crate) fn overdue(&self) -> Option<Duration> {
        let (limit, end) = self.bounds.as_ref()?.phase?;
        (end <= instant() && end < self.deadline()).then_some(limit)
    }

    /// Tells the watch when what goes on now must be over. All laps of a phase within a leg count together.
    fn tell_watch(&mut self) {
        let Some(bounds) = &mut self.bounds else { return };
        bounds.phase = self.current.and_then(|(phase, since)| {
            let limit = bounds.phases.of(phase)?;
            let of_leg = self.laps.iter().filter(|lap| lap.phase == phase && lap.step == self.step);
            let spent: Duration = of_leg.map(|lap| lap.length).sum();
            Some((limit, since + limit.saturating_sub(spent)))
        });
        let ends = [bounds.leg.map(|(_, end)| end), bounds.phase.map(|(_, end)| end)];
        bounds.watch.expect_until(ends.into_iter().flatten().min());
    }

    /// Ends the current phase and begins the next. The first phase reaches back to the start of the run, the first of a
    /// leg to the end of the leg before.
    pub fn enter(&mut self, phase: Phase) {
        self.enter_at(phase, instant());
    }

    /// As [`Self::enter`], for a change that was seen at `at`, a moment of the current lap. Moments before the lap count as its start.
    pub fn enter_at(&mut self, phase: Phase, at: Instant) {
        let at = match self.current {
            Some((_, since)) => at.max(since),
            None => self.closed,
        };
        self.close(at, false);
        self.current = Some((phase, at));
        self.tell_watch();
    }

    /// The moment this is called, on the run's clock.
    pub fn now(&self) -> Instant {
        instant()
    }

    /// When the next of several that are still `left` must be done by, so that those after it have as long until `end`.
    pub fn share(&self, end: Instant, left: usize) -> Instant {
        let now = instant();
        now + end.saturating_duration_since(now) / u32::try_from(left.max(1)).unwrap_or(u32::MAX)
    }

    /// The moment on the run's clock when the wall clock showed `at`; at the latest now. For times that the kernel tells.
    pub fn moment(&self, at: SystemTime) -> Instant {
        let (wall, instant) = now();
        let ago = wall.duration_since(at).unwrap_or(Duration::ZERO);
        instant.checked_sub(ago).map_or(self.start, |moment| moment.max(self.start))
    }

    /// The wall clock: for the validity of certificates, never for durations.
    pub fn wall_clock(&self) -> SystemTime {
        self.began + (instant() - self.start)
    }

    /// Names the leg from here on. Ends the current lap, which belongs to the leg before; the next [`Self::enter`] begins
    /// the leg's first.
    pub fn step(&mut self, name: &Arc<str>) {
        self.close(instant(), false);
        self.step = Some(Arc::clone(name));
        self.tell_watch();
    }

    /// Ends the leg: what follows belongs to the run as a whole.
    pub fn leave_step(&mut self) {
        self.close(instant(), false);
        self.step = None;
        self.tell_watch();
    }

    /// The leg failed here and the run goes on: ends the lap as cut short and writes its place into the failure. A
    /// failure that has a place keeps it, and the lap was not cut.
    pub fn leg_failed(&mut self, failure: Failure) -> Failure {
        if failure.place().is_some() {
            self.close(instant(), false);
            return failure;
        }
        let place = self.current.map(|(phase, _)| Place { step: self.step.clone(), phase });
        self.close(instant(), true);
        self.tell_watch();
        match place {
            Some(place) => failure.at(place),
            None => failure,
        }
    }

    /// The current leg.
    pub fn current_step(&self) -> Option<&Arc<str>> {
        self.step.as_ref()
    }

    /// Shows these phases as zero even if the run never enters them.
    pub fn declare(&mut self, phases: &[Phase]) {
        for phase in phases {
            if !self.declared.contains(phase) {
                self.declared.push(*phase);
            }
        }
    }

    /// Writes down a number of a measure without labels.
    pub fn read(&mut self, measure: &'static Measure, value: f64) {
        self.read_with(measure, &[], value);
    }

    /// Writes down a number. `values` are the labels' values in the measure's order.
    pub fn read_with(&mut self, measure: &'static Measure, values: &[&str], value: f64) {
        debug_assert_eq!(measure.labels.len(), values.len(), "labels of {}", measure.name);
        let labels = measure.labels.iter().zip(values);
        let labels = labels.map(|(name, value)| Label { name: (*name).into(), value: (*value).into() }).collect();
        self.read_labelled(measure, labels, value);
    }

    /// Writes down a number whose label names come from the operator.
    pub fn read_labelled(&mut self, measure: &'static Measure, labels: Vec<Label>, value: f64) {
        let reading = Reading { measure, step: self.step.clone(), labels, value };
        let is_observation = matches!(measure.shape, Shape::Distribution(_));
        let known = self.readings.iter_mut().filter(|_| !is_observation).find(|known| known.is_same_series(&reading));
        if let Some(known) = known {
            match measure.shape {
                Shape::Level | Shape::Lasting | Shape::Distribution(_) => known.value = value,
                Shape::Count | Shape::Total => known.value += value,
            }
        } else if self.readings.len() < READINGS_MAX && !(is_observation && self.observations() >= OBSERVATIONS_MAX) {
            self.readings.push(reading);
        }
    }

    fn observations(&self) -> usize {
        let is_one = |reading: &&Reading| matches!(reading.measure.shape, Shape::Distribution(_));
        self.readings.iter().filter(is_one).count()
    }

    /// Forgets what was read of a measure in the current leg.
    pub fn forget(&mut self, measure: &'static Measure) {
        let step = self.step.clone();
        self.readings.retain(|reading| !(std::ptr::eq(reading.measure, measure) && reading.step == step));
    }

    /// Words for people. Never a secret.
    pub fn note(&mut self, text: impl fmt::Display) {
        self.push_note(NoteKind::Info, text);
    }

    /// A line of the dialogue that went to the peer. Never a secret.
    pub fn sent(&mut self, line: impl fmt::Display) {
        self.push_note(NoteKind::Sent, line);
    }

    /// A line of the dialogue that came from the peer.
    pub fn received(&mut self, line: impl fmt::Display) {
        self.push_note(NoteKind::Received, line);
    }

    fn push_note(&mut self, kind: NoteKind, text: impl fmt::Display) {
        // A peer that talks without end must not cost a look at the clock for every line.
        if self.notes.entries.len() >= NOTES_MAX {
            self.notes.dropped += 1;
            return;
        }
        let at = instant() - self.start;
        self.notes.push(at, kind, text);
    }

    /// What the probe is doing.
    pub fn current_phase(&self) -> Option<Phase> {
        self.current.map(|(phase, _)| phase)
    }

    /// When the run began.
    pub const fn started(&self) -> Instant {
        self.start
    }

    /// When the run must be over, or its present leg where time is shared between legs.
    pub fn deadline(&self) -> Instant {
        self.bounds.as_ref().and_then(|bounds| bounds.leg).map_or(self.deadline, |(_, end)| end)
    }

    /// When the run as a whole must be over.
    pub(crate) const fn run_deadline(&self) -> Instant {
        self.deadline
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        instant() - self.start
    }

    /// Total length of the completed laps of a phase, and of the current one if it is that phase.
    pub fn time_in(&self, phase: Phase) -> Duration {
        let done: Duration = self.laps.iter().filter(|lap| lap.phase == phase).map(|lap| lap.length).sum();
        match self.current {
            Some((current, since)) if current == phase => done + (instant() - since),
            _ => done,
        }
    }

    fn close(&mut self, at: Instant, cut: bool) {
        let Some((phase, since)) = self.current.take() else { return };
        self.closed = at;
        if self.laps.len() < LAPS_MAX {
            let (start, length) = (since - self.start, at - since);
            self.laps.push(Lap { step: self.step.clone(), phase, start, length, cut });
        }
    }

    /// Closes the notebook: the run is over.
    pub fn finish(mut self, outcome: Outcome) -> Report {
        let end = instant();
        if self.current.is_some() {
            self.close(end, !matches!(outcome, Outcome::Pass));
        } else if let Some(last) = self.laps.last_mut() {
            // Between the last leg and the end of the run nothing was done that has a name of its own.
            last.length += end - self.closed;
        }
        Report {
            began: self.began,
            duration: end - self.start,
            timeout: self.deadline - self.start,
            outcome,
            laps: self.laps,
            declared: self.declared,
            readings: self.readings,
            notes: self.notes,
        }
    }
}

impl Notes {
    fn push(&mut self, at: Duration, kind: NoteKind, text: impl fmt::Display) {
        let start = self.text.len();
        let mut cut = Cut { text: &mut self.text, left: NOTE_BYTES_MAX };
        // Writing stops with an error at the limit; what was written until then is the note.
        let _ = write!(cut, "{text}");
        self.entries.push(Note { at, kind, start, end: self.text.len() });
    }
}

/// Appends until the limit.
struct Cut<'a> {
    text: &'a mut String,
    left: usize,
}

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let fits = s.floor_char_boundary(self.left);
        self.text.push_str(&s[..fits]);
        self.left -= fits;
        if fits < s.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Reason;
    use crate::measure::Unit;

    const A: Phase = Phase::new("a");
    const B: Phase = Phase::new("b").whole_only();
    static LEVEL: Measure = Measure::level("level", Unit::None, "");
    static COUNT: Measure = Measure::count("count", Unit::None, "");
    static TOTAL: Measure = Measure::total("x_total", "");
    static SPREAD: Measure = Measure::distribution("spread", Unit::None, &[1.0], "");
    static LASTING: Measure = Measure::lasting("lasting", Unit::None, "");

    #[tokio::test(start_paused = true)]
    async fn laps_cover_the_run() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        tokio::time::advance(Duration::from_millis(3)).await;
        recorder.enter(A);
        tokio::time::advance(Duration::from_millis(10)).await;
        recorder.enter(B);
        tokio::time::advance(Duration::from_millis(20)).await;
        let report = recorder.finish(Outcome::Pass);
        let laps: Vec<_> =
            report.laps.iter().map(|lap| (lap.phase.name(), lap.start.as_millis(), lap.length.as_millis())).collect();
        assert_eq!(laps, [("a", 0, 13), ("b", 13, 20)]);
        assert_eq!(report.duration, Duration::from_millis(33));
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_seen_later_ends_the_lap_when_it_was() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        recorder.enter(A);
        tokio::time::advance(Duration::from_millis(10)).await;
        let seen = recorder.now();
        tokio::time::advance(Duration::from_millis(5)).await;
        recorder.enter_at(B, seen);
        let report = recorder.finish(Outcome::Pass);
        assert_eq!(report.laps[0].length, Duration::from_millis(10));
        assert_eq!(report.laps[1].length, Duration::from_millis(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_leg_is_cut_and_the_next_begins_where_it_ended() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        recorder.enter(A);
        recorder.step(&"one".into());
        recorder.enter(B);
        tokio::time::advance(Duration::from_millis(10)).await;
        let failure = recorder.leg_failed(Failure::new(Reason::Rejected, "no"));
        tokio::time::advance(Duration::from_millis(5)).await;
        recorder.step(&"two".into());
        recorder.enter(A);
        tokio::time::advance(Duration::from_millis(20)).await;
        recorder.leave_step();
        tokio::time::advance(Duration::from_millis(1)).await;
        let report = recorder.finish(Outcome::Fail(failure));
        let lap = |lap: &Lap| (lap.step.as_deref().map(str::to_owned), lap.phase, lap.length.as_millis(), lap.cut);
        let laps: Vec<_> = report.laps.iter().map(lap).collect();
        let step = |name: &str| Some(name.to_owned());
        assert_eq!(laps, [(None, A, 0, false), (step("one"), B, 10, true), (step("two"), A, 26, false)]);
        assert_eq!(report.duration, Duration::from_millis(36));
        assert_eq!(report.failed_at(), Some((Some("one"), B)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_of_the_wall_clock_lies_within_the_run() {
        let recorder = Recorder::start(Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(3)).await;
        let (wall, now) = now();
        let second = Duration::from_secs(1);
        // The wall clock is a real one, and goes on.
        assert!(recorder.moment(wall - second).duration_since(now - 2 * second) <= second);
        assert_eq!(recorder.moment(wall + 60 * second), now);
        assert_eq!(recorder.moment(wall - 60 * second), recorder.started());
    }

    #[tokio::test(start_paused = true)]
    async fn readings_combine_by_shape_and_step() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        for value in [1.0, 2.0] {
            recorder.read(&LEVEL, value);
            recorder.read(&COUNT, value);
        }
        recorder.step(&"leg".into());
        recorder.read(&LEVEL, 7.0);
        let report = recorder.finish(Outcome::Pass);
        let values: Vec<_> = report.readings.iter().map(|r| (r.measure.name, r.step.as_deref(), r.value)).collect();
        assert_eq!(values, [("level", None, 2.0), ("count", None, 3.0), ("level", Some("leg"), 7.0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn every_observation_is_kept_and_increments_add_up() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        for value in [1.0, 2.0, 2.0] {
            recorder.read(&TOTAL, value);
            recorder.read(&SPREAD, value);
            recorder.read(&LASTING, value);
        }
        let report = recorder.finish(Outcome::Pass);
        let values: Vec<_> = report.readings.iter().map(|r| (r.measure.name, r.value)).collect();
        assert_eq!(values, [("x_total", 5.0), ("spread", 1.0), ("lasting", 2.0), ("spread", 2.0), ("spread", 2.0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn observations_leave_room_for_other_readings() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        (0..2 * READINGS_MAX).for_each(|_| recorder.read(&SPREAD, 1.0));
        recorder.read(&LEVEL, 1.0);
        assert_eq!(recorder.finish(Outcome::Pass).readings.len(), OBSERVATIONS_MAX + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn notes_are_bounded_in_number_and_length() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        for _ in 0..NOTES_MAX + 3 {
            recorder.received("ä".repeat(NOTE_BYTES_MAX));
        }
        let notes = recorder.finish(Outcome::Pass).notes;
        assert_eq!(notes.iter().count(), NOTES_MAX);
        assert_eq!(notes.dropped(), 3);
        assert!(notes.iter().all(|(_, _, text)| text.len() == NOTE_BYTES_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn shortened_notes_are_the_first_ones_whole() {
        let mut recorder = Recorder::start(Duration::from_secs(5));
        for note in ["four", "five5", "six666"] {
            recorder.note(note);
        }
        let mut notes = recorder.finish(Outcome::Pass).notes;
        notes.shorten(10);
        assert_eq!(notes.iter().map(|(_, _, text)| text).collect::<Vec<_>>(), ["four", "five5"]);
        assert_eq!(notes.dropped(), 1);
    }
}
