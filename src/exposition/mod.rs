//! Reports and the store as Prometheus text. Knows measures, never kinds by name; opens no socket and negotiates nothing.

mod number;
mod samples;
mod scrape;
#[cfg(test)]
mod tests;
mod text;

use tuermer_probes::{Kind, Report};

use crate::plan::ProbeMetrics;

pub use scrape::{render_store, write_store};

pub(crate) use number::{write_count, write_number};
pub(crate) use samples::{Family, Samples, Taken, phases_name};
pub(crate) use text::{FamilyType, write_bound_label, write_head, write_label, write_labels};

/// Labels that tuermer sets itself. An operator's label must have another name.
pub const RESERVED_LABELS: &[&str] = &["check", "le", "module", "outcome", "phase", "reason", "step", "target"];

/// A text format that Prometheus reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The content type of an answer, without blackbox_exporter's `escaping` parameter.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Appends a whole answer to `/probe`: everything is a gauge.
pub fn render_report(report: &Report, kind: &Kind, what: ProbeMetrics, format: Format, out: &mut Vec<u8>) {
    let phases = phases_name(kind);
    let samples = Samples::of(report, kind, &phases, what, Taken::default());
    let mut family = "";
    for sample in &samples.list {
        let name = samples.name(sample);
        if name != family {
            family = name;
            write_head(FamilyType::Gauge, name, sample.family.help(), format, out);
        }
        out.extend_from_slice(name.as_bytes());
        write_labels(samples.labels(sample), &[], out);
        write_number(sample.value, out);
        out.push(b'\n');
    }
    end(format, out);
}

/// Appends what ends an answer: OpenMetrics wants a mark, the text format nothing.
pub fn end(format: Format, out: &mut Vec<u8>) {
    if format == Format::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
}
