//! Readiness and reloading.

use std::sync::Arc;

use hyper::{Response, StatusCode};

use crate::agent::Agent;
use crate::web::{Body, plain};

/// Whether the agent does its work: it does once its plan is applied.
pub(super) fn ready(agent: &Agent) -> Response<Body> {
    if agent.is_ready() {
        plain(StatusCode::OK, "Ready")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "Not ready: still starting, or stopping\n")
    }
}

/// Loads the configuration again.
pub(super) async fn reload(agent: &Arc<Agent>) -> Response<Body> {
    match agent.reloader().reload(agent).await {
        Ok(()) => Response::default(),
        Err(message) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("failed to reload config: {message}\n")),
    }
}
