//! What happened in a probe on demand, for people: the log, the metrics, the module.

use std::time::SystemTime;

use tuermer_probes::{NoteKind, hide_password};

use crate::agent::ProberLog;
use crate::args::LogLevel;
use crate::config;
use crate::exposition::{self, Format};
use crate::history::Asked;
use crate::log::PROBER;

/// The report. The headings are blackbox_exporter's, on which its users cut the text.
pub(super) fn report(asked: &Asked, log: ProberLog) -> Vec<u8> {
    let mut page = b"Logs for the probe:\n".to_vec();
    for line in lines(asked) {
        if line.level >= log.level {
            page.extend_from_slice(line.text(asked, log).as_bytes());
        }
    }
    page.extend_from_slice(b"\n\nMetrics that would have been returned:\n");
    exposition::render_report(&asked.report, asked.kind, asked.shown, Format::Text, &mut page);
    page.extend_from_slice(b"\n\nModule configuration:\n");
    page.extend_from_slice(module_text(asked).as_bytes());
    page
}

/// Says in the agent's log why a probe failed and, at the level `debug`, everything that was said.
pub(super) fn log(asked: &Asked) {
    let target = &*hide_password(asked.target.text());
    let module = &*asked.module.name;
    if tracing::enabled!(target: PROBER, tracing::Level::DEBUG) {
        for line in lines(asked).filter(|line| line.level < LogLevel::Error) {
            tracing::debug!(target: PROBER, module, target, "{}", line.message);
        }
    }
    if let Some(failure) = asked.report.failure() {
        let (reason, error) = (failure.reason().name(), failure.message());
        tracing::error!(target: PROBER, module, target, reason, error, "Probe failed");
    }
}

/// A line of the log of a probe.
struct Line<'a> {
    at: SystemTime,
    level: LogLevel,
    message: &'a str,
    fields: Vec<(&'static str, &'a str)>,
}

impl Line<'_> {
    fn text(&self, asked: &Asked, log: ProberLog) -> String {
        let target = hide_password(asked.target.text());
        let mut fields = self.fields.clone();
        fields.extend([("module", &*asked.module.name), ("target", &target)]);
        let level = if self.level == LogLevel::Error { "ERROR" } else { "INFO" };
        log.format.line(self.at, level, self.message, &fields)
    }
}

/// Notes and outcome, a line each.
fn lines(asked: &Asked) -> impl Iterator<Item = Line<'_>> {
    let report = &asked.report;
    let notes = report.notes.iter().map(|(at, kind, message)| {
        let fields = match kind {
            NoteKind::Info => Vec::new(),
            NoteKind::Sent => vec![("direction", "sent")],
            NoteKind::Received => vec![("direction", "received")],
        };
        Line { at: report.began + at, level: LogLevel::Info, message, fields }
    });
    let at = report.began + report.duration;
    let end = match report.failure() {
        None => Line { at, level: LogLevel::Info, message: "Probe succeeded", fields: Vec::new() },
        Some(failure) => {
            let fields = vec![("reason", failure.reason().name()), ("error", failure.message())];
            Line { at, level: LogLevel::Error, message: "Probe failed", fields }
        }
    };
    notes.chain(std::iter::once(end))
}

/// The module as it was asked, with the `hostname` of the request.
fn module_text(asked: &Asked) -> String {
    let with_hostname = asked.target.hostname().zip(asked.kind.hostname).and_then(|(hostname, below)| {
        let path: Vec<&str> = std::iter::once(asked.kind.name).chain(below.iter().copied()).collect();
        config::module_text_with(&asked.module_text, &path, hostname)
    });
    with_hostname.unwrap_or_else(|| asked.module_text.to_string())
}
