//! `tuermer probe`: one run of one probe, shown.

mod json;
mod text;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tuermer_probes::net::RevocationLists;
use tuermer_probes::{BoxProbe, Module, Report, Target, Verdict};

use super::paint::Style;
use super::{fail, print};
use crate::args::{EXIT_BAD, EXIT_GOOD, EXIT_UNKNOWN, ProbeArgs, ProbeOutput, default_config_file};
use crate::config::{self, TIMEOUT_DEFAULT};
use crate::exposition::{self, Format};
use crate::plan::{AgentSettings, NamedModule, Plan, ProbeMetrics};

/// What was asked, for the headline.
#[derive(Debug, Clone, Copy)]
struct Subject<'a> {
    module: &'a str,
    kind: &'static str,
    target: &'a str,
}

/// Runs a probe once and shows what happened.
pub fn run(args: &ProbeArgs) -> ExitCode {
    let file = args.config_file.clone().unwrap_or_else(default_config_file);
    match ask(args, &file) {
        Ok((module, report)) => show(args, &module, &report),
        Err(message) => fail(&message, EXIT_UNKNOWN),
    }
}

fn ask(args: &ProbeArgs, file: &Path) -> Result<(Module, Report), String> {
    let plan = config::load(file).map_err(|error| error.to_string())?.plan;
    let named = named(&plan, &args.module)?;
    let module = named.module.clone().ok_or_else(|| format!("error: module `{}` has no prober", args.module))?;
    if module.kind().sends_mail {
        return Err(format!("error: module `{}` sends mail: only the configuration's checks do", args.module));
    }
    let timeout = args.timeout.map(|span| span.0).filter(|timeout| !timeout.is_zero());
    let timeout = timeout.or(named.timeout).unwrap_or(TIMEOUT_DEFAULT);
    let mut target = Target::new(args.target.as_str());
    if let Some(hostname) = &args.hostname {
        target = target.with_hostname(hostname.as_str());
    }
    let report = match module.bind(&target) {
        Ok(probe) => run_once(&plan.agent, &probe, timeout)?,
        Err(invalid) => module.refuse(&invalid, timeout),
    };
    Ok((module, report))
}

fn named(plan: &Plan, name: &str) -> Result<Arc<NamedModule>, String> {
    plan.modules.get(name).cloned().ok_or_else(|| {
        let names: Vec<&str> = plan.modules.keys().map(AsRef::as_ref).collect();
        match config::closest(name, names.iter().copied()) {
            Some(meant) => format!("error: unknown module `{name}`, did you mean `{meant}`?"),
            None if names.is_empty() => format!("error: unknown module `{name}`: the file has no modules"),
            None => format!("error: unknown module `{name}`, there are {}", names.join(", ")),
        }
    })
}

fn run_once(settings: &AgentSettings, probe: &BoxProbe, timeout: Duration) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("error: cannot start: {error}"))?;
    runtime.block_on(async {
        let net = crate::world::net(settings).map_err(|error| format!("error: {error}"))?;
        let lists = RevocationLists::default();
        let net = net.with_revocation_lists(lists.clone(), settings.private_revocation_lists);
        let report = probe.run(&net, timeout).await;
        if !lists.are_wanted() {
            return Ok(report);
        }
        // No run waits for a list of revoked certificates: the one that is shown has them.
        lists.fetch_due(&net).await;
        Ok(probe.run(&net, timeout).await)
    })
}

fn metrics(report: &Report, module: &Module) -> Vec<u8> {
    let mut out = Vec::new();
    exposition::render_report(report, module.kind(), ProbeMetrics::All, Format::Text, &mut out);
    out
}

fn show(args: &ProbeArgs, module: &Module, report: &Report) -> ExitCode {
    let subject = Subject { module: &args.module, kind: module.kind().name, target: &args.target };
    let text = match args.output {
        ProbeOutput::Text => text::render(report, subject, Style::of_stdout()).into_bytes(),
        ProbeOutput::Json => json::render(report, subject).into_bytes(),
        ProbeOutput::Metrics => metrics(report, module),
    };
    let printed = print(&text);
    if printed != ExitCode::from(EXIT_GOOD) {
        return printed;
    }
    ExitCode::from(match report.verdict() {
        Verdict::Up => EXIT_GOOD,
        Verdict::Down => EXIT_BAD,
        Verdict::Unknown => EXIT_UNKNOWN,
    })
}
