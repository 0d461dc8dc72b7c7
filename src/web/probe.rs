//! `/probe`: asks once, on demand, as blackbox_exporter does it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;
use tuermer_probes::net::{Guard, Net};
use tuermer_probes::{Failure, Invalid, Module, Outcome, Reason, Recorder, Target, Verdict};

use crate::agent::Agent;
use crate::exposition::{self, Format};
use crate::history::Asked;
use crate::plan::{Access, NamedModule, ProbeMetrics};
use crate::web::{Body, answered, debug, exposition_type, gzip, plain, request};

const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// The scrape timeout of a client that names none, in seconds (blackbox_exporter's).
const SCRAPE_TIMEOUT_DEFAULT: f64 = 120.0;
/// Longest timeout of a run. Chosen: an hour is no probe any more.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Longest target in bytes. Chosen: the longest URL that servers commonly take.
const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Answers a request for a probe. The order of the complaints is blackbox_exporter's.
pub(super) async fn answer(agent: &Arc<Agent>, query: Option<&str>, headers: &HeaderMap) -> Response<Body> {
    match asked(agent, query, headers) {
        Ok(question) => question.ask(agent, query, headers).await,
        Err(refusal) => *refusal,
    }
}

/// A request for a probe that can be carried out.
struct Question {
    named: Arc<NamedModule>,
    module: Module,
    module_text: Arc<str>,
    target: Target,
    timeout: Duration,
    shown: ProbeMetrics,
}

fn asked(agent: &Agent, query: Option<&str>, headers: &HeaderMap) -> Result<Question, Box<Response<Body>>> {
    let refuse = |status, message: String| Err(Box::new(plain(status, message)));
    let loaded = agent.loaded();
    let plan = &loaded.plan;
    let name = request::parameter(query, "module").filter(|name| !name.is_empty()).unwrap_or(Cow::Borrowed("http_2xx"));
    let Some(named) = plan.modules.get(name.as_ref()) else {
        agent.metrics().module_unknown();
        return refuse(
            StatusCode::BAD_REQUEST,
            format!("Unknown module {:?}\n", tuermer_probes::shown(name.as_bytes(), 256)),
        );
    };
    let scrape_timeout = match headers.get(SCRAPE_TIMEOUT).map(|value| value.to_str().unwrap_or_default()) {
        None | Some("") => 0.0,
        Some(text) => match request::seconds(text) {
            Some(seconds) => seconds,
            None => {
                let message = "Failed to parse timeout from Prometheus header: not a number of seconds\n";
                return refuse(StatusCode::INTERNAL_SERVER_ERROR, message.to_owned());
            }
        },
    };
    let Some(target) = request::parameter(query, "target").filter(|target| !target.is_empty()) else {
        return refuse(StatusCode::BAD_REQUEST, "Target parameter is missing\n".to_owned());
    };
    if target.len() > TARGET_BYTES_MAX {
        return refuse(StatusCode::BAD_REQUEST, format!("Target is longer than {TARGET_BYTES_MAX} bytes\n"));
    }
    let Some(module) = &named.module else {
        return refuse(StatusCode::BAD_REQUEST, format!("Module {:?} has no prober\n", named.name));
    };
    if module.kind().sends_mail {
        let message = format!("Module {:?} sends mail: only the configuration's checks do\n", named.name);
        return refuse(StatusCode::FORBIDDEN, message);
    }
    if named.access == Access::Refused {
        return refuse(StatusCode::FORBIDDEN, closed(&named.name));
    }
    let mut target = Target::new(request::target(target));
    if let Some(hostname) = request::parameter(query, "hostname").filter(|hostname| !hostname.is_empty()) {
        target = target.with_hostname(hostname.as_ref());
    }
    Ok(Question {
        named: Arc::clone(named),
        module: module.clone(),
        module_text: loaded.module_text(&named.name).cloned().unwrap_or_default(),
        target,
        timeout: timeout(named.timeout, scrape_timeout, agent.timeout_offset()),
        shown: plan.agent.probe_metrics,
    })
}

/// The time a run may take: the module's timeout or the scrape's less the offset, whichever is shorter.
fn timeout(module: Option<Duration>, scrape: f64, offset: f64) -> Duration {
    let module = module.filter(|module| !module.is_zero());
    let scrape = if scrape == 0.0 { SCRAPE_TIMEOUT_DEFAULT } else { scrape };
    let left = Duration::try_from_secs_f64(scrape - offset).ok();
    // Longer than any duration is as long as allowed.
    let left = if left.is_none() && scrape > 0.0 && scrape > offset { Some(TIMEOUT_MAX) } else { left };
    let timeout = match (module, left.filter(|left| !left.is_zero())) {
        (Some(module), Some(left)) => module.min(left),
        (Some(module), None) => module,
        (None, Some(left)) => left,
        (None, None) => Duration::ZERO,
    };
    timeout.min(TIMEOUT_MAX)
}

impl Question {
    /// The world that the run may reach, and what watches over it.
    fn world(&self, agent: &Agent) -> (Arc<Net>, Option<Arc<Guard>>) {
        match &self.named.access {
            Access::Listed(list) => {
                let guard = Guard::new(Arc::clone(list));
                (Arc::new(agent.net().guarded(&guard)), Some(guard))
            }
            Access::Open | Access::Refused | Access::Any => (agent.net(), None),
        }
    }

    async fn ask(self, agent: &Arc<Agent>, query: Option<&str>, headers: &HeaderMap) -> Response<Body> {
        let mut untouched = false;
        let report = match self.module.bind(&self.target) {
            Ok(probe) => {
                let (net, guard) = self.world(agent);
                let Some(pass) = agent.gate().enter(Instant::now()).await else {
                    return crowded(agent, self.timeout);
                };
                let _running = agent.metrics().run_began();
                let report = probe.run(&net, self.timeout).await;
                drop(pass);
                untouched = guard.is_some_and(|guard| !guard.has_connected());
                report
            }
            Err(invalid @ Invalid::Hostname(_)) => return plain(StatusCode::BAD_REQUEST, format!("{invalid}\n")),
            Err(invalid) => self.module.refuse(&invalid, self.timeout),
        };
        agent.metrics().reported(&report);
        let kind = self.module.kind();
        let Self { named, module_text, target, shown, .. } = self;
        let asked = Asked { module: named, kind, module_text, target, shown, report };
        debug::log(&asked);
        let refusal = asked.report.failure().filter(|failure| untouched && failure.reason() == Reason::TargetRefused);
        let answer = if let Some(refusal) = refusal {
            forbidden(&asked.module.name, refusal)
        } else if request::parameter(query, "debug").as_deref() == Some("true") {
            plain(StatusCode::OK, debug::report(&asked, agent.prober_log()))
        } else {
            answer_of(&asked, headers)
        };
        agent.history().push(asked);
        answer
    }
}

fn answer_of(asked: &Asked, headers: &HeaderMap) -> Response<Body> {
    match asked.report.failure() {
        Some(failure) if asked.report.verdict() == Verdict::Unknown => unavailable(failure),
        _ => {
            // blackbox_exporter never answers in OpenMetrics: only where the configuration asks for more than it has.
            let format = match asked.shown {
                ProbeMetrics::Blackbox => Format::Text,
                ProbeMetrics::All => request::format(headers),
            };
            let mut page = Vec::with_capacity(4096);
            exposition::render_report(&asked.report, asked.kind, asked.shown, format, &mut page);
            let packed = request::takes_gzip(headers);
            let page = if packed { gzip::packed(page) } else { page };
            answered(exposition_type(format, headers), page, packed)
        }
    }
}

/// Why a module that carries secrets is not for everybody, and what opens it.
fn closed(module: &str) -> String {
    format!(
        "Module {module:?} is not open to /probe: it carries credentials or a client's key, reaches unix sockets, or tries \
         what a server must refuse, and whoever names a target could have it used there.\nTo allow its targets write into the module, or beside \
         `modules:` for all of them, for example:\n  probe_targets: [\"*.example.org:443\", \"192.0.2.0/24\"]\nTo allow \
         every target:\n  probe_targets: any\nScheduled checks may use the module as it is.\n"
    )
}

/// The target is not one that may be asked from outside.
fn forbidden(module: &str, refusal: &Failure) -> Response<Body> {
    plain(
        StatusCode::FORBIDDEN,
        format!("Target refused by `probe_targets` of module {module:?}: {}\n", refusal.message()),
    )
}

/// There is no room for another run.
fn crowded(agent: &Agent, timeout: Duration) -> Response<Body> {
    let words = if agent.is_ready() { "too many runs at once" } else { "the agent is stopping" };
    let failure = Failure::new(Reason::AgentOverload, words);
    agent.metrics().reported(&Recorder::start(timeout).finish(Outcome::Fail(failure.clone())));
    unavailable(&failure)
}

/// The agent cannot ask now: no statement about the target.
fn unavailable(failure: &Failure) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, format!("The agent cannot probe: {failure}\n"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_follow_the_contract() {
        let of = |module: Option<f64>, scrape, offset| {
            timeout(module.map(Duration::from_secs_f64), scrape, offset).as_secs_f64()
        };
        for (module, scrape, offset, effective) in [
            (None, 15.0, 0.5, 14.5),
            (None, 15.0, 0.0, 15.0),
            (Some(20.0), 15.0, 0.5, 14.5),
            (Some(5.0), 15.0, 0.5, 5.0),
            (Some(10.0), 0.0, 0.5, 10.0),
            (Some(10.0), 10.0, 0.5, 9.5),
            (Some(9.5), 0.0, 1.0, 9.5),
            (None, 0.0, 0.5, 119.5),
            (Some(3.0), 0.4, 0.5, 3.0),
            (Some(3.0), 0.5, 0.5, 3.0),
            (Some(3.0), -1.0, 0.5, 3.0),
            (None, 0.4, 0.5, 0.0),
            (None, f64::INFINITY, 0.5, 3600.0),
            (None, 1e300, 0.5, 3600.0),
            (None, f64::NEG_INFINITY, 0.5, 0.0),
        ] {
            assert!((of(module, scrape, offset) - effective).abs() < 1e-9, "{module:?} {scrape} {offset}");
        }
    }
}
