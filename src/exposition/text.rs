//! The grammar of the text formats: heads of families, labels, samples. Knows neither reports nor the store.

use super::Format;
use super::number::write_number;

/// Longest label value in bytes, before escaping. Chosen: the alternative names of a large certificate.
pub(crate) const LABEL_BYTES_MAX: usize = 4096;

/// What a family of samples is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FamilyType {
    Gauge,
    Counter,
    Histogram,
}

impl FamilyType {
    const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// Appends the lines HELP and TYPE. A counter's name ends in `_total`, which OpenMetrics leaves out here.
pub(crate) fn write_head(family: FamilyType, name: &str, help: &str, format: Format, out: &mut Vec<u8>) {
    let name = match (format, family) {
        (Format::OpenMetrics, FamilyType::Counter) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    out.extend_from_slice(b"# HELP ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    match format {
        Format::Text => write_escaped(help, |byte| byte != b'"', out),
        Format::OpenMetrics => write_escaped(help, |_| true, out),
    }
    out.extend_from_slice(b"\n# TYPE ");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend_from_slice(family.name().as_bytes());
    out.push(b'\n');
}

/// Appends `name="value"`, led by a comma if other labels stand before it since `start`.
pub(crate) fn write_label(name: &str, value: &str, start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"=\"");
    if value.len() <= LABEL_BYTES_MAX {
        write_escaped(value, |_| true, out);
    } else {
        write_escaped(&value[..value.floor_char_boundary(LABEL_BYTES_MAX)], |_| true, out);
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

/// Appends the label of a histogram's bucket. OpenMetrics wants a point in whole bounds ("Considerations: Canonical
/// Numbers").
pub(crate) fn write_bound_label(bound: f64, format: Format, out: &mut Vec<u8>) {
    out.extend_from_slice(b"le=\"");
    write_number(bound, out);
    if format == Format::OpenMetrics && bound.fract() == 0.0 {
        out.extend_from_slice(b".0");
    }
    out.push(b'"');
}

/// Appends text with a backslash before backslashes, quotes and (as `\n`) line feeds, where `escapes` agrees.
fn write_escaped(text: &str, escapes: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'\\' => br"\\",
            b'\n' => br"\n",
            b'"' if escapes(b'"') => br#"\""#,
            _ => continue,
        };
        out.extend_from_slice(&bytes[done..at]);
        out.extend_from_slice(escape);
        done = at + 1;
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Appends what stands between a sample's name and its value.
pub(crate) fn write_labels(labels: &[u8], more: &[u8], out: &mut Vec<u8>) {
    match (labels.is_empty(), more.is_empty()) {
        (true, true) => out.push(b' '),
        (empty, more_empty) => {
            out.push(b'{');
            out.extend_from_slice(labels);
            if !empty && !more_empty {
                out.push(b',');
            }
            out.extend_from_slice(more);
            out.extend_from_slice(b"} ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: &str) -> String {
        let mut out = Vec::new();
        write_label("a", value, 0, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(label("a\\b\"c\nd\r\0ü"), "a=\"a\\\\b\\\"c\\nd\r\0ü\"");
    }

    #[test]
    fn long_label_values_are_cut_between_characters() {
        let text = label(&format!("x{}", "ü".repeat(LABEL_BYTES_MAX)));
        assert_eq!(text, format!("a=\"x{}…\"", "ü".repeat((LABEL_BYTES_MAX - 1) / 2)));
    }

    #[test]
    fn a_counter_loses_its_suffix_in_an_openmetrics_head() {
        let mut out = Vec::new();
        write_head(FamilyType::Counter, "x_total", "Says \"a\\b\".", Format::OpenMetrics, &mut out);
        write_head(FamilyType::Counter, "x_total", "Says \"a\\b\".", Format::Text, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# HELP x Says \\\"a\\\\b\\\".\n# TYPE x counter\n# HELP x_total Says \"a\\\\b\".\n# TYPE x_total counter\n"
        );
    }
}
