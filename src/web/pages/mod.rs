//! The pages for people: all checks, and one check with its last runs and its last failure.
//!
//! Server-rendered, without scripts and without anything from elsewhere. Everything a peer or an operator wrote is
//! escaped by the templates.

mod chart;
mod check;
mod index;
mod recent;
mod words;

use askama::Template;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::agent::Agent;
use crate::web::{Body, plain, site};

/// Seconds after which a page is loaded again.
const REFRESH: u32 = 5;

const STYLE: &str = include_str!("style.css");
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers a request for a page.
pub(super) fn answer(agent: &Agent, request: &Parts) -> Response<Body> {
    let path = request.uri.path();
    match (&request.method, path) {
        (&Method::POST, _) if agent.panel().is_some() => act(agent, path, &request.headers),
        (_, "/style.css") => style(),
        _ => match path.strip_prefix("/check/").and_then(|identity| u64::from_str_radix(identity, 16).ok()) {
            Some(identity) => check::page(agent, identity, site::way_back(path)),
            // As in blackbox_exporter every other path leads to the front page.
            None => index::page(agent, site::way_back(path)),
        },
    }
}

fn nothing_here() -> Response<Body> {
    plain(StatusCode::NOT_FOUND, "There is no such page. The pages begin at /.\n")
}

/// Does what the panel's buttons ask for: from this page or from no page at all, never from a foreign one.
fn act(agent: &Agent, path: &str, headers: &HeaderMap) -> Response<Body> {
    let Some(panel) = agent.panel() else { return nothing_here() };
    let from_a_page = headers.get(FETCH_SITE);
    if from_a_page.is_some_and(|site| site != "same-origin") {
        return plain(StatusCode::FORBIDDEN, "Not from another page.\n");
    }
    match panel.act(path) {
        Ok(_) if from_a_page.is_some() => {
            let mut response = plain(StatusCode::SEE_OTHER, "");
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
            response
        }
        Ok(words) => plain(StatusCode::OK, format!("{words}\n")),
        Err(words) => plain(StatusCode::NOT_FOUND, format!("{words}\n")),
    }
}

fn style() -> Response<Body> {
    let mut response = plain(StatusCode::OK, STYLE);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    response
}

fn html(page: &impl Template) -> Response<Body> {
    let Ok(text) = page.render() else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "The page could not be made.\n");
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    response
}
