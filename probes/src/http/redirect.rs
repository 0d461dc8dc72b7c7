//! Where a redirect leads (RFC 9110 section 15.4) and what goes along.

use http::header::{HeaderMap, LOCATION};
use http::{Method, StatusCode};

use super::url::Url;
use crate::failure::{Failure, Reason, shown};

/// Most redirects of one run where the module does not say otherwise, as in blackbox_exporter.
pub(super) const REDIRECTS_MAX: u32 = 10;

/// How much of a Location is quoted in bytes. Chosen: enough to recognise it.
const QUOTE_BYTES_MAX: usize = 200;

/// The Location of an answer that is a redirect.
pub(super) fn location(status: StatusCode, headers: &HeaderMap) -> Option<&[u8]> {
    let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    headers
        .get(LOCATION)
        .filter(|_| is_redirect)
        .map(http::HeaderValue::as_bytes)
        .filter(|location| !location.is_empty())
}

/// Whether method and body stay as they are (307 and 308).
pub(super) fn keeps_method(status: StatusCode) -> bool {
    matches!(status.as_u16(), 307 | 308)
}

/// The method of the next request.
pub(super) fn method(status: StatusCode, method: &Method) -> Method {
    if keeps_method(status) || *method == Method::HEAD { method.clone() } else { Method::GET }
}

/// Where a redirect leads.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) url: Url,
    /// Whether it stays with the scheme, host and port it came from, without naming them.
    pub(super) is_relative: bool,
}

/// Why a Location leads nowhere.
#[derive(Debug)]
pub(super) enum Astray {
    /// It is no URL.
    Unreadable(Failure),
    /// Its scheme is not HTTP's.
    OtherScheme(Failure),
}

/// Reads a Location against the URL it came from.
pub(super) fn resolve(from: &Url, location: &[u8]) -> Result<Next, Astray> {
    let unreadable = |why: &dyn std::fmt::Display| {
        let quoted = shown(without_query(location), QUOTE_BYTES_MAX);
        Astray::Unreadable(Failure::new(Reason::RedirectInvalid, format_args!("redirect to {quoted:?}: {why}")))
    };
    let text = std::str::from_utf8(location).map_err(|error| unreadable(&error))?;
    let base = url::Url::parse(&from.without_user()).map_err(|error| unreadable(&error))?;
    let joined = base.join(text).map_err(|error| unreadable(&error))?;
    if !matches!(joined.scheme(), "http" | "https") {
        let message = format_args!("redirect to a URL of scheme {}", joined.scheme());
        return Err(Astray::OtherScheme(Failure::new(Reason::RedirectInvalid, message)));
    }
    let names_host = url::Url::parse(text).is_ok() || joined.origin() != base.origin();
    let url = Url::parse(joined.as_str()).map_err(|error| unreadable(&error))?;
    Ok(Next { url, is_relative: !names_host })
}

fn without_query(location: &[u8]) -> &[u8] {
    location.split(|byte| *byte == b'?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(location: &str) -> Result<(String, bool), bool> {
        let from = Url::parse("http://u:p@h.example:81/a/b?c").expect("a URL");
        match resolve(&from, location.as_bytes()) {
            Ok(next) => Ok((next.url.without_user(), next.is_relative)),
            Err(astray) => Err(matches!(astray, Astray::OtherScheme(_))),
        }
    }

    #[test]
    fn locations_are_read_against_their_origin() {
        for (location, url, is_relative) in [
            ("/x?y", "http://h.example:81/x?y", true),
            ("x", "http://h.example:81/a/x", true),
            ("../x#f", "http://h.example:81/x", true),
            ("?q", "http://h.example:81/a/b?q", true),
            ("http://h.example:81/x", "http://h.example:81/x", false),
            ("//other.example/x", "http://other.example/x", false),
            ("/\\other.example/x", "http://other.example/x", false),
            ("https://Other.example:443/", "https://other.example/", false),
        ] {
            assert_eq!(led(location), Ok((url.to_owned(), is_relative)), "{location}");
        }
        assert_eq!(led("http://[::1/"), Err(false));
        assert_eq!(led("file:///etc/passwd"), Err(true));
    }
}
