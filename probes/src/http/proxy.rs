//! Proxies: which requests go through one, and the tunnel for those that are encrypted.
//!
//! Speaks plain HTTP to the proxy. Knows nothing of what goes through the tunnel.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;
use http::header::HeaderName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::except::Except;
use super::settings::Written;
use super::url::Url;
use crate::failure::{Failure, Reason, shown};
use crate::net::{Family, Net, TcpStream};
use crate::recorder::{Phase, Recorder};
use crate::secret::Secret;

/// The proxy is being looked up, or is opening a tunnel.
pub(crate) const PROXY: Phase = Phase::new("proxy").whole_only().extra();

/// Longest answer of a proxy to the wish for a tunnel in bytes. Chosen: a status and a handful of headers.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// A module's proxies.
#[derive(Debug)]
pub(super) struct Proxies {
    plain: Option<Source>,
    encrypted: Option<Source>,
    except: Except,
    connect_headers: BTreeMap<String, Vec<Secret>>,
    /// Whether the target's name is left to the proxy.
    skips_resolving: bool,
}

/// Where a proxy's URL stands.
#[derive(Debug)]
enum Source {
    Known(Proxy),
    InFile(Secret),
}

/// A proxy.
#[derive(Debug, Clone)]
pub(super) struct Proxy(Url);

impl Proxies {
    /// A module's proxies; none if it names none.
    pub(super) fn of(written: &Written) -> Result<Option<Self>, String> {
        let mut proxies = Self {
            plain: None,
            encrypted: None,
            except: Except::nothing(),
            connect_headers: written.proxy_connect_header.clone(),
            skips_resolving: written.skip_resolve_phase_with_proxy,
        };
        let no_proxy = written.no_proxy.as_deref().filter(|no_proxy| !no_proxy.is_empty());
        if written.proxy_from_environment {
            proxies.plain = environment("HTTP_PROXY").map(|url| Source::of(&Secret::inline(url))).transpose()?;
            proxies.encrypted = environment("HTTPS_PROXY").map(|url| Source::of(&Secret::inline(url))).transpose()?;
            proxies.except = Except::of(&environment("NO_PROXY").unwrap_or_default());
        } else {
            let url = written.proxy_url.as_ref().filter(|url| url.value() != Ok(""));
            proxies.plain = url.map(Source::of).transpose()?;
            proxies.encrypted = url.map(Source::of).transpose()?;
            proxies.except = no_proxy.map_or_else(Except::nothing, Except::of);
        }
        let any = proxies.plain.is_some() || proxies.encrypted.is_some();
        Ok(any.then_some(proxies))
    }

    /// Whether the target's address is the proxy's affair.
    pub(super) const fn skips_resolving(&self) -> bool {
        self.skips_resolving
    }

    /// The proxy for a URL whose host has this address, where it is known; `None` if there is none for it.
    pub(super) fn choose(
        &self,
        net: &Net,
        url: &Url,
        address: Option<IpAddr>,
    ) -> Result<Option<Cow<'_, Proxy>>, Failure> {
        let source = if url.tls { &self.encrypted } else { &self.plain };
        match source {
            _ if self.except.spares(&url.host, address, url.port) => Ok(None),
            None => Ok(None),
            Some(Source::Known(proxy)) => Ok(Some(Cow::Borrowed(proxy))),
            Some(Source::InFile(secret)) => {
                let proxy = Proxy::parse(&net.secret(secret)?);
                proxy.map(|proxy| Some(Cow::Owned(proxy))).map_err(|message| unusable(&message))
            }
        }
    }

    /// Opens a tunnel (RFC 9110 section 9.3.6), in phase [`PROXY`].
    pub(super) async fn tunnel(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        proxy: &Proxy,
        stream: &mut TcpStream,
        authority: &str,
    ) -> Result<(), Failure> {
        recorder.enter(PROXY);
        let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        for (name, values) in &self.connect_headers {
            if HeaderName::try_from(name).is_err() {
                return Err(unusable("proxy_connect_header has an invalid name"));
            }
            for value in values {
                let value = net.secret(value)?;
                if HeaderValue::from_str(&value).is_err() {
                    return Err(unusable("proxy_connect_header has an invalid value"));
                }
                let _ = write!(request, "{name}: {value}\r\n");
            }
        }
        let has_own = self.connect_headers.keys().any(|name| name.eq_ignore_ascii_case("proxy-authorization"));
        if let Some(Ok(authorization)) = proxy.authorization().filter(|_| !has_own).map(HeaderValue::to_str) {
            let _ = write!(request, "Proxy-Authorization: {authorization}\r\n");
        }
        request.push_str("\r\n");
        recorder.sent(format_args!("CONNECT {authority} HTTP/1.1"));
        stream.write_all(request.as_bytes()).await.map_err(|error| Failure::io("proxy", &error))?;
        let status = read_status(stream).await?;
        recorder.received(format_args!("{status} from the proxy"));
        match status {
            200..=299 => Ok(()),
            407 => Err(Failure::new(Reason::AuthRefused, "the proxy wants other credentials: 407")),
            status => Err(Failure::new(Reason::ConnectError, format_args!("the proxy opened no tunnel: {status}"))),
        }
    }
}

impl Source {
    fn of(url: &Secret) -> Result<Self, String> {
        match url.value() {
            Ok(text) => Proxy::parse(text).map(Self::Known),
            Err(_) => Ok(Self::InFile(url.clone())),
        }
    }
}

impl Proxy {
    /// Reads a proxy's URL. Never quotes it: it may hold a password.
    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
            None | Some("http") => Url::parse(text).map(Self).map_err(|_| "proxy_url is no URL".to_owned()),
            Some("https" | "socks5" | "socks5h") => Err("proxy_url: only http:// proxies are spoken to yet".to_owned()),
            Some(_) => Err("proxy_url is none of a proxy".to_owned()),
        }
    }

    /// The user in the proxy's URL.
    pub(super) const fn authorization(&self) -> Option<&HeaderValue> {
        self.0.authorization.as_ref()
    }

    /// Opens a connection to the proxy; its name is looked up in phase [`PROXY`].
    pub(super) async fn connect(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        family: Family,
    ) -> Result<TcpStream, Failure> {
        recorder.enter(PROXY);
        let family = Family { fallback: true, ..family };
        let address = net.address(recorder, &self.0.host, family).await?;
        net.tcp(recorder, SocketAddr::new(address, self.0.port), None).await
    }
}

/// The status of a proxy's answer.
async fn read_status(stream: &mut TcpStream) -> Result<u16, Failure> {
    let mut head = Vec::with_capacity(1024);
    let end = loop {
        if head.len() >= ANSWER_BYTES_MAX {
            return Err(Failure::new(Reason::TooLong, "the proxy's answer has no end"));
        }
        if stream.read_buf(&mut head).await.map_err(|error| Failure::io("proxy", &error))? == 0 {
            return Err(Failure::new(Reason::ClosedEarly, "the proxy closed the connection"));
        }
        if let Some(end) = head.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = line.strip_prefix(b"HTTP/1.").and_then(|rest| std::str::from_utf8(rest.get(2..5)?).ok()?.parse().ok());
    let status = status.ok_or_else(|| {
        let line = shown(line, 80);
        Failure::new(Reason::ProtocolError, format_args!("the proxy's answer is not HTTP: {line:?}"))
    })?;
    if matches!(status, 200..=299) && end < head.len() {
        // A peer that speaks TLS waits for us: what came already is none of its.
        return Err(Failure::new(Reason::ProtocolError, "the proxy says more than that the tunnel is open"));
    }
    Ok(status)
}

fn unusable(message: &str) -> Failure {
    Failure::new(Reason::ConfigUnusable, message)
}

/// A variable in capitals, or in small letters.
fn environment(name: &str) -> Option<String> {
    let value = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_lowercase()));
    value.ok().filter(|value| !value.is_empty())
}
