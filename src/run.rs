//! Running the agent: runtimes, listeners, signals, an orderly end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::{Agent, Options};
use crate::config;
use crate::reload;
use crate::web::{self, Listener};

/// How the agent is run.
pub struct Setup {
    /// What the agent is told.
    pub options: Options,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// How often the configuration file is looked at, if it is.
    pub watch: Option<Duration>,
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
    let loaded = config::load(&setup.options.config_file).map_err(|error| error.to_string())?;
    let (checks, web) = (runtime("check")?, runtime("web")?);
    let agent = Agent::start(setup.options, loaded, checks.handle())?;
    for listener in &setup.listeners {
        tracing::info!(address = %listener.address(), "listening");
    }
    if let Some(interval) = setup.watch {
        web.spawn(reload::watch(Arc::clone(&agent), interval));
    }
    web.block_on(async {
        tokio::select! {
            () = web::serve(Arc::clone(&agent), setup.listeners) => Ok(()),
            stopped = signals(&agent) => stopped,
        }
    })
}

/// Handles signals until one of them ends the agent: SIGHUP reloads; SIGTERM and SIGINT end.
async fn signals(agent: &Arc<Agent>) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let (mut reload, mut end, mut interrupt) =
        (listen(SignalKind::hangup())?, listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    loop {
        tokio::select! {
            _ = reload.recv() => {
                let agent = Arc::clone(agent);
                // Apart, so that a storm of signals is taken in while one reload runs; the kernel and this stream merge them.
                tokio::spawn(async move { drop(agent.reloader().reload(&agent).await) });
            }
            _ = end.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping");
    let again = async { tokio::join!(end.recv(), interrupt.recv()) };
    first(agent.stop(), again).await;
    Ok(())
}

async fn first(one: impl Future, other: impl Future) {
    tokio::select! { _ = one => {}, _ = other => {} }
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
