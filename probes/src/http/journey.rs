//! From the first request to the answer that counts: follows redirects, and keeps credentials where they belong.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Version};
use hyper::body::Body as _;

use super::REDIRECTS;
use super::body::Payload;
use super::client::{Answer, Connection, Destination};
use super::cookies::Jar;
use super::headers::{self, Confidential};
use super::http3;
use super::module::Settings;
use super::phases::OF_TARGET;
use super::redirect::{self, Astray};
use super::url::Url;
use crate::failure::{Failure, Reason};
use crate::net::Net;
use crate::recorder::Recorder;
use crate::target::{HostPort, port_number};

/// A connection serves one request.
pub(super) const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A request on its way, perhaps through redirects.
pub(super) struct Journey<'a> {
    pub(super) settings: &'a Settings,
    /// Where it goes now.
    pub(super) url: Cow<'a, Url>,
    /// Its address, unless that is the proxy's affair.
    pub(super) address: Option<SocketAddr>,
    /// The name to ask for.
    pub(super) host: Cow<'a, HeaderValue>,
    /// The name to verify.
    pub(super) server_name: Cow<'a, str>,
    pub(super) method: Method,
    pub(super) body: Payload,
    /// Headers for the target's origin only.
    pub(super) confidential: Cow<'a, Confidential>,
    pub(super) authorization: Option<Cow<'a, HeaderValue>>,
    pub(super) jar: Jar,
    pub(super) route: Route<'a>,
}

/// What has become of the way.
pub(super) struct Route<'a> {
    /// Whom everything confidential is for.
    pub(super) first: &'a Url,
    /// Whether the way never left the target's origin, nor encryption once it was there.
    pub(super) is_home: bool,
    /// Whether credentials still go along. They are lost too where blackbox_exporter loses them.
    pub(super) keeps_credentials: bool,
    /// Whether the present hop is one to the target: its address, and what it is verified for, are the target's.
    pub(super) is_target: bool,
    pub(super) redirects: u32,
    /// Whether the request's body was dropped with its method.
    pub(super) lost_body: bool,
}

impl<'a> Route<'a> {
    /// The way begins.
    pub(super) const fn from(first: &'a Url) -> Self {
        Self { first, is_home: true, keeps_credentials: true, is_target: true, redirects: 0, lost_body: false }
    }

    /// Goes from one URL to the next. blackbox_exporter asks the target by its address; so an absolute redirect to the
    /// target's name leads, as it sees it, to another host.
    fn turn(&mut self, from: &Url, next: &redirect::Next, trusts_own_name: bool) {
        let redirect::Next { url, is_relative } = next;
        let is_known = *is_relative || trusts_own_name || url.host.parse::<IpAddr>().is_ok();
        self.is_home &= self.first.is_origin_of(url) && (url.tls || !from.tls);
        self.keeps_credentials &= self.is_home && is_known;
        if !is_relative {
            self.is_target = is_known && url.host.eq_ignore_ascii_case(&self.first.host);
        }
    }
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
            if self.settings.http3 && !next.url.tls {
                return Err(Failure::new(Reason::RedirectInvalid, "redirect to http://, where HTTP/3 is not spoken"));
            }
            if self.route.redirects > self.settings.redirect_limit {
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
        let next = redirect::Next { url, is_relative };
        self.route.turn(&self.url, &next, self.settings.trust_own_name_redirects);
        let redirect::Next { url, .. } = next;
        if !is_relative {
            self.host = Cow::Owned(url.authority.clone());
            self.server_name = Cow::Owned(url.host.to_string());
            // blackbox_exporter asks for the address again.
            if !self.route.is_target {
                self.address = None;
            }
        }
        self.method = method;
        self.url = Cow::Owned(url);
    }

    /// One request and the head of its answer.
    async fn ask(&self, net: &Net, recorder: &mut Recorder) -> Result<Answer, Failure> {
        let tls = self.settings.tls.choose(self.route.is_target, self.route.is_home);
        let destination = Destination {
            url: &self.url,
            address: self.address,
            tls,
            name: &self.server_name,
            family: self.settings.family,
            proxies: self.settings.proxies.as_ref(),
            phases: &OF_TARGET,
            head_limits: self.settings.head_limits,
        };
        let answer = if self.settings.http3 {
            // In a box, so that other probes need not carry the room for it.
            Box::pin(self.ask_over_http3(net, recorder, &destination)).await?
        } else {
            let connection = Connection::open(net, recorder, &destination).await?;
            if connection.reader.is_some() {
                self.permit_named(net)?;
            }
            let request = self.request(&connection)?;
            self.note(recorder, if connection.is_http2() { Version::HTTP_2 } else { Version::HTTP_11 });
            connection.ask(recorder, &OF_TARGET, request).await?
        };
        recorder.received(format_args!("{:?} {}", answer.head.version, answer.head.status));
        Ok(answer)
    }

    /// A proxy that reads the request goes by the host it names, which need not be the target's.
    fn permit_named(&self, net: &Net) -> Result<(), Failure> {
        let named = self.host.to_str().ok().and_then(HostPort::split);
        let HostPort { host, port } = named.unwrap_or(HostPort { host: "", port: None });
        net.permit_unresolved(host, port.map_or(Some(80), port_number).unwrap_or(0))
    }

    async fn ask_over_http3(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        to: &Destination<'_>,
    ) -> Result<Answer, Failure> {
        let connection = http3::Connection::open(net, recorder, to).await?;
        let mut request = Request::new(());
        *request.version_mut() = Version::HTTP_3;
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = absolute(Scheme::HTTPS, &self.host, self.url.path.clone())?;
        *request.headers_mut() = self.headers(true)?;
        // Such headers are of HTTP/1 (RFC 9114 section 4.2); its library sees to that by itself.
        for name in &headers::OF_CONNECTION {
            request.headers_mut().remove(name);
        }
        if let Some(length) = self.body.size_hint().exact().filter(|length| *length > 0) {
            request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        self.note(recorder, Version::HTTP_3);
        connection.ask(recorder, request, &self.body).await
    }

    fn note(&self, recorder: &mut Recorder, version: Version) {
        // What a peer puts into a query may be a secret of its own.
        let is_own = self.route.redirects == 0;
        let path: &dyn std::fmt::Display = if is_own { &self.url.path } else { &self.url.path.path() };
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
        let Confidential { credentials, secrets } = &*self.confidential;
        let mut headers = HeaderMap::with_capacity(module.len() + credentials.len() + secrets.len() + 4);
        if !is_http2 {
            headers.insert(header::HOST, HeaderValue::clone(&self.host));
        }
        self.extend(&mut headers, module);
        if !is_http2 && !headers.contains_key(header::CONNECTION) {
            headers.insert(header::CONNECTION, CLOSE);
        }
        let mut authorization = self.url.authorization.as_ref();
        if self.route.is_home {
            self.extend(&mut headers, secrets);
        }
        if self.route.keeps_credentials {
            self.extend(&mut headers, credentials);
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
        let cookies = self.jar.header(&self.url, self.route.is_home);
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
pub(super) fn absolute(scheme: Scheme, host: &HeaderValue, path: PathAndQuery) -> Result<Uri, Failure> {
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
