//! What the agent serves: metrics, probes on demand, pages, control.
//!
//! Runs on a runtime of its own, so that it never delays a check. Probes on demand run where they arrive; what takes long
//! to write (metrics, pages) is written on threads for blocking work, so that it does not delay them either. Knows no kind
//! of probe.

mod control;
mod debug;
mod guard;
mod gzip;
mod listener;
mod logs;
mod pages;
mod patience;
mod probe;
mod request;
mod secure;
mod server;
mod site;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

pub use guard::Guard;
pub use listener::{Address, Listener};
pub use site::Site;

use crate::agent::Agent;
use crate::exposition::Format;

/// Most answers that take long to write, being written or read at once. Chosen: a few Prometheus and a few people.
pub(crate) const PAGES_MAX: usize = 16;
/// Longest wait for room. Chosen: Prometheus' usual timeout.
const ROOM_TIME_MAX: Duration = Duration::from_secs(10);

/// The body of an answer.
type Body = Full<Bytes>;

/// What is served where.
#[derive(Debug)]
pub struct Web {
    /// The sockets to listen on.
    pub listeners: Vec<Listener>,
    /// Where the pages are.
    pub site: Site,
    /// Who may see them; everybody if nobody guards them.
    pub guard: Option<Arc<Guard>>,
}

/// Answers on all listeners for ever.
pub async fn serve(agent: Arc<Agent>, web: Web) {
    let mut serving = tokio::task::JoinSet::new();
    let site = Arc::new(web.site);
    for listener in web.listeners {
        let (agent, site, guard) = (Arc::clone(&agent), Arc::clone(&site), web.guard.clone());
        serving.spawn(server::serve(listener, web.guard.clone(), move |request| {
            let (agent, site, guard) = (Arc::clone(&agent), Arc::clone(&site), guard.clone());
            async move {
                match guard {
                    Some(guard) => guarded(&agent, &site, &guard, request).await,
                    None => answer(&agent, &site, request).await,
                }
            }
        }));
    }
    while serving.join_next().await.is_some() {}
}

/// What a page shows and takes besides the checks: the demo's switches.
pub trait Panel: Send + Sync {
    /// A piece of the front page. Trusted: not escaped again.
    fn html(&self) -> String;

    /// Does what a `POST` to this path asks for; answers in words.
    fn act(&self, path: &str) -> Result<String, String>;
}

/// Answers those who may ask.
async fn guarded(agent: &Arc<Agent>, site: &Site, guard: &Guard, request: Request<Incoming>) -> Response<Body> {
    match guard.admit(request.headers()).await {
        Ok(config) => {
            let mut answer = answer(agent, site, request).await;
            guard::dress(&config, &mut answer);
            answer
        }
        Err(refusal) => {
            agent.metrics().web_request("refused", refusal.status().as_u16());
            *refusal
        }
    }
}

async fn answer(agent: &Arc<Agent>, site: &Site, request: Request<Incoming>) -> Response<Body> {
    let (mut parts, _body) = request.into_parts();
    if let Err(elsewhere) = site.enter(&mut parts.uri) {
        agent.metrics().web_request("elsewhere", elsewhere.status().as_u16());
        return *elsewhere;
    }
    let (route, answer) = match parts.uri.path() {
        "/probe" => ("/probe", probe::answer(agent, parts.uri.query(), &parts.headers).await),
        "/metrics" => ("/metrics", written(agent, move |agent| metrics(agent, &parts.headers)).await),
        "/logs" => ("/logs", written(agent, move |agent| logs::answer(agent, parts.uri.query())).await),
        "/config" => ("/config", written(agent, |agent| plain(StatusCode::OK, agent.loaded().shown())).await),
        "/-/healthy" => ("/-/healthy", plain(StatusCode::OK, "Healthy")),
        "/-/ready" => ("/-/ready", control::ready(agent)),
        "/-/reload" if parts.method == Method::POST => ("/-/reload", control::reload(agent).await),
        "/-/reload" => ("/-/reload", plain(StatusCode::METHOD_NOT_ALLOWED, "This endpoint requires a POST request.\n")),
        _ => ("/", written(agent, move |agent| pages::answer(agent, &parts)).await),
    };
    agent.metrics().web_request(route, answer.status().as_u16());
    answer
}

/// An answer that takes long to write, written on a thread for blocking work.
async fn written<F>(agent: &Arc<Agent>, write: F) -> Response<Body>
where
    F: FnOnce(&Arc<Agent>) -> Response<Body> + Send + 'static,
{
    let room = tokio::time::timeout(ROOM_TIME_MAX, Arc::clone(agent.pages()).acquire_owned()).await;
    let Ok(Ok(room)) = room else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "Too many answers are being written or read.\n");
    };
    let agent = Arc::clone(agent);
    let answer = tokio::task::spawn_blocking(move || write(&agent)).await;
    match answer {
        // The room is free again when the answer is sent or given up.
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let Ok(body) = body.collect().await.map(Collected::to_bytes);
            Response::from_parts(head, Full::new(Bytes::from_owner(Held { body, _room: room })))
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "The answer could not be written.\n"),
    }
}

/// A body that takes up room until it is gone.
struct Held {
    body: Bytes,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

fn metrics(agent: &Agent, headers: &HeaderMap) -> Response<Body> {
    let format = request::format(headers);
    let packed = request::takes_gzip(headers);
    match metrics_page(agent, format, packed) {
        Ok(page) => answered(exposition_type(format, headers), page, packed),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "The answer could not be written.\n"),
    }
}

/// Compressed while it is written: the page of ten thousand checks is tens of megabytes.
fn metrics_page(agent: &Agent, format: Format, packed: bool) -> io::Result<Vec<u8>> {
    if packed {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        agent.write_metrics(format, &mut encoder)?;
        encoder.finish()
    } else {
        let mut page = Vec::new();
        agent.write_metrics(format, &mut page)?;
        Ok(page)
    }
}

fn exposition_type(format: Format, headers: &HeaderMap) -> HeaderValue {
    HeaderValue::from_static(match format {
        Format::Text => request::text_type(headers),
        Format::OpenMetrics => format.content_type(),
    })
}

/// A line of text.
fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

fn answered(content_type: HeaderValue, body: Vec<u8>, is_packed: bool) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
