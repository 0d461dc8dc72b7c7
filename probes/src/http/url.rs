//! What an `http` target names: scheme, host, port, path, and perhaps a user.
//!
//! A target is read more leniently than a URL (RFC 3986): the scheme may be missing, and bytes that may not stand in a
//! path or a query are escaped. What was written stays as it was otherwise: nothing is normalised.

use std::fmt::Write as _;

use http::HeaderValue;
use http::uri::PathAndQuery;

use super::auth;
use crate::failure::shown;

/// Longest URL in bytes. RFC 9110 section 4.1 asks for 8000 at least.
pub(super) const URL_BYTES_MAX: usize = 8192;

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) struct Url {
    /// Whether it goes there encrypted.
    pub(crate) tls: bool,
    /// Name or address, without brackets.
    pub(crate) host: Box<str>,
    /// The port.
    pub(crate) port: u16,
    /// Host and port as they were written: the Host header.
    pub(crate) authority: HeaderValue,
    /// Path and query.
    pub(crate) path: PathAndQuery,
    /// The user in the URL as an Authorization header.
    pub(crate) authorization: Option<HeaderValue>,
}

impl Url {
    /// Reads a target. A text without `http://` or `https://` is one of the former.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text, false)
    }

    /// As [`Self::parse`], but every URL is one of `https://`.
    pub(super) fn parse_encrypted(text: &str) -> Result<Self, String> {
        Self::read(text, true)
    }

    fn read(text: &str, is_encrypted: bool) -> Result<Self, String> {
        let (tls, rest) = match without_scheme(text, "https://") {
            Some(rest) => (true, rest),
            None => (is_encrypted, without_scheme(text, "http://").unwrap_or(text)),
        };
        Self::after_scheme(tls, rest)
    }

    /// Reads what follows the scheme.
    pub(crate) fn after_scheme(tls: bool, rest: &str) -> Result<Self, String> {
        if rest.len() > URL_BYTES_MAX {
            return Err(format!("the URL is longer than {URL_BYTES_MAX} bytes"));
        }
        if rest.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("the URL has a control character in it".to_owned());
        }
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        let (host, port_text) = host_and_port(authority)?;
        let port = match port_text {
            "" => Self::default_port(tls),
            text => text.parse().map_err(|_| format!("invalid port {:?}", shown(text.as_bytes(), 20)))?,
        };
        let host = ascii_host(host)?;
        Ok(Self {
            tls,
            authority: written_authority(&host, port_text)?,
            host,
            port,
            path: path_and_query(path)?,
            authorization: user.map(authorization).transpose()?,
        })
    }

    /// Whether the port is the scheme's because none was written.
    pub(super) fn names_no_port(&self) -> bool {
        let authority = self.authority.as_bytes();
        authority.len() == self.host.len() || authority.ends_with(b"]")
    }

    /// Whether a request to another URL stays with whom a request to this one trusted: scheme, host and port are the same
    /// (RFC 6454 section 4), or it only turns to the encrypted service of the same host.
    pub(super) fn is_origin_of(&self, other: &Self) -> bool {
        let is_upgrade = (self.tls, self.port, other.tls, other.port) == (false, 80, true, 443);
        self.host.eq_ignore_ascii_case(&other.host) && (is_upgrade || (self.tls, self.port) == (other.tls, other.port))
    }

    /// The port of a URL that names none (RFC 9110 section 4.2).
    pub(crate) const fn default_port(tls: bool) -> u16 {
        if tls { 443 } else { 80 }
    }

    /// The URL without user.
    pub(super) fn without_user(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority.to_str().unwrap_or_default(), self.path)
    }
}

/// Whether a target asks for the scheme without encryption.
pub(super) fn is_unencrypted(text: &str) -> bool {
    without_scheme(text, "http://").is_some()
}

fn without_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
}

/// Splits host and port; the port is empty if there is none.
fn host_and_port(authority: &str) -> Result<(&str, &str), String> {
    let invalid = || format!("invalid host {:?}", shown(authority.as_bytes(), 100));
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(invalid)?;
            match rest {
                "" => (host, ""),
                _ => (host, rest.strip_prefix(':').ok_or_else(invalid)?),
            }
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("invalid port {:?}", shown(port.as_bytes(), 20)));
    }
    Ok((host, port))
}

/// The host with only such characters as a name or an address has.
fn ascii_host(host: &str) -> Result<Box<str>, String> {
    let invalid = || format!("invalid host {:?}", shown(host.as_bytes(), 100));
    if host.is_ascii() {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%".contains(&byte);
        if !host.bytes().all(fits) {
            return Err(invalid());
        }
        // A zone is written with the percent sign escaped (RFC 6874 section 2), but often is not.
        return Ok(match host.split_once("%25") {
            Some((address, zone)) if address.contains(':') => format!("{address}%{zone}").into(),
            _ => host.into(),
        });
    }
    match url::Host::parse(host) {
        Ok(url::Host::Domain(name)) => Ok(name.into()),
        _ => Err(invalid()),
    }
}

fn written_authority(host: &str, port: &str) -> Result<HeaderValue, String> {
    let mut authority = String::with_capacity(host.len() + port.len() + 3);
    if host.contains(':') {
        // A zone means something on this machine only (RFC 6874 section 4).
        let address = host.split_once('%').map_or(host, |(address, _)| address);
        let _ = write!(authority, "[{address}]");
    } else {
        authority.push_str(host);
    }
    if !port.is_empty() {
        let _ = write!(authority, ":{port}");
    }
    HeaderValue::try_from(authority).map_err(|_| "invalid host".to_owned())
}

/// Path and query as they are sent: what must not stand there is escaped.
fn path_and_query(text: &str) -> Result<PathAndQuery, String> {
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    if !escapes_are_whole(path) {
        return Err("invalid escape in the path".to_owned());
    }
    let path_fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%[]".contains(&byte);
    let query_fits = |byte: u8| !matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | 0x7f);
    let mut sent = String::with_capacity(text.len() + 1);
    if path.is_empty() {
        sent.push('/');
    }
    escape(&mut sent, path, path_fits);
    escape(&mut sent, query, query_fits);
    PathAndQuery::try_from(sent).map_err(|error| format!("invalid path: {error}"))
}

fn escapes_are_whole(path: &str) -> bool {
    let mut parts = path.split('%');
    parts.next();
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    parts.all(|part| is_hex(part.as_bytes().first()) && is_hex(part.as_bytes().get(1)))
}

fn escape(sent: &mut String, text: &str, fits: impl Fn(u8) -> bool) {
    for c in text.chars() {
        if c.is_ascii() && fits(c as u8) || !c.is_ascii() && fits(0x80) {
            sent.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(sent, "%{byte:02X}");
            }
        }
    }
}

/// User name and password of a URL without scheme.
pub(super) fn user(rest: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, _) = authority.rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    Some((unescaped(name), unescaped(password)))
}

fn authorization(user: &str) -> Result<HeaderValue, String> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    auth::basic(&unescaped(name), &unescaped(password)).map_err(|_| "invalid user".to_owned())
}

/// The bytes that a text with escapes means.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = if byte == b'%' { after.get(..2).and_then(|two| std::str::from_utf8(two).ok()) } else { None };
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(meant) => {
                bytes.push(meant);
                rest = &after[2..];
            }
            None => bytes.push(byte),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<(bool, String, u16, String, String), String> {
        let Url { tls, host, port, authority, path, .. } = Url::parse(text)?;
        Ok((tls, host.into(), port, authority.to_str().expect("text").to_owned(), path.to_string()))
    }

    #[test]
    fn targets_are_read() {
        for (text, tls, host, port, authority, path) in [
            ("example.org", false, "example.org", 80, "example.org", "/"),
            ("HTTP://example.org:8080?x=1#y", false, "example.org", 8080, "example.org:8080", "/?x=1"),
            ("HtTpS://u:p@example.org/a/../b", true, "example.org", 443, "example.org", "/a/../b"),
            ("https://h:443/", true, "h", 443, "h:443", "/"),
            ("http://h:/", false, "h", 80, "h", "/"),
            ("http://[::1]:81/", false, "::1", 81, "[::1]:81", "/"),
            ("http://[fe80::1%25eth0]/", false, "fe80::1%eth0", 80, "[fe80::1]", "/"),
            ("http:///x", false, "", 80, "", "/x"),
            ("ftp://h/x", false, "ftp", 80, "ftp", "//h/x"),
            ("http://h/ü b|%2F?q=ü b\"", false, "h", 80, "h", "/%C3%BC%20b%7C%2F?q=ü%20b%22"),
            ("http://müller.example/", false, "xn--mller-kva.example", 80, "xn--mller-kva.example", "/"),
        ] {
            let read = (tls, host.to_owned(), port, authority.to_owned(), path.to_owned());
            assert_eq!(parts(text), Ok(read), "{text}");
        }
    }

    #[test]
    fn targets_that_are_no_urls_are_refused() {
        for text in
            ["http://h:abc/", "http://h:65536/", "http://h/%zz", "http://h/%4", "http://a b/", "http://[::1", "h\n"]
        {
            assert!(parts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_user_becomes_basic_credentials() {
        let url = Url::parse("http://al%3Ai:p%40ss@h/").expect("a URL");
        assert_eq!(url.authorization.expect("credentials"), "Basic YWw6aTpwQHNz");
        assert_eq!(url.authority, "h");
    }
}
