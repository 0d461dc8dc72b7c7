//! When the configuration is loaded again: a signal, a request, a changed file. One at a time, the rest wait together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::{Mutex, mpsc};

use crate::agent::Agent;

/// Quiet time after a change before the file is read: an editor may still be writing. Chosen.
const SETTLE: Duration = Duration::from_millis(250);

/// How often the system's name servers and hosts are looked at. Chosen: as often as Go programs do.
const NAMES_INTERVAL: Duration = Duration::from_secs(5);

/// Lets one reload happen at a time.
#[derive(Debug, Default)]
pub struct Reloader(Mutex<()>);

impl Reloader {
    /// Loads the configuration on a thread for blocking work.
    pub async fn reload(&self, agent: &Arc<Agent>) -> Result<(), String> {
        let _turn = self.0.lock().await;
        let agent = Arc::clone(agent);
        let loaded = tokio::task::spawn_blocking(move || agent.load()).await;
        loaded.unwrap_or_else(|_| Err("the loader panicked".to_owned()))
    }

    /// Reads what names come from again if it changed, on a thread for blocking work.
    async fn renew_names(&self, agent: &Arc<Agent>) -> Result<(), String> {
        let _turn = self.0.lock().await;
        let agent = Arc::clone(agent);
        let renewed = tokio::task::spawn_blocking(move || agent.renew_names()).await;
        renewed.unwrap_or_else(|_| Err("the reader of names panicked".to_owned()))
    }
}

/// Reloads whenever the file changes, or at the latest when `interval` has passed. Watches the folder, because files
/// are often replaced and, in Kubernetes, reached through a link that changes.
pub async fn watch(agent: Arc<Agent>, interval: Duration) {
    let (changed, mut changes) = mpsc::channel(1);
    let file = agent.config_file().clone();
    let watcher = watcher(&file, changed);
    if let Err(error) = &watcher {
        tracing::warn!(%error, "cannot watch the configuration file, reading it every {interval:?}");
    }
    loop {
        let waited = tokio::time::timeout(interval, changes.recv()).await;
        if matches!(waited, Ok(None)) {
            // The watcher is gone: the interval alone remains.
            tokio::time::sleep(interval).await;
        } else if waited.is_ok() {
            tokio::time::sleep(SETTLE).await;
            while changes.try_recv().is_ok() {}
        }
        // What went wrong is logged and shown by the metric; the old configuration stays.
        let _ = agent.reloader().reload(&agent).await;
    }
}

/// Reads the system's name servers and hosts, and the trust anchors, again whenever they change. What is wrong with them
/// is tried until it is right, and told once.
pub async fn watch_names(agent: Arc<Agent>) {
    let mut told = None;
    loop {
        tokio::time::sleep(NAMES_INTERVAL).await;
        let wrong = agent.reloader().renew_names(&agent).await.err();
        if let Some(message) = wrong.as_ref().filter(|_| wrong != told) {
            tracing::warn!("{message}");
        }
        told = wrong;
    }
}

fn watcher(file: &Path, changed: mpsc::Sender<()>) -> notify::Result<notify::RecommendedWatcher> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // A full channel already says that something changed.
            let _ = changed.try_send(());
        }
    })?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
