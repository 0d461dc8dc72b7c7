//! Proxies: what a module says of them, and which requests go through one.
//!
//! Knows nothing of what is said to a proxy.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use http::HeaderValue;

use super::except::Except;
use super::phases::Phases;
use super::settings::ProxyKeys;
use super::url::{self, Url};
use super::wire::Wire;
use crate::failure::{Failure, Reason};
use crate::net::{Family, Net, Tls, TlsSettings};
use crate::recorder::Recorder;
use crate::secret::Secret;

/// The port of a SOCKS proxy whose URL names none (IANA).
const SOCKS_PORT: u16 = 1080;

/// A module's proxies.
#[derive(Debug)]
pub(super) struct Proxies {
    plain: Option<Source>,
    encrypted: Option<Source>,
    except: Except,
    /// Headers of the wish for a tunnel.
    pub(super) connect_headers: BTreeMap<String, Vec<Secret>>,
    /// For proxies that are spoken to encrypted.
    tls: Tls,
}

/// Where a proxy's URL stands.
#[derive(Debug)]
enum Source {
    Known(Proxy),
    InFile(Secret),
}

/// A proxy.
#[derive(Debug, Clone)]
pub(super) struct Proxy {
    pub(super) speech: Speech,
    url: Url,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone)]
pub(super) enum Speech {
    /// As a proxy of HTTP (RFC 9110 section 3.7), perhaps encrypted.
    Http,
    /// SOCKS version 5 (RFC 1928), perhaps with user name and password (RFC 1929).
    Socks(Option<(Secret, Secret)>),
}

/// Why a proxy's URL cannot be used. Never quotes it: it may hold a password.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It is no URL: the module does not load.
    Unreadable(String),
    /// It is the URL of something else: found when the module is used, as by blackbox_exporter.
    OtherScheme,
}

impl Proxies {
    /// A module's proxies; none if it names none. `tls` is how encrypted proxies are trusted.
    pub(super) fn of(keys: &ProxyKeys<'_>, tls: &TlsSettings) -> Result<Option<Self>, Wrong> {
        let environment = |name| {
            let source = environment(name).map(|url| Source::of(&Secret::inline(url)));
            source.transpose().map_err(|wrong| match wrong {
                Wrong::Unreadable(_) => Wrong::Unreadable(format!("{name} in the environment is no URL")),
                Wrong::OtherScheme => wrong,
            })
        };
        let (plain, encrypted, except) = if keys.from_environment {
            // A program that a web server started was told its client's headers in such variables, `Proxy:` among them.
            let is_cgi = std::env::var_os("REQUEST_METHOD").is_some();
            let plain = if is_cgi { None } else { environment("HTTP_PROXY")? };
            (plain, environment("HTTPS_PROXY")?, Except::of(&self::environment("NO_PROXY").unwrap_or_default()))
        } else {
            let source = || keys.url.map(Source::of).transpose();
            (source()?, source()?, keys.no_proxy.map_or_else(Except::nothing, Except::of))
        };
        if plain.is_none() && encrypted.is_none() {
            return Ok(None);
        }
        let tls = TlsSettings { server_name: None, ..tls.clone() };
        let connect_headers = keys.connect_header.clone();
        Ok(Some(Self { plain, encrypted, except, connect_headers, tls: Tls::new(tls, &[]) }))
    }

    /// The proxy for a URL whose host has this address, where it is known; `None` if there is none for it.
    /// blackbox_exporter looks for exceptions by the address where it knows it, and by the name where it does not.
    pub(super) fn choose(
        &self,
        net: &Net,
        url: &Url,
        address: Option<IpAddr>,
    ) -> Result<Option<Cow<'_, Proxy>>, Failure> {
        let source = if url.tls { &self.encrypted } else { &self.plain };
        match source {
            None => Ok(None),
            _ if self.except.spares(address, &url.host, url.port) => Ok(None),
            Some(Source::Known(proxy)) => Ok(Some(Cow::Borrowed(proxy))),
            Some(Source::InFile(secret)) => match Proxy::parse(&net.secret(secret)?) {
                Ok(proxy) => Ok(Some(Cow::Owned(proxy))),
                Err(wrong) => Err(Failure::new(Reason::ConfigUnusable, wrong.message())),
            },
        }
    }

    /// Opens a connection to a proxy; its name is looked up in the proxy's phase.
    pub(super) async fn connect(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        proxy: &Proxy,
        family: Family,
        phases: &Phases,
    ) -> Result<Wire, Failure> {
        recorder.enter(phases.proxy);
        let family = Family { fallback: true, ..family };
        let peer = net.peer(recorder, &proxy.url.host, proxy.url.port, family).await?;
        let stream = net.tcp_in(phases.connect, recorder, peer, None).await?;
        let wire = Wire::Plain(stream);
        if !proxy.url.tls {
            return Ok(wire);
        }
        let (stream, _) = self.tls.handshake_aside(phases.proxy, net, recorder, wire, &proxy.url.host).await?;
        Ok(Wire::Encrypted(Box::new(stream)))
    }
}

impl Source {
    fn of(url: &Secret) -> Result<Self, Wrong> {
        match url.value() {
            Ok(text) => Proxy::parse(text).map(Self::Known),
            Err(_) => Ok(Self::InFile(url.clone())),
        }
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, Wrong> {
        let unreadable = |_| Wrong::Unreadable("proxy_url is no URL".to_owned());
        let Some((scheme, rest)) = text.split_once("://") else {
            return Url::parse(text).map(|url| Self { speech: Speech::Http, url }).map_err(unreadable);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => Url::parse(text).map(|url| Self { speech: Speech::Http, url }).map_err(unreadable),
            // With either word the proxy gets the address where it is known and else the name: so does Go.
            "socks5" | "socks5h" => {
                let mut url = Url::parse(&format!("http://{rest}")).map_err(unreadable)?;
                if url.names_no_port() {
                    url.port = SOCKS_PORT;
                }
                let secret = |bytes| String::from_utf8(bytes).map(Secret::inline);
                let user = url::user(rest).map(|(name, password)| Ok((secret(name)?, secret(password)?))).transpose();
                let user = user.map_err(|_: std::string::FromUtf8Error| unreadable(String::new()))?;
                Ok(Self { speech: Speech::Socks(user), url })
            }
            _ => Err(Wrong::OtherScheme),
        }
    }

    /// Whether the proxy understands requests for other hosts itself, if they are not encrypted.
    pub(super) const fn reads(&self) -> bool {
        matches!(self.speech, Speech::Http)
    }

    /// The user in the proxy's URL.
    pub(super) const fn authorization(&self) -> Option<&HeaderValue> {
        self.url.authorization.as_ref()
    }
}

impl Wrong {
    /// What is wrong.
    pub(super) fn message(self) -> Cow<'static, str> {
        match self {
            Self::Unreadable(message) => message.into(),
            Self::OtherScheme => "proxy_url: the scheme is none of http, https, socks5, socks5h".into(),
        }
    }
}

/// A variable in capitals, or in small letters.
fn environment(name: &str) -> Option<String> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    value(name).or_else(|| value(&name.to_ascii_lowercase()))
}
