//! A cookie jar that lives for one run (RFC 6265).
//!
//! A redirect may set a cookie that the next request must bring, and a module may bring some of its own. It knows no public suffixes, so
//! a domain without a dot is nobody's.

use std::net::IpAddr;
use std::time::SystemTime;

use http::header::{HeaderMap, SET_COOKIE};

use super::url::Url;
use crate::failure::{Failure, Reason};

/// Most cookies of one run (RFC 6265 section 6.1 asks for fifty of a domain).
const COOKIES_MAX: usize = 50;
/// Longest cookie in bytes (RFC 6265 section 6.1).
const COOKIE_BYTES_MAX: usize = 4096;

/// The cookies of one run.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Cookie>);

#[derive(Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    /// Whom it goes to.
    domain: String,
    /// Whether it goes to hosts below the domain too.
    wide: bool,
    path: String,
    secure: bool,
    /// Whether it is the module's: it goes to the target's origin only.
    own: bool,
}

impl Jar {
    /// Takes a cookie that the module brings to the target.
    pub(super) fn bring(&mut self, url: &Url, name: &str, value: &str) -> Result<(), Failure> {
        // RFC 6265 section 4.1.1.
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
        let is_name = !name.is_empty() && name.bytes().all(|byte| fits(byte) && byte != b'=');
        if !is_name || !value.bytes().all(fits) {
            let message = format_args!("cookie {name:?} is not one that a request can carry");
            return Err(Failure::new(Reason::ConfigUnusable, message));
        }
        self.0.push(Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: url.host.to_ascii_lowercase(),
            wide: false,
            path: "/".to_owned(),
            secure: url.tls,
            own: true,
        });
        Ok(())
    }

    /// Takes the cookies of an answer.
    pub(super) fn store(&mut self, url: &Url, headers: &HeaderMap, now: SystemTime) {
        for value in headers.get_all(SET_COOKIE).iter().take(COOKIES_MAX) {
            let Some(line) = std::str::from_utf8(value.as_bytes()).ok().filter(|line| line.len() <= COOKIE_BYTES_MAX)
            else {
                continue;
            };
            let Some((cookie, is_over)) = parse(url, line, now) else { continue };
            self.0.retain(|known| {
                (&known.name, &known.domain, &known.path) != (&cookie.name, &cookie.domain, &cookie.path)
            });
            if !is_over && self.0.len() < COOKIES_MAX {
                self.0.push(cookie);
            }
        }
    }

    /// The cookies for a request, as one header value; empty if there are none. The module's own go only where the way
    /// never left the target's origin.
    pub(super) fn header(&self, url: &Url, is_home: bool) -> String {
        let fits = |cookie: &&Cookie| cookie.fits(url) && (is_home || !cookie.own);
        let mut fitting: Vec<&Cookie> = self.0.iter().filter(fits).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        pairs.join("; ")
    }
}

impl Cookie {
    fn fits(&self, url: &Url) -> bool {
        let is_host = url.host.eq_ignore_ascii_case(&self.domain);
        let is_in_path = url
            .path
            .path()
            .strip_prefix(&self.path)
            .is_some_and(|rest| self.path.ends_with('/') || rest.is_empty() || rest.starts_with('/'));
        (is_host || self.wide && is_below(&url.host, &self.domain)) && is_in_path && (url.tls || !self.secure)
    }
}

/// Whether a host is in a domain but not the domain itself (RFC 6265 section 5.1.3).
fn is_below(host: &str, domain: &str) -> bool {
    let head = host.len().checked_sub(domain.len() + 1).and_then(|at| host.split_at_checked(at));
    host.parse::<IpAddr>().is_err()
        && head.is_some_and(|(_, tail)| tail.starts_with('.') && tail[1..].eq_ignore_ascii_case(domain))
}

/// A cookie and whether it is over already; `None` if the line is none that the host may set.
fn parse(url: &Url, line: &str, now: SystemTime) -> Option<(Cookie, bool)> {
    let mut parts = line.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        return None;
    }
    let request_path = url.path.path();
    let directory = request_path.rfind('/').filter(|end| *end > 0).map_or("/", |end| &request_path[..end]);
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain: url.host.to_ascii_lowercase(),
        wide: false,
        path: directory.to_owned(),
        secure: false,
        own: false,
    };
    let mut expires = None;
    let mut max_age = None;
    for attribute in parts {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                if domain != cookie.domain && !(domain.contains('.') && is_below(&url.host, &domain)) {
                    return None;
                }
                cookie.wide = true;
                cookie.domain = domain;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => expires = httpdate::parse_http_date(value).ok(),
            _ => {}
        }
    }
    let is_over = match max_age {
        Some(seconds) => seconds <= 0,
        None => expires.is_some_and(|expires| expires <= now),
    };
    Some((cookie, is_over))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2020-01-01T00:00:00Z.
    const NOW: Duration = Duration::from_secs(1_577_836_800);

    fn jar(url: &str, lines: &[&str]) -> Jar {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SET_COOKIE, line.parse().expect("a value"));
        }
        let mut jar = Jar::default();
        jar.store(&Url::parse(url).expect("a URL"), &headers, SystemTime::UNIX_EPOCH + NOW);
        jar
    }

    fn sent(jar: &Jar, url: &str) -> String {
        jar.header(&Url::parse(url).expect("a URL"), false)
    }

    #[test]
    fn cookies_return_to_their_host_and_path() {
        let jar = jar("http://a.example/x/y", &["one=1", "two=2; Path=/", "three=3; Path=/x/y/z"]);
        assert_eq!(sent(&jar, "http://a.example/x/q"), "one=1; two=2");
        assert_eq!(sent(&jar, "http://a.example/xx"), "two=2");
        assert_eq!(sent(&jar, "http://b.example/x/q"), "");
        assert_eq!(sent(&jar, "http://sub.a.example/"), "");
    }

    #[test]
    fn a_domain_widens_a_cookie_within_bounds() {
        let jar = jar(
            "http://a.b.example/",
            &["one=1; Domain=.b.example", "two=2; Domain=other.example", "three=3; Domain=example"],
        );
        assert_eq!(sent(&jar, "http://c.b.example/"), "one=1");
        assert_eq!(sent(&jar, "http://b.example/"), "one=1");
        assert_eq!(sent(&jar, "http://xb.example/"), "");
        assert_eq!(sent(&jar, "http://other.example/"), "");
    }

    #[test]
    fn secure_and_ended_cookies_stay_in_the_jar() {
        let lines = [
            "one=1; Secure; Expires=Wed, 01 Jan 2020 00:00:01 GMT",
            "two=2; Expires=Wed, 01 Jan 2020 00:00:00 GMT",
            "three=3; Max-Age=0",
        ];
        let jar = jar("https://a.example/", &lines);
        assert_eq!(sent(&jar, "https://a.example/"), "one=1");
        assert_eq!(sent(&jar, "http://a.example/"), "");
    }

    #[test]
    fn a_jar_holds_only_so_many() {
        let lines: Vec<String> = (0..200).map(|n| format!("c{n}={n}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(jar("http://a.example/", &lines).0.len(), COOKIES_MAX);
    }
}
