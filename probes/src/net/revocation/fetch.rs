//! Fetches a list over plain HTTP, as authorities publish them (RFC 5280 section 4.2.1.13).

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Host, Url};

use super::address::is_public;
use super::{Key, List, now};
use crate::net::Net;
use crate::settings::IpProtocol;

/// Longest time for one list. Chosen: ten megabytes over a slow line; nobody waits for it.
const FETCH_TIME_MAX: Duration = Duration::from_secs(30);

/// Longest list in bytes. As blackbox_exporter; the largest public ones have been that large.
const LIST_BYTES_MAX: usize = 10 << 20;

/// Most redirects followed. Chosen: one for a moved list, one more.
const REDIRECTS_MAX: usize = 2;

/// Fetches, reads and checks a list.
pub(super) async fn fetch(net: &Net, (url, signer): &Key) -> Result<List, String> {
    let (wall, began) = now();
    let der = tokio::time::timeout(FETCH_TIME_MAX, follow(net, url)).await;
    let der = der.map_err(|_| format!("not there within {FETCH_TIME_MAX:?}"))??;
    let took = now().1 - began;
    let wall = wall.duration_since(std::time::UNIX_EPOCH).map_or(0, |wall| wall.as_secs());
    let (url, signer) = (Arc::clone(url), Arc::clone(signer));
    // Hundreds of thousands of entries take their time.
    let read = move || List::read(&der, &url, &signer, i64::try_from(wall).unwrap_or(i64::MAX));
    let list = tokio::task::spawn_blocking(read).await.map_err(|_| "the list could not be read".to_owned())??;
    Ok(list.fetched_in(took))
}

async fn follow(net: &Net, url: &str) -> Result<Bytes, String> {
    let mut url = Url::parse(url).map_err(|error| format!("no address of a list: {error}"))?;
    for _ in 0..=REDIRECTS_MAX {
        match get(net, &url).await? {
            Got::List(bytes) => return Ok(bytes),
            Got::Elsewhere(location) => {
                url = url.join(&location).map_err(|error| format!("a redirect to nowhere: {error}"))?;
            }
        }
    }
    Err(format!("more than {REDIRECTS_MAX} redirects"))
}

enum Got {
    List(Bytes),
    Elsewhere(String),
}

async fn get(net: &Net, url: &Url) -> Result<Got, String> {
    let host = url.host().ok_or("an address without a host")?;
    if url.scheme() != "http" {
        return Err(format!("{} is not fetched, only http is", url.scheme()));
    }
    let stream = connect(net, host, url.port().unwrap_or(80)).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("HTTP: {error}"))?;
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, authority)
        .header(USER_AGENT, concat!("tuermer/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("no address of a list: {error}"))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| format!("HTTP: {error}"))?;
        let status = response.status();
        if status.is_redirection()
            && let Some(location) = response.headers().get(hyper::header::LOCATION)
        {
            let location = location.to_str().map_err(|_| "a redirect to nowhere".to_owned())?;
            return Ok(Got::Elsewhere(location.to_owned()));
        }
        if status != hyper::StatusCode::OK {
            return Err(format!("the server answers {}", status.as_u16()));
        }
        let body = Limited::new(response.into_body(), LIST_BYTES_MAX).collect().await;
        let body = body.map_err(|error| match error.downcast_ref::<http_body_util::LengthLimitError>() {
            Some(_) => format!("longer than {} MiB", LIST_BYTES_MAX >> 20),
            None => format!("HTTP: {error}"),
        })?;
        Ok(Got::List(body.to_bytes()))
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        got = &mut exchange => got,
        // The connection may end before the answer was looked at.
        _ = &mut connection => exchange.await,
    }
}

/// Connects to the first of the host's addresses that may be spoken to and answers.
async fn connect(net: &Net, host: Host<&str>, port: u16) -> Result<TcpStream, String> {
    let addresses: Vec<IpAddr> = match host {
        Host::Ipv4(address) => vec![address.into()],
        Host::Ipv6(address) => vec![address.into()],
        Host::Domain(name) => {
            let mut addresses = Vec::new();
            let mut failed = None;
            for protocol in [IpProtocol::Ip4, IpProtocol::Ip6] {
                match net.resolver().addresses(name, protocol).await {
                    Ok(found) => addresses.extend(found),
                    Err(error) => failed = Some(error.message),
                }
            }
            if addresses.is_empty() {
                return Err(failed.unwrap_or_else(|| format!("{name} has no address")));
            }
            addresses
        }
    };
    let allowed = addresses.iter().filter(|address| net.lists_from_anywhere || is_public(**address));
    let mut failed =
        format!("{} is no public address", addresses.first().map_or_else(String::new, ToString::to_string));
    for address in allowed {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = format!("cannot connect to {address}: {error}"),
        }
    }
    Err(failed)
}
