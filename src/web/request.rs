//! What a request asks for: parameters, formats, encodings.

use std::borrow::Cow;

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap};

use crate::exposition::Format;

/// The first value of a query parameter.
pub(super) fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The exposition format the client likes best: OpenMetrics only where it ranks above plain text.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let mut text = 0.0;
    let mut open = 0.0;
    for (name, quality) in ranked(headers, ACCEPT) {
        match name {
            "application/openmetrics-text" => open = f32::max(open, quality),
            "text/plain" | "text/*" | "*/*" => text = f32::max(text, quality),
            _ => {}
        }
    }
    if open > text { Format::OpenMetrics } else { Format::Text }
}

/// Whether the client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    ranked(headers, ACCEPT_ENCODING).any(|(name, quality)| name == "gzip" && quality > 0.0)
}

/// The members of a list header with their quality (RFC 9110 section 12.4.2); unreadable qualities count as zero.
fn ranked(headers: &HeaderMap, name: hyper::header::HeaderName) -> impl Iterator<Item = (&str, f32)> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|member| {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
        (name, quality)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().unwrap());
        headers.insert(ACCEPT_ENCODING, value.parse().unwrap());
        headers
    }

    #[test]
    fn prometheus_gets_openmetrics_and_browsers_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(format(&accepting(prometheus)), Format::OpenMetrics);
        assert_eq!(format(&accepting("text/html, */*;q=0.8")), Format::Text);
        assert_eq!(format(&HeaderMap::new()), Format::Text);
        assert_eq!(format(&accepting("application/openmetrics-text;q=0.2, text/plain")), Format::Text);
    }

    #[test]
    fn gzip_is_taken_unless_refused() {
        assert!(takes_gzip(&accepting("deflate, gzip")));
        assert!(!takes_gzip(&accepting("gzip;q=0")));
        assert!(!takes_gzip(&accepting("zstd")));
    }

    #[test]
    fn the_first_of_repeated_parameters_wins() {
        assert_eq!(parameter(Some("a=1&a=2"), "a").as_deref(), Some("1"));
        assert_eq!(parameter(Some("target=http%3A%2F%2Fh%2F%3Fx%3D1"), "target").as_deref(), Some("http://h/?x=1"));
        assert_eq!(parameter(None, "a"), None);
    }
}
