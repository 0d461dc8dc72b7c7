//! `/logs`: what happened in one of the last probes on demand.

use hyper::{Response, StatusCode};

use crate::agent::Agent;
use crate::web::{Body, debug, plain, request};

/// Answers a request for a stored report. The order of the complaints is blackbox_exporter's.
pub(super) fn answer(agent: &Agent, query: Option<&str>) -> Response<Body> {
    let parameter = |name| request::parameter(query, name).filter(|value| !value.is_empty());
    // To blackbox_exporter -1 is no number of a report, but the word for none.
    let id = parameter("id").and_then(|id| id.parse::<i64>().ok()).filter(|id| *id != -1);
    let (target, module) = (parameter("target"), parameter("module"));
    let found = match (id, target) {
        (None, None) => return refuse("Neither id nor target is given\n"),
        (Some(_), Some(_)) => return refuse("Either id or target, not both\n"),
        (Some(_), None) if module.is_some() => return refuse("A module is given without a target\n"),
        (Some(id), None) => u64::try_from(id).ok().and_then(|id| agent.history().find(id)),
        (None, Some(target)) => agent.history().find_target(&target, module.as_deref()),
    };
    match found {
        Some(past) => plain(StatusCode::OK, debug::report(&past.asked, agent.prober_log())),
        None => plain(StatusCode::NOT_FOUND, "There is no such probe, or not any more\n"),
    }
}

fn refuse(message: &'static str) -> Response<Body> {
    plain(StatusCode::BAD_REQUEST, message)
}
