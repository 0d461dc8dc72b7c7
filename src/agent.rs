//! The running agent: what the web and the reloader share.
//!
//! Wires plan, world, store and scheduler together; decides nothing itself.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tuermer_probes::Memory;
use tuermer_probes::inbox::Inbox;
use tuermer_probes::net::{Net, RevocationLists};

use crate::agent_metrics::AgentMetrics;
use crate::args::{LogFormat, LogLevel};
use crate::config::{self, Loaded};
use crate::exposition::{self, Format};
use crate::history::History;
use crate::plan::Plan;
use crate::receive::{Post, Receiver};
use crate::reload::Reloader;
use crate::schedule::{Gate, Schedule};
use crate::store::Store;
use crate::web::{PAGES_MAX, Panel};
use crate::world;

/// Longest time runs in flight are waited for at the end. Chosen: shorter than service managers wait.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Turns a plan's world into the one probes run in.
pub type Change = dyn Fn(Net) -> Net + Send + Sync;

/// What does not change while the agent runs.
pub struct Options {
    /// The configuration file.
    pub config_file: PathBuf,
    /// Seconds taken off the scrape timeout, so that the answer arrives in time.
    pub timeout_offset: f64,
    /// How many probes on demand are remembered.
    pub history_limit: usize,
    /// How the log of a single probe is written.
    pub prober_log: ProberLog,
    /// What is different in the world of the probes: the demo's town lives there.
    pub world: Option<Arc<Change>>,
    /// What the page shows and takes besides the checks.
    pub panel: Option<Box<dyn Panel>>,
    /// Lists of revoked certificates: they outlive configurations.
    pub lists: RevocationLists,
    /// What runs left for the next: it outlives configurations.
    pub memory: Memory,
    /// Mail that arrived: it outlives configurations.
    pub post: Arc<Post>,
}

/// How the log of a single probe is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProberLog {
    /// How much of it.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

impl Options {
    /// An agent with this configuration file.
    pub fn new(config_file: PathBuf) -> Self {
        let prober_log = ProberLog { level: LogLevel::Info, format: LogFormat::Logfmt };
        Self {
            config_file,
            timeout_offset: 0.5,
            history_limit: 100,
            prober_log,
            world: None,
            panel: None,
            lists: RevocationLists::default(),
            memory: Memory::default(),
            post: Arc::default(),
        }
    }

    fn net(&self, plan: &Plan) -> Result<Arc<Net>, String> {
        let net = world::net(&plan.agent)?;
        let net = net.with_revocation_lists(self.lists.clone(), plan.agent.private_revocation_lists);
        let net = net.with_memory(self.memory.clone());
        let net = net.with_inbox(Arc::clone(&self.post) as Arc<dyn Inbox>);
        Ok(Arc::new(match &self.world {
            Some(change) => change(net),
            None => net,
        }))
    }
}

/// The running agent.
pub struct Agent {
    options: Options,
    loaded: ArcSwap<Loaded>,
    net: ArcSwap<Net>,
    store: Arc<Store>,
    /// The last probes on demand.
    history: History,
    /// `None` once the agent stops.
    schedule: Mutex<Option<Schedule>>,
    /// For probes on demand: apart from that of checks, so that requests cannot keep checks from running.
    gate: Gate,
    metrics: Arc<AgentMetrics>,
    /// Room for answers that take long to write.
    pages: Arc<Semaphore>,
    /// What the world's names were made from.
    names: AtomicU64,
    /// Why the file could not be loaded last: told once.
    rejected: Mutex<Option<String>>,
    receiver: Receiver,
    reloader: Reloader,
    ready: AtomicBool,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Agent")
    }
}

impl Agent {
    /// Brings a loaded configuration to life: checks start to run on the runtime `checks`, and mail is taken on `web`.
    pub fn start(options: Options, loaded: Loaded, checks: &Handle, web: &Handle) -> Result<Arc<Self>, String> {
        warn(&loaded);
        let names = world::names_stamp(&loaded.plan.agent);
        let net = options.net(&loaded.plan)?;
        let prepared = Arc::clone(&net);
        std::thread::spawn(move || prepared.prepare());
        let metrics = Arc::new(AgentMetrics::new());
        let receiver = Receiver::new(Arc::clone(&options.post), Arc::clone(&metrics), web.clone());
        receiver.apply(receiver.prepare(loaded.plan.receive.as_ref())?);
        let store = Arc::new(Store::new());
        let gate = Gate::new(loaded.plan.agent.runs_in_flight_max);
        let schedule = {
            let _entered = checks.enter();
            let gate = Gate::new(loaded.plan.agent.runs_in_flight_max);
            Schedule::start(Arc::clone(&store), Arc::clone(&metrics), gate)
        };
        schedule.apply(&loaded.plan, Net::clone(&net));
        metrics.config_loaded(&loaded.plan, SystemTime::now());
        let history = History::new(options.history_limit);
        let agent = Arc::new(Self {
            options,
            loaded: ArcSwap::from_pointee(loaded),
            net: ArcSwap::new(net),
            store,
            history,
            schedule: Mutex::new(Some(schedule)),
            gate,
            metrics,
            pages: Arc::new(Semaphore::new(PAGES_MAX)),
            names: AtomicU64::new(names),
            rejected: Mutex::default(),
            receiver,
            reloader: Reloader::default(),
            ready: AtomicBool::new(true),
        });
        let keeper = Arc::clone(&agent);
        checks.spawn(async move { keeper.options.lists.keep(|| keeper.net()).await });
        Ok(agent)
    }

    /// Loads the configuration file again and applies it; a bad file changes nothing.
    pub fn load(&self) -> Result<(), String> {
        match self.try_load() {
            Ok(()) => {
                *self.rejected.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Ok(())
            }
            Err(message) => {
                self.metrics.config_rejected();
                let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
                if rejected.as_ref() == Some(&message) {
                    return Err(message);
                }
                *rejected = Some(message.clone());
                tracing::error!(file = %self.options.config_file.display(), "configuration not loaded, the old one stays:\n{message}");
                Err(message)
            }
        }
    }

    fn try_load(&self) -> Result<(), String> {
        let file = &self.options.config_file;
        let old = self.loaded.load_full();
        if config::checksum(file).map_err(|error| error.to_string())? == old.digest {
            self.renew_names()?;
            self.metrics.config_loaded(&old.plan, SystemTime::now());
            return Ok(());
        }
        let loaded = config::load(file).map_err(|error| error.to_string())?;
        warn(&loaded);
        let receive = self.receiver.prepare(loaded.plan.receive.as_ref())?;
        let names = world::names_stamp(&loaded.plan.agent);
        if loaded.plan.agent != old.plan.agent || self.names.load(Ordering::Relaxed) != names {
            self.renew_net(&loaded.plan, names)?;
        }
        self.receiver.apply(receive);
        self.gate.resize(loaded.plan.agent.runs_in_flight_max);
        if let Some(schedule) = &*self.schedule.lock().unwrap_or_else(PoisonError::into_inner) {
            schedule.apply(&loaded.plan, Net::clone(&self.net.load()));
        }
        self.metrics.config_loaded(&loaded.plan, SystemTime::now());
        tracing::info!(modules = loaded.plan.modules.len(), checks = loaded.plan.checks.len(), "configuration loaded");
        self.loaded.store(Arc::new(loaded));
        Ok(())
    }

    /// Reads the system's name servers and hosts, and the trust anchors, again if they changed. What could not be used is
    /// tried, and refused, again the next time.
    pub(crate) fn renew_names(&self) -> Result<(), String> {
        let loaded = self.loaded.load();
        let names = world::names_stamp(&loaded.plan.agent);
        if self.names.load(Ordering::Relaxed) == names {
            return Ok(());
        }
        self.renew_net(&loaded.plan, names)?;
        if let Some(schedule) = &*self.schedule.lock().unwrap_or_else(PoisonError::into_inner) {
            schedule.apply(&loaded.plan, Net::clone(&self.net.load()));
        }
        tracing::info!("name servers, hosts or trust anchors changed, read again");
        Ok(())
    }

    /// `names` is the stamp taken before: a change that comes in between is seen the next time.
    fn renew_net(&self, plan: &Plan, names: u64) -> Result<(), String> {
        let net = self.options.net(plan)?;
        net.prepare();
        self.net.store(net);
        self.names.store(names, Ordering::Relaxed);
        Ok(())
    }

    /// What is loaded at present, with its text.
    pub fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// The world probes run in.
    pub fn net(&self) -> Arc<Net> {
        self.net.load_full()
    }

    /// Results of checks.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The last probes on demand.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// How the log of a single probe is written.
    pub const fn prober_log(&self) -> ProberLog {
        self.options.prober_log
    }

    /// The agent's own metrics.
    pub fn metrics(&self) -> &AgentMetrics {
        &self.metrics
    }

    /// How many runs on demand may go on at once.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Reloading, one at a time.
    pub const fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// Room for answers that take long to write.
    pub(crate) const fn pages(&self) -> &Arc<Semaphore> {
        &self.pages
    }

    /// Seconds taken off the scrape timeout.
    pub const fn timeout_offset(&self) -> f64 {
        self.options.timeout_offset
    }

    /// The configuration file.
    pub const fn config_file(&self) -> &PathBuf {
        &self.options.config_file
    }

    /// What the page shows and takes besides the checks.
    pub fn panel(&self) -> Option<&dyn Panel> {
        self.options.panel.as_deref()
    }

    /// Whether the plan is applied and the agent is not stopping.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Stops starting runs and waits a while for those in flight.
    pub async fn stop(&self) {
        self.ready.store(false, Ordering::Relaxed);
        self.receiver.stop().await;
        let schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(schedule) = schedule
            && !schedule.shutdown(STOP_GRACE).await
        {
            tracing::warn!("runs in flight were cut off after {STOP_GRACE:?}");
        }
    }

    /// Everything for `/metrics`, handed on while it is written.
    pub fn write_metrics(&self, format: Format, sink: &mut dyn io::Write) -> io::Result<()> {
        exposition::write_store(&self.store, format, sink)?;
        let mut own = Vec::new();
        self.metrics.render(format, &mut own);
        exposition::end(format, &mut own);
        sink.write_all(&own)
    }
}

/// What an operator should know although the file is valid.
fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}
