//! The jobs of a scrape configuration, and what blackbox_exporter would be asked by them.

use std::sync::Arc;
use std::time::Duration;

use super::super::fault::Fault;
use super::super::fields::{Fields, text_of};
use super::super::node::{Entry, Node};
use super::super::source::Place;
use super::relabel::{self, Labels};
use super::{Source, Work, discovery};

/// Most jobs. Chosen: ten times a large configuration.
const JOBS_MAX: usize = 10_000;
/// Prometheus' own defaults.
const INTERVAL_DEFAULT: &str = "1m";
const TIMEOUT_DEFAULT: &str = "10s";
/// The module that blackbox_exporter takes when none is named.
const MODULE_DEFAULT: &str = "http_2xx";
/// Where blackbox_exporter is asked.
const PROBE_PATH: &str = "/probe";

/// One target with everything that Prometheus would ask and remember.
pub(super) struct Wanted {
    pub(super) source: Arc<Source>,
    pub(super) place: Place,
    pub(super) job: String,
    pub(super) module: String,
    pub(super) target: String,
    /// All labels that do not begin with two underscores.
    pub(super) labels: Labels,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) exporter: String,
}

/// What blackbox_exporter is asked, and the number of jobs that do not ask it.
pub(super) fn read(root: &Node<'_>, source: &Arc<Source>, work: &mut Work) -> Result<(Vec<Wanted>, usize), Fault> {
    let fields = Fields::of(root, root.place, "a configuration of Prometheus")?;
    if let Some(entry) = fields.find("scrape_config_files") {
        work.note(source, &Fault::new(entry.key_place, "further files").with_help("import each of them by itself"));
    }
    let global = match fields.find("global") {
        Some(entry) => Times::read(&Fields::of(&entry.value, entry.key_place, "`global`")?, &Times::default())?,
        None => Times::default(),
    };
    let jobs = match fields.find("scrape_configs") {
        Some(entry) => entry.list()?,
        None => &[],
    };
    if jobs.len() > JOBS_MAX {
        return Err(Fault::new(root.place, format_args!("more than {JOBS_MAX} jobs")));
    }
    let (mut wanted, mut others) = (Vec::new(), 0);
    for node in jobs {
        match read_job(node, source, &global, work) {
            Ok(Some(found)) => wanted.extend(found),
            Ok(None) => others += 1,
            Err(fault) => work.note(source, &fault),
        }
    }
    Ok((wanted, others))
}

/// How often Prometheus asks, and how long it waits, as written.
#[derive(Clone)]
struct Times {
    interval: String,
    timeout: String,
}

impl Default for Times {
    fn default() -> Self {
        Self { interval: INTERVAL_DEFAULT.to_owned(), timeout: TIMEOUT_DEFAULT.to_owned() }
    }
}

impl Times {
    fn read(fields: &Fields<'_, '_>, default: &Self) -> Result<Self, Fault> {
        let read = |key: &str| match fields.find(key) {
            Some(entry) if span(entry.text()?).is_none() => {
                Err(Fault::new(entry.place(), format_args!("{:?} is no duration", entry.text()?)))
            }
            Some(entry) => Ok(Some(entry.text()?.to_owned())),
            None => Ok(None),
        };
        let interval = read("scrape_interval")?.unwrap_or_else(|| default.interval.clone());
        let timeout = read("scrape_timeout")?.unwrap_or_else(|| default.timeout.clone());
        // As in Prometheus the timeout of others is cut to a shorter interval.
        let timeout = if span(&timeout) > span(&interval) { interval.clone() } else { timeout };
        Ok(Self { interval, timeout })
    }
}

/// What a job asks of blackbox_exporter; `None` if it asks somebody else.
fn read_job(
    node: &Node<'_>,
    source: &Arc<Source>,
    global: &Times,
    work: &mut Work,
) -> Result<Option<Vec<Wanted>>, Fault> {
    let fields = Fields::of(node, node.place, "a job")?;
    let text = |key: &str| fields.find(key).map(Entry::text).transpose();
    let path = text("metrics_path")?.unwrap_or("/metrics");
    let has_path = |path: &str| path.ends_with(PROBE_PATH);
    let rules = match fields.find("relabel_configs") {
        // The rules of others need not be understood.
        Some(entry) if has_path(path) || mentions_path(&entry.value) => relabel::read(entry)?,
        _ => Vec::new(),
    };
    if !has_path(path) && !rules.iter().any(|rule| rule.writes("__metrics_path__")) {
        return Ok(None);
    }
    let name_entry = fields.required("job_name", "the job")?;
    let job = name_entry.text()?;
    if let Some(entry) = fields.find("metric_relabel_configs") {
        let fault = Fault::new(entry.key_place, format_args!("`metric_relabel_configs` of job {job:?}"))
            .with_help("move them to the job that scrapes tuermer");
        work.note(source, &fault);
    }
    let times = Times::read(&fields, global)?;
    let mut known = Labels::from([
        ("job".to_owned(), job.to_owned()),
        ("__metrics_path__".to_owned(), path.to_owned()),
        ("__scheme__".to_owned(), text("scheme")?.unwrap_or("http").to_owned()),
        ("__scrape_interval__".to_owned(), times.interval.clone()),
        ("__scrape_timeout__".to_owned(), times.timeout.clone()),
    ]);
    if let Some(entry) = fields.find("params") {
        for parameter in Fields::of(&entry.value, entry.key_place, "`params`")?.iter() {
            if let Some(first) = parameter.list()?.first() {
                known.insert(format!("__param_{}", parameter.key), text_of(first).unwrap_or_default().to_owned());
            }
        }
    }
    let mut wanted = Vec::new();
    for target in discovery::targets(&fields, source, work) {
        let mut labels = known.clone();
        labels.extend(target.labels);
        if !relabel::apply(&rules, &mut labels, work)? {
            continue;
        }
        match asked(labels, job, target.place, &target.source) {
            Ok(found) => wanted.extend(found),
            Err(fault) => work.note(&target.source, &fault),
        }
    }
    Ok(Some(wanted))
}

/// What is asked for a target with these labels in the end; `None` if blackbox_exporter is not asked.
fn asked(mut labels: Labels, job: &str, place: Place, source: &Arc<Source>) -> Result<Option<Wanted>, Fault> {
    if !labels.get("__metrics_path__").is_some_and(|path| path.ends_with(PROBE_PATH)) {
        return Ok(None);
    }
    let mut take = |name: &str| labels.remove(name).unwrap_or_default();
    let target = take("__param_target");
    if target.is_empty() {
        return Err(Fault::new(place, format_args!("job {job:?} gives blackbox_exporter no target for this"))
            .with_help("a rule should write it into __param_target"));
    }
    if !take("__param_hostname").is_empty() {
        return Err(Fault::new(place, format_args!("job {job:?} asks this under another name (parameter `hostname`)"))
            .with_help(
                "give that name to a module: `headers: {Host: NAME}` of http, `tls_config: {server_name: NAME}` of tcp",
            ));
    }
    let module = Some(take("__param_module")).filter(|module| !module.is_empty());
    let (interval, timeout) = (take("__scrape_interval__"), take("__scrape_timeout__"));
    let (Some(interval), Some(timeout)) = (span(&interval), span(&timeout)) else {
        return Err(Fault::new(place, format_args!("{interval:?} or {timeout:?} is no duration")));
    };
    let exporter = take("__address__");
    labels.retain(|name, _| !name.starts_with("__"));
    Ok(Some(Wanted {
        source: Arc::clone(source),
        place,
        job: job.to_owned(),
        module: module.unwrap_or_else(|| MODULE_DEFAULT.to_owned()),
        target,
        labels,
        interval,
        timeout,
        exporter,
    }))
}

/// Whether rules speak of the path.
fn mentions_path(node: &Node<'_>) -> bool {
    let super::super::node::Value::List(items) = &node.value else { return false };
    items.iter().any(|item| {
        let fields = Fields::of(item, item.place, "a rule").ok();
        let target = fields.and_then(|fields| fields.find("target_label").and_then(|entry| text_of(&entry.value)));
        target.is_some_and(|target| target == "__metrics_path__")
    })
}

/// A duration in Prometheus' notation (`1h30m`, `1d`, `500ms`).
pub(super) fn span(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis: u64 = match &rest[..unit_end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "y" => 31_536_000_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(millis)?))?;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}
