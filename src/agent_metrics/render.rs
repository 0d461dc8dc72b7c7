//! The agent's own metrics as Prometheus text.

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::AgentMetrics;
use super::process::{ProcessMetric, process_metrics};
use crate::exposition::{
    FamilyType, Format, write_bound_label, write_count, write_head, write_label, write_labels, write_number,
};

impl AgentMetrics {
    /// Appends the agent's own metrics, without [`crate::exposition::end`].
    pub fn render(&self, format: Format, out: &mut Vec<u8>) {
        self.scrapes_in_flight.inc();
        let families = self.registry.gather();
        self.scrapes_in_flight.dec();
        let (before, after) = families.split_at(families.partition_point(|family| family.name() < "process_"));
        before.iter().for_each(|family| write_family(family, format, out));
        process_metrics().iter().for_each(|metric| write_process_metric(metric, format, out));
        after.iter().for_each(|family| write_family(family, format, out));
    }
}

fn write_process_metric(metric: &ProcessMetric, format: Format, out: &mut Vec<u8>) {
    write_head(metric.family, metric.name, metric.help, format, out);
    write_sample(metric.name, "", b"", b"", metric.value, out);
}

fn write_family(family: &MetricFamily, format: Format, out: &mut Vec<u8>) {
    let name = family.name();
    let family_type = match family.get_field_type() {
        MetricType::COUNTER => FamilyType::Counter,
        MetricType::HISTOGRAM => FamilyType::Histogram,
        _ => FamilyType::Gauge,
    };
    write_head(family_type, name, family.help(), format, out);
    for metric in family.get_metric() {
        let mut labels = Vec::new();
        for label in metric.get_label() {
            write_label(label.name(), label.value(), 0, &mut labels);
        }
        match family_type {
            FamilyType::Counter => write_sample(name, "", &labels, b"", metric.get_counter().get_value(), out),
            FamilyType::Gauge => write_sample(name, "", &labels, b"", metric.get_gauge().get_value(), out),
            FamilyType::Histogram => write_histogram(name, &labels, metric, format, out),
        }
    }
}

fn write_histogram(name: &str, labels: &[u8], metric: &Metric, format: Format, out: &mut Vec<u8>) {
    let histogram = metric.get_histogram();
    let buckets = histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (bound, count) in buckets.chain([(f64::INFINITY, histogram.get_sample_count())]) {
        let mut le = Vec::new();
        write_bound_label(bound, format, &mut le);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"_bucket");
        write_labels(labels, &le, out);
        write_count(count, out);
        out.push(b'\n');
    }
    write_sample(name, "_sum", labels, b"", histogram.get_sample_sum(), out);
    write_sample(name, "_count", labels, b"", histogram.get_sample_count() as f64, out);
}

fn write_sample(name: &str, suffix: &str, labels: &[u8], more: &[u8], value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    write_labels(labels, more, out);
    write_number(value, out);
    out.push(b'\n');
}
