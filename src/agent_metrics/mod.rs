//! The agent's own metrics: its build, its configuration, its runs, its shortages. Knows no check and no kind.

mod process;
mod render;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use tuermer_probes::{Reason, Report};

use crate::plan::{Access, Plan};

/// Upper bounds of lateness in seconds. Chosen: the timer's tick is a millisecond, and ten seconds late is far too late.
const LATENESS_BOUNDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why a due run was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// As many runs as allowed were in flight for a whole interval.
    Overload,
    /// Its moment had passed by more than an interval, or the run before it was still going on.
    Late,
}

impl Skip {
    /// The cause in one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Late => "late",
        }
    }
}

/// What became of a message, or of a recipient, that a mail client came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken.
    Accepted,
    /// No mail is taken for the recipient.
    RecipientRefused,
    /// It was larger than allowed.
    TooLarge,
    /// There had been too many already.
    RateLimited,
    /// It had a CR or an LF by itself.
    Malformed,
    /// It did not come to its end.
    Aborted,
}

impl Taken {
    const ALL: [Self; 6] =
        [Self::Accepted, Self::RecipientRefused, Self::TooLarge, Self::RateLimited, Self::Malformed, Self::Aborted];

    /// What became of it in one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::RecipientRefused => "recipient_refused",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Malformed => "malformed",
            Self::Aborted => "aborted",
        }
    }
}

/// The agent's own metrics. Cheap to write from any thread.
#[derive(Debug)]
pub struct AgentMetrics {
    registry: Registry,
    checks: IntGauge,
    modules: IntGaugeVec,
    /// Under tuermer's name and under blackbox_exporter's.
    reload_successful: [IntGauge; 2],
    reload_moment: [Gauge; 2],
    module_unknown: IntCounter,
    runs_in_flight: IntGauge,
    lateness: Histogram,
    skipped: IntCounterVec,
    shortages: IntCounterVec,
    panics: IntCounter,
    web_requests: IntCounterVec,
    received: IntCounterVec,
    received_bytes: IntCounter,
    mail_connections: IntCounterVec,
    mail_connections_open: IntGauge,
    scrapes: IntCounterVec,
    scrapes_in_flight: IntGauge,
}

/// A run going on, as long as it lives.
#[derive(Debug)]
pub struct RunInFlight(IntGauge);

impl Drop for RunInFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A connection of a mail client, as long as it lives.
#[derive(Debug)]
pub struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for AgentMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl AgentMetrics {
    /// Metrics in a registry of their own.
    pub fn new() -> Self {
        let new = Registering(Registry::new());
        new.info(
            "tuermer_build_info",
            "The agent's build.",
            &[
                ("version", env!("CARGO_PKG_VERSION")),
                ("revision", option_env!("TUERMER_REVISION").unwrap_or("unknown")),
                ("rustc", env!("TUERMER_RUSTC")),
            ],
        );
        new.info(
            "blackbox_exporter_build_info",
            "The agent's build, under the name that dashboards for blackbox_exporter ask for.",
            &[
                ("branch", ""),
                ("goarch", architecture()),
                ("goos", std::env::consts::OS),
                ("goversion", ""),
                ("revision", option_env!("TUERMER_REVISION").unwrap_or("unknown")),
                ("tags", ""),
                ("version", env!("CARGO_PKG_VERSION")),
            ],
        );
        let reload = ["tuermer_config", "blackbox_exporter_config"];
        Self {
            checks: new.gauge("tuermer_checks", "Checks in the configuration."),
            modules: new.gauges(
                "tuermer_probe_modules",
                "Modules in the configuration by what /probe may ask with them: anything for want of a list (open), \
                 nothing because they carry secrets or try what must be refused and there is no list (refused), anything as the file says (any), \
                 what a list names (listed).",
                "targets",
                &Access::NAMES,
            ),
            reload_successful: reload.map(|prefix| {
                let name = format!("{prefix}_last_reload_successful");
                new.gauge(&name, "Whether the last attempt to load the configuration succeeded.")
            }),
            reload_moment: reload.map(|prefix| {
                let name = format!("{prefix}_last_reload_success_timestamp_seconds");
                new.float_gauge(&name, "When the configuration was last loaded with success.")
            }),
            module_unknown: new.counter("blackbox_module_unknown_total", "Requests for a module that does not exist."),
            runs_in_flight: new.gauge("tuermer_runs_in_flight", "Runs going on, scheduled and on demand."),
            lateness: new.histogram(
                "tuermer_run_start_lateness_seconds",
                "How much later than due scheduled runs began.",
                LATENESS_BOUNDS,
            ),
            skipped: new.counters(
                "tuermer_runs_skipped_total",
                "Scheduled runs that were due but not made.",
                "reason",
                &[Skip::Overload.name(), Skip::Late.name()],
            ),
            shortages: new.counters(
                "tuermer_agent_shortages_total",
                "Runs that say nothing of the service because the agent fell short.",
                "reason",
                &Reason::ALL
                    .iter()
                    .filter(|reason| reason.is_shortage())
                    .map(|reason| reason.name())
                    .collect::<Vec<_>>(),
            ),
            panics: new.counter("tuermer_panics_total", "Panics of probes, each caught and the end of one run only."),
            web_requests: new.counter_vec(
                "tuermer_web_requests_total",
                "Requests answered, by route and status code.",
                &["path", "code"],
            ),
            received: new.counters(
                "tuermer_receive_messages_total",
                "Messages that mail clients came with, by what became of them; recipients where they were refused.",
                "result",
                &Taken::ALL.map(Taken::name),
            ),
            received_bytes: new.counter("tuermer_receive_bytes_total", "Bytes of messages that mail clients sent."),
            mail_connections: new.counters(
                "tuermer_receive_connections_total",
                "Connections of mail clients, by whether there was a place for them.",
                "result",
                &["accepted", "refused"],
            ),
            mail_connections_open: new.gauge("tuermer_receive_connections_open", "Mail clients that are connected."),
            scrapes: new.counters(
                "promhttp_metric_handler_requests_total",
                "Answers to requests for these metrics, by status code.",
                "code",
                &["200", "500", "503"],
            ),
            scrapes_in_flight: new
                .gauge("promhttp_metric_handler_requests_in_flight", "Requests for these metrics being answered."),
            registry: new.0,
        }
    }

    /// A configuration was loaded.
    pub fn config_loaded(&self, plan: &Plan, at: SystemTime) {
        self.checks.set(i64::try_from(plan.checks.len()).unwrap_or(i64::MAX));
        for name in Access::NAMES {
            let modules = plan.modules.values().filter(|module| module.access.name() == name).count();
            self.modules.with_label_values(&[name]).set(i64::try_from(modules).unwrap_or(i64::MAX));
        }
        self.reload_successful.iter().for_each(|gauge| gauge.set(1));
        let moment = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        self.reload_moment.iter().for_each(|gauge| gauge.set(moment));
    }

    /// A configuration could not be loaded; the one before stays.
    pub fn config_rejected(&self) {
        self.reload_successful.iter().for_each(|gauge| gauge.set(0));
    }

    /// Somebody asked for a module that does not exist.
    pub fn module_unknown(&self) {
        self.module_unknown.inc();
    }

    /// A run begins; it is in flight until the value is dropped.
    #[must_use]
    pub fn run_began(&self) -> RunInFlight {
        self.runs_in_flight.inc();
        RunInFlight(self.runs_in_flight.clone())
    }

    /// How much later than due a scheduled run began.
    pub fn run_was_late(&self, lateness: Duration) {
        self.lateness.observe(lateness.as_secs_f64());
    }

    /// Scheduled runs were due but not made.
    pub fn runs_skipped(&self, skip: Skip, runs: u64) {
        self.skipped.with_label_values(&[skip.name()]).inc_by(runs);
    }

    /// Counts what a report, scheduled or on demand, says of the agent itself.
    pub fn reported(&self, report: &Report) {
        let Some(reason) = report.failure().map(tuermer_probes::Failure::reason) else { return };
        if reason.is_shortage() {
            self.shortages.with_label_values(&[reason.name()]).inc();
        }
        if reason == Reason::AgentPanic {
            self.panics.inc();
        }
    }

    /// So many messages, or recipients, of mail clients were dealt with.
    pub fn mail_taken(&self, taken: Taken, count: u64) {
        self.received.with_label_values(&[taken.name()]).inc_by(count);
    }

    /// So many bytes of a message came.
    pub fn mail_bytes(&self, bytes: u64) {
        self.received_bytes.inc_by(bytes);
    }

    /// A mail client connected, and there was a place for it or not.
    pub fn mail_connection(&self, has_place: bool) {
        self.mail_connections.with_label_values(&[if has_place { "accepted" } else { "refused" }]).inc();
    }

    /// A mail client is connected until the value is dropped.
    #[must_use]
    pub fn mail_connection_open(&self) -> OpenConnection {
        self.mail_connections_open.inc();
        OpenConnection(self.mail_connections_open.clone())
    }

    /// A request was answered. The path is a route, not what was asked for.
    pub fn web_request(&self, path: &'static str, code: u16) {
        let code = code.to_string();
        self.web_requests.with_label_values(&[path, &code]).inc();
        if path.ends_with("/metrics") {
            self.scrapes.with_label_values(&[&code]).inc();
        }
    }
}

/// The processor's architecture in Go's words, which dashboards know.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "loongarch64" => "loong64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

/// Makes metrics and puts them into the registry.
struct Registering(Registry);

impl Registering {
    fn collector(&self, collector: impl Collector + 'static) {
        self.0.register(Box::new(collector)).expect("every metric has a name of its own");
    }

    fn made<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("names, labels and bounds are valid");
        self.collector(metric.clone());
        metric
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.made(IntGauge::new(name, help))
    }

    fn float_gauge(&self, name: &str, help: &str) -> Gauge {
        self.made(Gauge::new(name, help))
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.made(IntCounter::new(name, help))
    }

    fn counter_vec(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.made(IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// Gauges of one label, zero from the start.
    fn gauges(&self, name: &str, help: &str, label: &str, values: &[&str]) -> IntGaugeVec {
        let gauges = self.made(IntGaugeVec::new(Opts::new(name, help), &[label]));
        for value in values {
            gauges.with_label_values(&[value]);
        }
        gauges
    }

    /// Counters of one label, zero from the start: so that the first event is an increase.
    fn counters(&self, name: &str, help: &str, label: &str, values: &[&str]) -> IntCounterVec {
        let counters = self.counter_vec(name, help, &[label]);
        for value in values {
            counters.with_label_values(&[value]);
        }
        counters
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        self.made(Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec())))
    }

    fn info(&self, name: &str, help: &str, labels: &[(&str, &str)]) {
        let (names, values): (Vec<_>, Vec<_>) = labels.iter().copied().unzip();
        self.made(GaugeVec::new(Opts::new(name, help), &names)).with_label_values(&values).set(1.0);
    }
}
