//! Running the agent: runtimes, listeners, signals, an orderly end.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::agent::{Agent, Options};
use crate::config;
use crate::reload;
use crate::web::{self, Web};

/// Longest time threads are waited for at the end. Chosen: nothing they do then matters any more.
const END_GRACE: Duration = Duration::from_millis(500);

/// How the agent is run.
pub struct Setup {
    /// What the agent is told.
    pub options: Options,
    /// What it serves where; made once the configuration is loaded, so that a bad one is told first.
    pub web: Box<dyn FnOnce() -> Result<Web, String>>,
    /// How often the configuration file is looked at, if it is.
    pub watch: Option<Duration>,
    /// Whether SIGHUP ends the agent, as for a program of a terminal, instead of loading the configuration again.
    pub hangup_ends: bool,
}

/// A runtime with as many threads as the process has processors.
pub fn runtime(name: &str) -> Result<Runtime, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name(name).enable_all();
    builder.build().map_err(|error| format!("cannot start threads: {error}"))
}

/// Runs the agent until a signal ends it. Checks run on one runtime and the web on another, so that neither delays the other.
pub fn run(setup: Setup) -> Result<(), String> {
    raise_file_limit();
    let (checks, web) = (runtime("check")?, runtime("web")?);
    // Before anything that takes long: a signal that nobody waits for would end the process.
    let signals = {
        let _entered = web.enter();
        Signals::listen()?
    };
    let loaded = config::load(&setup.options.config_file).map_err(|error| error.to_string())?;
    let serving = (setup.web)()?;
    let agent = Agent::start(setup.options, loaded, checks.handle(), web.handle())?;
    for listener in &serving.listeners {
        tracing::info!(address = %listener.address(), "listening");
    }
    if let Some(interval) = setup.watch {
        web.spawn(reload::watch(Arc::clone(&agent), interval));
    }
    web.spawn(reload::watch_names(Arc::clone(&agent)));
    let ended = web.block_on(async {
        tokio::select! {
            () = web::serve(Arc::clone(&agent), serving) => Err("no listener is left".to_owned()),
            () = signals.until_end(&agent, setup.hangup_ends) => Ok(()),
        }
    });
    // Not at the mercy of a file or a lookup that hangs.
    web.shutdown_timeout(END_GRACE);
    checks.shutdown_timeout(END_GRACE);
    ended
}

/// The signals the agent listens to.
struct Signals {
    hangup: Signal,
    end: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        let (hangup, end) = (listen(SignalKind::hangup())?, listen(SignalKind::terminate())?);
        Ok(Self { hangup, end, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Handles signals until one of them ends the agent: SIGHUP reloads; SIGTERM and SIGINT end, a second one at once.
    async fn until_end(mut self, agent: &Arc<Agent>, hangup_ends: bool) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    if hangup_ends {
                        break;
                    }
                    let agent = Arc::clone(agent);
                    // Apart, so that a storm of signals is taken in while one reload runs; the stream merges them.
                    tokio::spawn(async move { drop(agent.reloader().reload(&agent).await) });
                }
                _ = self.end.recv() => break,
                _ = self.interrupt.recv() => break,
            }
        }
        tracing::info!("stopping");
        tokio::select! {
            () = agent.stop() => {}
            _ = self.end.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Lets the process open as many files as the system allows it: each probe needs one or two.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
