//! Where the pages are: the URL under which they are reached from outside, and the prefix of every path.

use std::borrow::Cow;

use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::http::uri::PathAndQuery;
use hyper::{Response, StatusCode, Uri};
use url::Url;

use crate::web::{Body, plain};

/// Where the pages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The URL from outside, without a slash at its end.
    external: Box<str>,
    /// With a slash at both ends.
    prefix: Box<str>,
}

impl Default for Site {
    fn default() -> Self {
        Self { external: "/".into(), prefix: "/".into() }
    }
}

impl Site {
    /// The place that these flags name. Without an external URL it is this machine's, at the port of `listen`.
    pub fn new(external_url: &str, route_prefix: &str, listen: Option<&str>) -> Result<Self, String> {
        let url: Cow<'_, str> = match (external_url, listen) {
            ("", Some(listen)) => derived(listen)?.into(),
            ("", None) => {
                return Err("--web.systemd-socket needs --web.external-url, which cannot be told from a socket".into());
            }
            (url, _) => url.into(),
        };
        let (before, path, after) = split(&url).map_err(|why| format!("--web.external-url {url:?}: {why}"))?;
        let trimmed = path.trim_end_matches('/');
        let slash = if trimmed.is_empty() || trimmed.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{trimmed}");
        let route = if route_prefix.is_empty() { path.as_str() } else { route_prefix }.trim_matches('/');
        if route.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) || route.contains(['?', '#'])
        {
            return Err(format!("--web.route-prefix {route_prefix:?} is no path"));
        }
        let prefix = if route.is_empty() { "/".to_owned() } else { format!("/{route}/") };
        Ok(Self { external: format!("{before}{path}{after}").into(), prefix: prefix.into() })
    }

    /// Turns a request's path into one below the prefix, so that nobody else needs to know the prefix. What is not below
    /// it is answered at once.
    pub(super) fn enter(&self, uri: &mut Uri) -> Result<(), Box<Response<Body>>> {
        if &*self.prefix == "/" {
            return Ok(());
        }
        let path = uri.path();
        if path == "/" {
            let external = if self.external.is_empty() { "/" } else { &*self.external };
            return Err(redirect(StatusCode::FOUND, external));
        }
        if path == &self.prefix[..self.prefix.len() - 1] {
            let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
            return Err(redirect(StatusCode::TEMPORARY_REDIRECT, &format!("{}{query}", self.prefix)));
        }
        let inner = path.strip_prefix(&*self.prefix).map(|_| &path[self.prefix.len() - 1..]);
        let inner = inner.and_then(|inner| {
            let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
            PathAndQuery::try_from(format!("{inner}{query}")).ok()
        });
        let Some(inner) = inner else { return Err(Box::new(plain(StatusCode::NOT_FOUND, "404 page not found\n"))) };
        *uri = Uri::from(inner);
        Ok(())
    }
}

/// The way from a page at this path, below the prefix, back to the front page: for links that hold under any prefix, also
/// one that a proxy adds.
pub(super) fn way_back(path: &str) -> String {
    match path.bytes().filter(|byte| *byte == b'/').count() {
        0 | 1 => "./".to_owned(),
        depth => "../".repeat(depth - 1),
    }
}

/// In the form of Go's library, which the reference uses.
fn redirect(status: StatusCode, to: &str) -> Box<Response<Body>> {
    let escaped = to.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    let words = status.canonical_reason().unwrap_or_default();
    let mut response = plain(status, format!("<a href=\"{escaped}\">{words}</a>.\n\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    Box::new(response)
}

/// The URL of this machine at the port of a listener.
fn derived(listen: &str) -> Result<String, String> {
    let port = listen.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.contains([']', '/']));
    let port = port.ok_or_else(|| format!("--web.listen-address {listen:?} has no port"))?;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = if name.trim().is_empty() { "localhost" } else { name.trim() };
    Ok(format!("http://{name}:{port}/"))
}

/// A URL, or a path alone, as what is before its path, the path, and what is after.
fn split(url: &str) -> Result<(&str, &str, &str), String> {
    if url.starts_with(['\'', '"']) || url.ends_with(['\'', '"']) {
        return Err("it must not begin or end with quotes".to_owned());
    }
    if url.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err("it holds blanks or control characters".to_owned());
    }
    let first_segment = url.split(['/', '?', '#']).next().unwrap_or_default();
    let path_at = if first_segment.contains(':') {
        let parsed = Url::parse(url).map_err(|error| error.to_string())?;
        if parsed.cannot_be_a_base() {
            return Ok((url, "", ""));
        }
        let host = url.find("://").map_or(url.len(), |scheme| scheme + 3);
        url[host..].find(['/', '?', '#']).map_or(url.len(), |path| host + path)
    } else if let Some(host) = url.strip_prefix("//") {
        host.find(['/', '?', '#']).map_or(url.len(), |path| path + 2)
    } else {
        0
    };
    let (before, rest) = url.split_at(path_at);
    let (path, after) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    Ok((before, path, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(external_url: &str, route_prefix: &str) -> (String, String) {
        let site = Site::new(external_url, route_prefix, Some(":9115")).unwrap();
        (site.external.into(), site.prefix.into())
    }

    fn entered(site: &Site, path: &str) -> String {
        let mut uri: Uri = path.parse().unwrap();
        match site.enter(&mut uri) {
            Ok(()) => uri.to_string(),
            Err(response) => {
                let to = response.headers().get(LOCATION).map_or("", |to| to.to_str().unwrap());
                format!("{} {to}", response.status().as_u16()).trim_end().to_owned()
            }
        }
    }

    #[test]
    fn the_path_of_the_external_url_is_the_prefix() {
        let cases = [
            ("http://h/bb/", "", ("http://h/bb", "/bb/")),
            ("http://h/bb///", "", ("http://h/bb", "/bb/")),
            ("http://h", "", ("http://h", "/")),
            ("http://h:1/a/b?c=d/", "", ("http://h:1/a/b?c=d/", "/a/b/")),
            ("bb", "", ("/bb", "/bb/")),
            ("/bb/", "", ("/bb", "/bb/")),
            ("example.org/bb", "", ("/example.org/bb", "/example.org/bb/")),
            ("http://h/bb", "/", ("http://h/bb", "/")),
            ("http://h/bb", "x/y/", ("http://h/bb", "/x/y/")),
        ];
        for (external, route, (url, prefix)) in cases {
            assert_eq!(site(external, route), (url.to_owned(), prefix.to_owned()), "{external} {route}");
        }
        let (url, prefix) = site("", "");
        assert!(url.starts_with("http://") && url.ends_with(":9115") && prefix == "/", "{url} {prefix}");
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for wrong in ["'http://a'", "http://a\"", ":::", "http://a b/", "http://[::1/", "1x:2", "http://h:port/"] {
            assert!(Site::new(wrong, "", Some(":9115")).is_err(), "{wrong}");
        }
        for wrong in ["a b", "a?b"] {
            assert!(Site::new("http://a/", wrong, Some(":9115")).is_err(), "{wrong}");
        }
        assert!(Site::new("", "", Some("localhost")).is_err());
        assert!(Site::new("", "", Some("[::1]")).is_err());
        assert!(Site::new("", "", None).is_err());
    }

    #[test]
    fn every_path_is_below_the_prefix_or_nowhere() {
        let site = Site::new("http://ex/bb/", "", Some(":9115")).unwrap();
        let cases = [
            ("/", "302 http://ex/bb"),
            ("/bb", "307 /bb/"),
            ("/bb?x=1", "307 /bb/?x=1"),
            ("/bb/", "/"),
            ("/bb/probe?target=a", "/probe?target=a"),
            ("/bb//evil/", "//evil/"),
            ("http://ex/bb/metrics", "/metrics"),
            ("/probe", "404"),
            ("/bbq/probe", "404"),
        ];
        for (path, answer) in cases {
            assert_eq!(entered(&site, path), answer, "{path}");
        }
        assert_eq!(entered(&Site::default(), "/probe?a"), "/probe?a");
    }

    #[test]
    fn links_lead_back_from_any_depth() {
        assert_eq!(["/", "/a", "/a/", "/a/b", "//"].map(way_back), ["./", "./", "../", "../", "../"]);
    }
}
