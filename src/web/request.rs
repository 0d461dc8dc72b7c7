//! What a request asks for: parameters, formats, encodings.

use std::borrow::Cow;

use hyper::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap};

use crate::exposition::Format;

/// The first value of a query parameter, read as Go reads it: a pair with a raw semicolon or a broken escape does not count.
pub(super) fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.contains(';') && !has_broken_escape(pair));
    let mut pairs = pairs.flat_map(|pair| url::form_urlencoded::parse(pair.as_bytes()));
    pairs.find(|(key, _)| key == name).map(|(_, value)| value)
}

fn has_broken_escape(text: &str) -> bool {
    let is_escape =
        |rest: &[u8]| matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    text.split('%').skip(1).any(|rest| !is_escape(rest.as_bytes()))
}

/// A target whose escapes are decoded once, decoded a second time where only that makes an address of it. Some encode
/// targets twice, and blackbox_exporter decodes every target twice; that would break the escapes of a well-formed URL.
pub(super) fn target(once: Cow<'_, str>) -> Cow<'_, str> {
    if !once.contains(['%', '+']) || has_broken_escape(&once) || is_address(&once) {
        return once;
    }
    match unescaped(&once) {
        Some(twice) if is_address(&twice) => Cow::Owned(twice),
        _ => once,
    }
}

/// Whether a text is a URL with a host, or `host[:port][/path]`.
fn is_address(text: &str) -> bool {
    // The parser of URLs leaves such characters out where it does not refuse them.
    if text.contains(char::is_control) {
        return false;
    }
    let whole = if text.contains("://") { Cow::Borrowed(text) } else { Cow::Owned(format!("http://{text}")) };
    url::Url::parse(&whole).is_ok_and(|url| url.has_host())
}

/// A text without the escapes of a form (`+`, `%2F`), none of which is broken.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

/// A number of seconds as Go reads it, not out of range and not NaN.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let is_out_of_range = number.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    (!number.is_nan() && !is_out_of_range).then_some(number)
}

/// The content type of the text format for a client. As in client_golang the last known `escaping` parameter up to
/// `text/plain` counts.
pub(super) fn text_type(headers: &HeaderMap) -> &'static str {
    let mut escaping = "underscores";
    let mut members: Vec<_> = members(headers, ACCEPT).collect();
    members.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    for member in members {
        if let Some(known) = member.parameter("escaping") {
            escaping = known;
        }
        if member.name == "text/plain" && matches!(member.parameter("version"), None | Some("" | "0.0.4")) {
            break;
        }
    }
    match escaping {
        "allow-utf-8" => "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8",
        "dots" => "text/plain; version=0.0.4; charset=utf-8; escaping=dots",
        "values" => "text/plain; version=0.0.4; charset=utf-8; escaping=values",
        _ => "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    }
}

/// The exposition format the client likes best: OpenMetrics only where it ranks above plain text.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let mut text = 0.0;
    let mut open = 0.0;
    for member in members(headers, ACCEPT) {
        match member.name {
            "application/openmetrics-text" => open = f32::max(open, member.quality),
            "text/plain" | "text/*" | "*/*" => text = f32::max(text, member.quality),
            _ => {}
        }
    }
    if open > text { Format::OpenMetrics } else { Format::Text }
}

/// Whether the client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    members(headers, ACCEPT_ENCODING).any(|member| member.name == "gzip" && member.quality > 0.0)
}

/// A member of a list header.
struct Member<'h> {
    name: &'h str,
    parameters: &'h str,
    quality: f32,
}

impl<'h> Member<'h> {
    fn parameter(&self, name: &str) -> Option<&'h str> {
        let mut pairs = self.parameters.split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().trim_matches('"'))
    }
}

/// The members of a list header with their quality (RFC 9110 section 12.4.2); unreadable qualities count as zero.
fn members(headers: &HeaderMap, name: hyper::header::HeaderName) -> impl Iterator<Item = Member<'_>> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|member| {
        let (name, parameters) = member.split_once(';').unwrap_or((member, ""));
        let member = Member { name: name.trim(), parameters, quality: 1.0 };
        Member { quality: member.parameter("q").map_or(1.0, |q| q.parse().unwrap_or(0.0)), ..member }
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

    #[test]
    fn a_pair_that_go_does_not_read_does_not_count() {
        for query in ["target=a;b", "target=%zz", "target=%4", "target=%"] {
            assert_eq!(parameter(Some(query), "target"), None, "{query}");
        }
        assert_eq!(parameter(Some("target=a;b&target=c"), "target").as_deref(), Some("c"));
        assert_eq!(parameter(Some("target=a%3Bb"), "target").as_deref(), Some("a;b"));
    }

    #[test]
    fn a_target_is_decoded_twice_only_where_that_makes_an_address() {
        for (once, meant) in [
            ("http://h%3A80", "http://h:80"),
            ("http%3A%2F%2Fh%3A80%2Fp%20q", "http://h:80/p q"),
            ("http%3A%2F%2Fh%3A80%2Fp%2520q", "http://h:80/p%20q"),
            ("h%3A80", "h:80"),
            ("[%3A%3A1]:80", "[::1]:80"),
            ("http://h/a%2Bb%20c?x=%2F", "http://h/a%2Bb%20c?x=%2F"),
            ("http://h/a+b", "http://h/a+b"),
            ("h/a%20b", "h/a%20b"),
            ("/run/a%20b+c.sock", "/run/a%20b+c.sock"),
            ("postmaster+test@example.org", "postmaster+test@example.org"),
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("%zz", "%zz"),
            ("%ff", "%ff"),
            ("a%0Ab%00", "a%0Ab%00"),
        ] {
            assert_eq!(target(Cow::Borrowed(once)), meant, "{once}");
        }
    }

    #[test]
    fn the_escaping_that_a_client_asks_for_is_echoed() {
        let escaping = |accept: &str| text_type(&accepting(accept)).rsplit_once('=').map(|(_, escaping)| escaping);
        assert_eq!(escaping("text/plain;version=0.0.4;escaping=allow-utf-8"), Some("allow-utf-8"));
        assert_eq!(escaping("application/openmetrics-text;escaping=values;q=0.5,*/*;q=0.1"), Some("values"));
        assert_eq!(escaping("text/plain;escaping=dots;q=0.9, a/b;escaping=values;q=0.1"), Some("dots"));
        assert_eq!(escaping("text/plain;escaping=other"), Some("underscores"));
        assert_eq!(text_type(&HeaderMap::new()), "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
    }

    #[test]
    fn seconds_are_read_as_in_go() {
        assert_eq!(
            ["1", "-1.5", "1e3", "inf", "-Inf"].map(seconds),
            [1.0, -1.5, 1000.0, f64::INFINITY, f64::NEG_INFINITY].map(Some)
        );
        assert_eq!(["abc", "NaN", "1e400", "", "1s"].map(seconds), [None; 5]);
    }
}
