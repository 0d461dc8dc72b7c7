//! Fetches an MTA-STS policy: one request over HTTPS, no redirects (RFC 8461 section 3.3).

use std::num::NonZeroU16;
use std::pin::pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;

use super::FETCH;
use super::measures::MTA_STS_POLICY_VALID;
use super::questions::unknown;
use crate::failure::{Failure, Reason, shown};
use crate::http::judge;
use crate::net::{Family, Net, Tls};
use crate::recorder::Recorder;
use crate::settings::IpProtocol;

/// Longest policy in bytes (RFC 8461 section 3.3 suggests it).
const POLICY_BYTES_MAX: usize = 64 << 10;
/// Largest head of an answer in bytes. Chosen: as kind `http`.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Where the policy lies.
const PATH: &str = "/.well-known/mta-sts.txt";
/// Longest header that is shown in bytes. Chosen: a line.
const SHOWN_BYTES_MAX: usize = 100;
/// Addresses of either family are served alike.
const FAMILY: Family = Family { preferred: IpProtocol::Ip6, fallback: true };

/// How policy hosts are asked.
pub(crate) struct PolicyHosts<'a> {
    /// Senders use 443.
    pub(crate) port: NonZeroU16,
    /// The encrypted channel to them.
    pub(crate) tls: &'a Tls,
}

/// The policy's text. That name servers fail tells nothing; anything else is the policy host's fault.
pub(super) async fn fetch(
    net: &Net,
    recorder: &mut Recorder,
    policy_hosts: &PolicyHosts<'_>,
    domain: &str,
) -> Result<Bytes, Failure> {
    let host = format!("mta-sts.{domain}");
    let port = policy_hosts.port.get();
    let peer =
        net.peer(recorder, &format!("{host}."), port, FAMILY).await.map_err(|failure| match failure.reason() {
            Reason::DnsNxdomain | Reason::DnsNodata => Failure::new(Reason::MtaStsInvalid, failure.message()),
            Reason::DnsTimeout | Reason::DnsServfail | Reason::DnsRefused | Reason::DnsError => {
                unknown(failure.message())
            }
            _ => failure,
        })?;
    // From here on, silence is the policy host's.
    recorder.read(&MTA_STS_POLICY_VALID, 0.0);
    let stream = net.tcp_in(FETCH, recorder, peer, None).await?;
    let (stream, _) = policy_hosts.tls.handshake_in(FETCH, net, recorder, stream, &host).await?;

    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| judge::exchange(&error))?;
    let authority = if port == 443 { host } else { format!("{host}:{port}") };
    let request = Request::get(PATH)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("tuermer/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::new(Reason::TargetInvalid, error))?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|error| judge::exchange(&error))?;
        let status = answer.status();
        if status != StatusCode::OK {
            let message = format_args!("the policy host answers {}, and only 200 counts", status.as_u16());
            return Err(Failure::new(Reason::StatusUnexpected, message));
        }
        let media_type = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        if !essence.eq_ignore_ascii_case(b"text/plain") {
            let shown = shown(media_type, SHOWN_BYTES_MAX);
            let message = format_args!("the policy's media type is {shown:?}, and only text/plain counts");
            return Err(Failure::new(Reason::HeaderUnexpected, message));
        }
        let body = Limited::new(answer.into_body(), POLICY_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let message = format_args!("the policy is longer than {} KiB", POLICY_BYTES_MAX >> 10);
                return Failure::new(Reason::BodyTooLarge, message);
            }
            match error.downcast_ref::<hyper::Error>() {
                Some(error) => judge::exchange(error),
                None => Failure::new(Reason::ProtocolError, error),
            }
        })?;
        Ok(body.to_bytes())
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        got = &mut exchange => got,
        // The connection may end before the answer was looked at.
        _ = &mut connection => exchange.await,
    }
}
