//! From the first request to the answer that counts: follows redirects, and keeps credentials where they belong.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Version};
use hyper::body::Body as _;

use super::REDIRECTS;
use super::body::Payload;
use super::client::{Answer, Connection, Destination};
use super::cookies::Jar;
use super::headers;
use super::module::Settings;
use super::redirect::{self, Astray, REDIRECTS_MAX};
use super::url::Url;
use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::recorder::Recorder;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A request on its way, perhaps through redirects.
pub(super) struct Journey<'a> {
    pub(super) settings: &'a Settings,
    /// Where it goes now.
    pub(super) url: Cow<'a, Url>,
    /// Its address, unless that is the proxy's affair.
    pub(super) address: Option<IpAddr>,
    /// The name to ask for.
    pub(super) host: Cow<'a, HeaderValue>,
    /// The name to verify.
    pub(super) server_name: Cow<'a, str>,
    pub(super) method: Method,
    pub(super) body: Payload,
    /// Headers for the first host only.
    pub(super) confidential: HeaderMap,
    pub(super) authorization: Option<Cow<'a, HeaderValue>>,
    pub(super) jar: Jar,
    pub(super) route: Route<'a>,
}

/// What has become of the way.
pub(super) struct Route<'a> {
    /// The host that the credentials are for.
    pub(super) first_host: &'a str,
    /// Whether the way has never left that host, nor encryption once it was there.
    pub(super) is_trusted: bool,
    pub(super) redirects: u32,
    /// Whether the request's body was dropped with its method.
    pub(super) lost_body: bool,
}

/// The answer that counts.
pub(super) enum Arrival {
    /// An answer of which everything counts.
    Answer(Answer),
    /// A redirect that the module does not follow.
    Unfollowed(Answer),
    /// One redirect too many.
    Limit(Answer),
}

impl Journey<'_> {
    /// Asks until an answer is none that leads elsewhere.
    pub(super) async fn run(mut self, net: &Net, recorder: &mut Recorder) -> Result<Arrival, Failure> {
        loop {
            let answer = self.ask(net, recorder).await?;
            let head = &answer.head;
            let Some(location) = redirect::location(head.status, &head.headers) else {
                return Ok(Arrival::Answer(answer));
            };
            let keeps_method = redirect::keeps_method(head.status);
            if keeps_method && !self.body.can_be_repeated() {
                return Ok(Arrival::Answer(answer));
            }
            if !self.settings.follow_redirects {
                recorder.read(&REDIRECTS, 1.0);
                return Ok(Arrival::Unfollowed(answer));
            }
            let next = match redirect::resolve(&self.url, location) {
                Ok(next) => next,
                Err(Astray::Unreadable(failure)) => return Err(failure),
                Err(Astray::OtherScheme(failure)) => {
                    recorder.read(&REDIRECTS, f64::from(self.route.redirects + 1));
                    return Err(failure);
                }
            };
            self.route.redirects += 1;
            recorder.read(&REDIRECTS, f64::from(self.route.redirects));
            if self.route.redirects > REDIRECTS_MAX {
                return Ok(Arrival::Limit(answer));
            }
            self.jar.store(&self.url, &head.headers, recorder.wall_clock());
            let method = redirect::method(head.status, &self.method);
            if !keeps_method {
                self.body = Payload::default();
                self.route.lost_body = true;
            }
            // The connection is of no further use.
            drop(answer);
            self.turn(recorder, next, method);
        }
    }

    /// Goes where a redirect leads.
    fn turn(&mut self, recorder: &mut Recorder, next: redirect::Next, method: Method) {
        let redirect::Next { url, is_relative } = next;
        let scheme = if url.tls { "https" } else { "http" };
        recorder.note(format_args!("redirected to {scheme}://{}:{}{}", url.host, url.port, url.path.path()));
        let lost_encryption = self.url.tls && !url.tls;
        self.route.is_trusted &= !lost_encryption && url.host.eq_ignore_ascii_case(self.route.first_host);
        let is_same_host = url.host.eq_ignore_ascii_case(&self.url.host);
        if !is_relative {
            self.host = Cow::Owned(url.authority.clone());
            self.server_name = Cow::Owned(url.host.to_string());
        }
        self.method = method;
        self.url = Cow::Owned(url);
        if !is_same_host {
            self.address = None;
        }
    }

    /// One request and the head of its answer.
    async fn ask(&self, net: &Net, recorder: &mut Recorder) -> Result<Answer, Failure> {
        let is_first_host = self.url.host.eq_ignore_ascii_case(self.route.first_host);
        let tls = if is_first_host { &self.settings.tls } else { &self.settings.tls_elsewhere };
        let destination = Destination {
            url: &self.url,
            address: self.address,
            tls,
            name: &self.server_name,
            family: self.settings.family,
            proxies: self.settings.proxies.as_ref(),
        };
        let connection = Connection::open(net, recorder, &destination).await?;
        let request = self.request(&connection)?;
        self.note(recorder, connection.is_http2());
        let answer = connection.ask(recorder, request).await?;
        recorder.received(format_args!("{:?} {}", answer.head.version, answer.head.status));
        Ok(answer)
    }

    fn note(&self, recorder: &mut Recorder, is_http2: bool) {
        // What a peer puts into a query may be a secret of its own.
        let is_own = self.route.redirects == 0;
        let path: &dyn std::fmt::Display = if is_own { &self.url.path } else { &self.url.path.path() };
        let version = if is_http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        recorder.sent(format_args!("{} {path} {version:?}", self.method));
    }

    fn request(&self, connection: &Connection) -> Result<Request<Payload>, Failure> {
        let is_http2 = connection.is_http2();
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers(is_http2)?;
        *request.uri_mut() = if is_http2 {
            *request.version_mut() = Version::HTTP_2;
            absolute(Scheme::HTTPS, &self.host, self.url.path.clone())?
        } else if let Some(proxy) = &connection.reader {
            if let Some(authorization) = proxy.authorization() {
                request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
            }
            absolute(Scheme::HTTP, &self.host, self.url.path.clone())?
        } else {
            Uri::from(self.url.path.clone())
        };
        Ok(request)
    }

    fn headers(&self, is_http2: bool) -> Result<HeaderMap, Failure> {
        let module = &self.settings.headers.open;
        let mut headers = HeaderMap::with_capacity(module.len() + self.confidential.len() + 4);
        if !is_http2 {
            headers.insert(header::HOST, HeaderValue::clone(&self.host));
        }
        self.extend(&mut headers, module);
        if !is_http2 && !headers.contains_key(header::CONNECTION) {
            headers.insert(header::CONNECTION, CLOSE);
        }
        let mut authorization = self.url.authorization.as_ref();
        if self.route.is_trusted {
            self.extend(&mut headers, &self.confidential);
            authorization = authorization.or(self.authorization.as_deref());
        }
        if let Some(authorization) = authorization
            && !headers.contains_key(header::AUTHORIZATION)
        {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        // A method that means to send something says that it sends nothing (RFC 9110 section 8.6).
        if self.body.is_end_stream() && [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let cookies = self.jar.header(&self.url);
        if !cookies.is_empty() {
            add_cookies(&mut headers, cookies)?;
        }
        Ok(headers)
    }

    fn extend(&self, headers: &mut HeaderMap, more: &HeaderMap) {
        let is_left_out = |name: &HeaderName| self.route.lost_body && headers::OF_BODY.contains(name);
        for (name, value) in more.iter().filter(|(name, _)| !is_left_out(name)) {
            headers.append(name, value.clone());
        }
    }
}

/// The URI of a request over HTTP/2, where its authority stands for the Host header (RFC 9113 section 8.3.1), or to a
/// proxy (RFC 9112 section 3.2.2).
fn absolute(scheme: Scheme, host: &HeaderValue, path: PathAndQuery) -> Result<Uri, Failure> {
    let unusable = || Failure::new(Reason::ConfigUnusable, "the Host header is not one that a URL can carry");
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| unusable())?);
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| unusable())
}

/// Cookies share one line with those that the module sets.
fn add_cookies(headers: &mut HeaderMap, cookies: String) -> Result<(), Failure> {
    let mut line = match headers.get(header::COOKIE) {
        Some(own) => [own.as_bytes(), b"; "].concat(),
        None => Vec::new(),
    };
    line.extend_from_slice(cookies.as_bytes());
    let mut line = HeaderValue::try_from(line)
        .map_err(|_| Failure::new(Reason::ProtocolError, "the peer set a cookie that no request can carry"))?;
    line.set_sensitive(true);
    headers.insert(header::COOKIE, line);
    Ok(())
}
