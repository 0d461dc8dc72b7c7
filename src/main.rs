//! The agent's binary: reads the command line and hands over.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tuermer::agent::{Options, ProberLog};
use tuermer::args::{self, AgentArgs, Args, Command, DemoArgs, EXIT_BAD, EXIT_GOOD, LogLevel, Stop};
use tuermer::run::{self, Setup};
use tuermer::web::{Guard, Listener, Site, Web};
use tuermer::{cli, demo, log};

fn main() -> ExitCode {
    let Args { agent, command } = match args::parse(std::env::args_os()) {
        Ok(args) => args,
        Err(stop) => return stopped(&stop),
    };
    match command {
        Some(Command::Check { file }) => cli::check::run(&file.unwrap_or_else(args::default_config_file)),
        Some(Command::Probe(probe)) => cli::probe::run(&probe),
        Some(Command::Import { file, config_file }) => cli::import::run(&file, config_file.as_deref()),
        Some(Command::Kinds { name, output }) => cli::kinds::run(name.as_deref(), output),
        Some(Command::Completions { shell }) => cli::generated::completions(shell),
        Some(Command::Man) => cli::generated::man(),
        Some(Command::Demo(town)) => ended(play(&agent, town)),
        None if agent.config_check => cli::check::run(&agent.config_file()),
        None => ended(watch(&agent)),
    }
}

/// Runs the agent.
fn watch(args: &AgentArgs) -> Result<(), String> {
    let prober_log = start_log(args);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "starting");
    let mut options = Options::new(args.config_file());
    options.prober_log = prober_log;
    options.history_limit = usize::try_from(args.history_limit).unwrap_or(usize::MAX);
    options.timeout_offset = args.timeout_offset;
    let web = args.clone();
    let interval = Duration::from_secs(args.auto_reload_interval.into());
    let watch = (args.auto_reload && !interval.is_zero()).then_some(interval);
    run::run(Setup { options, web: Box::new(move || serving(&web)), watch, hangup_ends: false })
}

/// What is served where.
fn serving(args: &AgentArgs) -> Result<Web, String> {
    let first = args.listen_addresses.first().filter(|_| !args.systemd_socket).map(String::as_str);
    let site = Site::new(&args.external_url, &args.route_prefix, first)?;
    let listeners = if args.systemd_socket {
        Listener::passed()?
    } else {
        args.listen_addresses.iter().map(|address| Listener::bind(address)).collect::<Result<_, _>>()?
    };
    let guard = match args.web_config_file.as_str() {
        "" => None,
        file => Some(Arc::new(Guard::open(file.into())?)),
    };
    Ok(Web { listeners, site, guard })
}

/// Plays the town, or changes one that plays already.
fn play(args: &AgentArgs, town: DemoArgs) -> Result<(), String> {
    let runtime = run::runtime("town")?;
    if let Some(change) = town.change {
        let told = runtime.block_on(demo::change(&town.at, &change))?;
        return writeln!(std::io::stdout(), "{told}").map_err(|error| error.to_string());
    }
    start_log(args);
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a folder: {error}"))?;
    let demo = runtime.block_on(demo::Demo::start(folder.path())).map_err(|error| format!("cannot play: {error}"))?;
    let listener = match Listener::bind(&town.at) {
        Err(_) if town.at == args::DEMO_ADDRESS => Listener::bind("127.0.0.1:0")?,
        bound => bound?,
    };
    let program = std::env::args().next().unwrap_or_else(|| "tuermer".to_owned());
    let introduction = demo.introduction(listener.address(), &program);
    writeln!(std::io::stdout(), "{introduction}").map_err(|error| error.to_string())?;
    let mut options = Options::new(demo.config_file().to_owned());
    options.world = Some(demo.world());
    options.panel = Some(Box::new(demo.panel()));
    let watch = Some(Duration::from_secs(30));
    let web = Web { listeners: vec![listener], site: Site::default(), guard: None };
    run::run(Setup { options, web: Box::new(|| Ok(web)), watch, hangup_ends: true })
}

/// The agent's own log, on the standard error.
fn start_log(args: &AgentArgs) -> ProberLog {
    let prober = args.prober_level();
    let level = prober.unwrap_or(LogLevel::Info);
    log::start(args.log_level, level, args.log_format);
    if prober.is_none() {
        tracing::warn!(level = args.log_prober, "--log.prober: there is no such level, using info");
    }
    ProberLog { level, format: args.log_format }
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(EXIT_GOOD),
        Err(message) => {
            let message = message.strip_prefix("error: ").unwrap_or(&message);
            stopped(&Stop { text: format!("tuermer: error: {message}\n"), code: EXIT_BAD })
        }
    }
}

fn stopped(stop: &Stop) -> ExitCode {
    // A reader that has hung up needs no word.
    let _ = if stop.code == EXIT_GOOD {
        std::io::stdout().write_all(stop.text.as_bytes())
    } else {
        std::io::stderr().write_all(stop.text.as_bytes())
    };
    ExitCode::from(stop.code)
}
