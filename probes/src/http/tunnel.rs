//! A tunnel through a proxy: what is said to the proxy before the target can hear anything.
//!
//! CONNECT of HTTP (RFC 9110 section 9.3.6) and SOCKS version 5 (RFC 1928). Knows nothing of what goes through.

use std::fmt::Write as _;

use http::HeaderValue;
use http::header::HeaderName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_socks::tcp::Socks5Stream;

use super::proxy::{Proxies, Proxy, Speech};
use super::wire::Wire;
use crate::failure::{Failure, Reason, shown};
use crate::net::Net;
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::secret::Secret;

/// Longest answer of a proxy to the wish for a tunnel in bytes. Chosen: a status and a handful of headers.
const ANSWER_BYTES_MAX: usize = 16 << 10;

impl Proxies {
    /// Opens a tunnel through a proxy to a host or address and port, in this phase.
    pub(super) async fn tunnel(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        proxy: &Proxy,
        wire: Wire,
        (host, port): (&str, u16),
        phase: Phase,
    ) -> Result<Wire, Failure> {
        recorder.enter(phase);
        match &proxy.speech {
            Speech::Http => {
                let colon = host.contains(':');
                let authority = if colon { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
                self.connect_through(net, recorder, proxy, wire, &authority).await
            }
            Speech::Socks(user) => {
                recorder.sent(format_args!("SOCKS5 CONNECT {host}:{port}"));
                let wire = socks(user.as_ref(), wire, host, port).await?;
                recorder.received("the proxy opened the connection");
                Ok(wire)
            }
        }
    }

    async fn connect_through(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        proxy: &Proxy,
        mut wire: Wire,
        authority: &str,
    ) -> Result<Wire, Failure> {
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
        let broken = |error| Failure::io("proxy", &error);
        wire.write_all(request.as_bytes()).await.map_err(broken)?;
        wire.flush().await.map_err(broken)?;
        let status = read_status(&mut wire).await?;
        recorder.received(format_args!("{status} from the proxy"));
        match status {
            200..=299 => Ok(wire),
            407 => Err(Failure::new(Reason::AuthRefused, "the proxy wants other credentials: 407")),
            status => Err(Failure::new(Reason::ConnectError, format_args!("the proxy opened no tunnel: {status}"))),
        }
    }
}

async fn socks(user: Option<&(Secret, Secret)>, wire: Wire, host: &str, port: u16) -> Result<Wire, Failure> {
    let known = |secret: &Secret| secret.value().unwrap_or_default().to_owned();
    let opened = match user {
        Some((name, password)) => {
            let (name, password) = (known(name), known(password));
            Socks5Stream::connect_with_password_and_socket(wire, (host, port), &name, &password).await
        }
        None => Socks5Stream::connect_with_socket(wire, (host, port)).await,
    };
    opened.map(Socks5Stream::into_inner).map_err(|error| refused(&error))
}

/// What a SOCKS proxy's refusal means (RFC 1928 section 6, RFC 1929 section 2).
fn refused(error: &tokio_socks::Error) -> Failure {
    use tokio_socks::Error;
    let reason = match error {
        Error::Io(error) => return Failure::io("proxy", error),
        Error::InvalidTargetAddress(_) | Error::InvalidAuthValues(_) => Reason::ConfigUnusable,
        Error::NoAcceptableAuthMethods | Error::AuthorizationRequired | Error::PasswordAuthFailure(_) => {
            Reason::AuthRefused
        }
        Error::ConnectionRefused => Reason::ConnectRefused,
        Error::HostUnreachable | Error::NetworkUnreachable | Error::TtlExpired => Reason::ConnectUnreachable,
        Error::GeneralSocksServerFailure
        | Error::ConnectionNotAllowedByRuleset
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported => Reason::ConnectError,
        _ => Reason::ProtocolError,
    };
    Failure::new(reason, format_args!("the proxy opened no connection: {error}"))
}

/// The status of a proxy's answer.
async fn read_status(wire: &mut Wire) -> Result<u16, Failure> {
    let mut head = Vec::with_capacity(1024);
    let end = loop {
        if head.len() >= ANSWER_BYTES_MAX {
            return Err(Failure::new(Reason::TooLong, "the proxy's answer has no end"));
        }
        if wire.read_buf(&mut head).await.map_err(|error| Failure::io("proxy", &error))? == 0 {
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
