//! Small pictures: a line of past runs, and where the time of a run went.

use tuermer_probes::Verdict;

use crate::store::{HISTORY_RUNS_MAX, Past, PastRun};
use crate::web::pages::words;

/// Width of one run in the history, in units of its picture.
const BAR_WIDTH: usize = 3;
/// Height of the history's picture.
const HISTORY_HEIGHT: f64 = 24.0;
/// Height of one line of a waterfall.
const LINE_HEIGHT: usize = 22;
/// Where the bars of a waterfall begin and how far they go, in units of its picture.
const BARS: (f64, f64) = (260.0, 600.0);
/// Colours that the style has for phases.
const COLOURS: usize = 8;

/// One run in the history.
pub(super) struct HistoryBar {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: String,
    pub(super) height: String,
}

/// Past runs as bars: as high as they took long, beside the longest.
pub(super) fn history(past: &[Past]) -> Vec<HistoryBar> {
    let longest = past.iter().map(Past::duration).max().unwrap_or_default().as_secs_f64().max(1e-6);
    let first = HISTORY_RUNS_MAX.saturating_sub(past.len());
    let bars = past.iter().enumerate().map(|(at, past)| {
        let height = (past.duration().as_secs_f64() / longest * HISTORY_HEIGHT).max(3.0);
        HistoryBar {
            class: class(Some(past.verdict)),
            x: (first + at) * BAR_WIDTH,
            y: format!("{:.1}", HISTORY_HEIGHT - height),
            height: format!("{height:.1}"),
        }
    });
    bars.collect()
}

/// The history for those who do not see it.
pub(super) fn history_words(past: &[Past]) -> String {
    let bad = past.iter().filter(|past| past.verdict != Verdict::Up).count();
    format!("{} of the last {} runs did not pass", bad, past.len())
}

/// Where the time of a run went.
pub(super) struct Waterfall {
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) when: String,
    pub(super) duration: String,
    pub(super) height: usize,
    pub(super) words: String,
    pub(super) bars: Vec<WaterfallBar>,
}

/// A stretch of a run.
pub(super) struct WaterfallBar {
    pub(super) name: String,
    pub(super) colour: usize,
    pub(super) cut: bool,
    pub(super) x: String,
    pub(super) y: usize,
    pub(super) text_y: usize,
    pub(super) width: String,
    pub(super) length: String,
}

/// The picture of a past run.
pub(super) fn waterfall(run: &PastRun) -> Waterfall {
    let whole = run.duration.as_secs_f64().max(1e-9);
    let mut phases = Vec::new();
    let bars = run.laps().enumerate().map(|(at, lap)| {
        let colour = phases.iter().position(|known| *known == lap.phase).unwrap_or_else(|| {
            phases.push(lap.phase);
            phases.len() - 1
        });
        let name = match lap.step {
            Some(step) => format!("{step}: {}", lap.phase),
            None => lap.phase.to_owned(),
        };
        WaterfallBar {
            name,
            colour: colour % COLOURS,
            cut: lap.cut,
            x: format!("{:.1}", BARS.0 + lap.start.as_secs_f64() / whole * BARS.1),
            y: 6 + at * LINE_HEIGHT,
            text_y: 17 + at * LINE_HEIGHT,
            width: format!("{:.1}", (lap.length.as_secs_f64() / whole * BARS.1).max(1.5)),
            length: words::length(lap.length),
        }
    });
    let bars: Vec<_> = bars.collect();
    let lengths: Vec<_> = bars.iter().map(|bar| format!("{} {}", bar.name, bar.length)).collect();
    Waterfall {
        class: class(Some(run.verdict)),
        word: word(Some(run.verdict)),
        when: words::moment(run.began),
        duration: words::length(run.duration),
        height: 10 + bars.len() * LINE_HEIGHT,
        words: lengths.join(", "),
        bars,
    }
}

/// The state in a word.
pub(super) const fn word(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Up) => "up",
        Some(Verdict::Down) => "down",
        Some(Verdict::Unknown) => "unknown",
        None => "waiting",
    }
}

/// The state's colour and shape.
pub(super) const fn class(verdict: Option<Verdict>) -> &'static str {
    word(verdict)
}
