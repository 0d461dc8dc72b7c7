//! The differences between tuermer and blackbox_exporter 0.23 that are meant.
//!
//! One table: what is not in it fails the differential suite, and so does an entry that nothing needs any more.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::differential::Difference;

/// Why a difference is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Debian's 0.23 is older than the version that tuermer follows.
    Older,
    /// blackbox_exporter crashes, hangs or is plainly wrong here.
    Fix,
    /// A matter of choice.
    #[expect(dead_code, reason = "no such difference was met yet")]
    Choice,
}

/// One entry.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Ids of the cases, or `*` for all.
    cases: &'static [&'static str],
    /// The series (`name` alone: with any labels; `{}` at its end: without labels), or `status`, `type`, `exit`, or
    /// what steps noted.
    subjects: &'static [&'static str],
    reason: Reason,
    /// What differs and why, in words for the README.
    text: &'static str,
    used: AtomicUsize,
}

const fn accepted(
    cases: &'static [&'static str],
    subjects: &'static [&'static str],
    reason: Reason,
    text: &'static str,
) -> Accepted {
    Accepted { cases, subjects, reason, text, used: AtomicUsize::new(0) }
}

/// The table.
static TABLE: [Accepted; 6] = [
    accepted(&["*"], &["probe_timeout_seconds"], Reason::Older, "`probe_timeout_seconds` is newer than 0.23"),
    accepted(&["*"], &["probe_failed_due_to_bytes"], Reason::Older, "`probe_failed_due_to_bytes` is newer than 0.23"),
    accepted(
        &["T2", "A25", "A32"],
        &["probe_failed_due_to_regex"],
        Reason::Older,
        "`tcp`: `probe_failed_due_to_regex` is there only once the connection is; in 0.23 always",
    ),
    accepted(
        &["A3"],
        &["status"],
        Reason::Fix,
        "a scrape timeout of `NaN` is refused with 500; blackbox_exporter gives the probe no time and reports the target down",
    ),
    accepted(
        &["A5"],
        &["probe_success", "probe_failed_due_to_regex", "probe_ip_protocol", "probe_ip_addr_hash"],
        Reason::Fix,
        "a scrape timeout equal to the offset leaves the module's timeout; blackbox_exporter gives the probe no time",
    ),
    accepted(&["A23"], &["status"], Reason::Older, "`/logs` without a usable number is 400; in 0.23 404 or 500"),
];

impl Accepted {
    fn covers(&self, difference: &Difference) -> bool {
        let subject = difference.subject.as_str();
        let is_case = self.cases.iter().any(|id| *id == "*" || *id == difference.id);
        is_case && self.subjects.iter().any(|wanted| *wanted == subject || subject.split('{').next() == Some(wanted))
    }
}

/// Whether a difference is meant; notes that its entry is needed.
pub(crate) fn is_accepted(difference: &Difference) -> bool {
    let Some(entry) = TABLE.iter().find(|entry| entry.covers(difference)) else { return false };
    entry.used.fetch_add(1, Ordering::Relaxed);
    true
}

/// Entries that nothing needed.
pub(crate) fn unused() -> Vec<String> {
    let unused = TABLE.iter().filter(|entry| entry.used.load(Ordering::Relaxed) == 0);
    unused.map(|entry| format!("{:?} {:?}: {}", entry.cases, entry.subjects, entry.text)).collect()
}

/// How many differences were accepted.
pub(crate) fn used() -> usize {
    TABLE.iter().map(|entry| entry.used.load(Ordering::Relaxed)).sum()
}

/// The table for the README.
pub(crate) fn table() -> String {
    let mut text = "| difference | why | cases |\n|---|---|---|\n".to_owned();
    for entry in &TABLE {
        let reason = match entry.reason {
            Reason::Older => "0.23 is older",
            Reason::Fix => "mended",
            Reason::Choice => "chosen",
        };
        let cases = if entry.cases == ["*"] { "all".to_owned() } else { entry.cases.join(", ") };
        let _ = writeln!(text, "| {} | {reason} | {cases} |", entry.text);
    }
    text
}
