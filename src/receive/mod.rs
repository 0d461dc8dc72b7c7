//! Mail that arrives at the agent: an SMTP or LMTP server (RFC 5321, RFC 2033) that takes messages for a few addresses.
//!
//! What it takes is kept in memory for the probes to find, for a while; nothing is ever handed on. Runs on the web's
//! runtime, so that it delays no check. Knows no kind of probe.

mod clients;
mod command;
mod data;
mod dialogue;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod post;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use command::is_mailbox;
pub use post::Post;

use crate::agent_metrics::AgentMetrics;
use crate::plan::Receive;
use crate::web::Listener;
use clients::Clients;
use tls::Certificates;

/// Pause after a failure to accept, for example for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest time clients have to hear that the agent ends.
const STOP_GRACE: Duration = Duration::from_secs(1);
/// What a client hears for which there is no place.
const NO_PLACE: &[u8] = b"421 4.3.2 too many connections, try again later\r\n";

/// Takes mail where the configuration says so.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    runtime: Handle,
    listening: Mutex<Vec<Listening>>,
}

/// What all connections have in common.
#[derive(Debug)]
struct Shared {
    settings: Mutex<Arc<Receive>>,
    post: Arc<Post>,
    metrics: Arc<AgentMetrics>,
    clients: Arc<Clients>,
    certificates: Certificates,
}

/// An address that is listened at.
#[derive(Debug)]
struct Listening {
    address: Box<str>,
    ending: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What a configuration needs, got before anything is changed.
#[derive(Debug)]
pub struct Prepared {
    settings: Option<Arc<Receive>>,
    listeners: Vec<(Box<str>, Listener)>,
}

impl Receiver {
    /// Takes no mail yet. Clients are served on this runtime.
    pub fn new(post: Arc<Post>, metrics: Arc<AgentMetrics>, runtime: Handle) -> Self {
        let shared = Shared {
            settings: Mutex::default(),
            post,
            metrics,
            clients: Arc::default(),
            certificates: Certificates::default(),
        };
        Self { shared: Arc::new(shared), runtime, listening: Mutex::default() }
    }

    /// Gets what a configuration needs: sockets that are not there yet, a certificate that can be used.
    pub fn prepare(&self, settings: Option<&Arc<Receive>>) -> Result<Prepared, String> {
        let mut listeners = Vec::new();
        if let Some(settings) = settings {
            if let Some(files) = &settings.tls {
                self.shared.certificates.config(files).map_err(|why| format!("receive: {why}"))?;
            }
            let listening = self.listening();
            for address in &settings.listen {
                if !listening.iter().any(|known| known.address == *address) {
                    listeners.push((address.clone(), Listener::bind(address)?));
                }
            }
        }
        Ok(Prepared { settings: settings.cloned(), listeners })
    }

    /// Takes mail as a configuration says. Listeners that it has in common with the one before stay.
    pub fn apply(&self, prepared: Prepared) {
        let Prepared { settings, listeners } = prepared;
        self.shared.post.apply(settings.as_ref());
        let settings = settings.unwrap_or_default();
        *self.shared.settings() = Arc::clone(&settings);
        let mut listening = self.listening();
        listening.retain(|known| {
            let stays = settings.listen.contains(&known.address);
            if !stays {
                tracing::info!(address = &*known.address, "no more mail is taken here");
                known.ending.send_replace(true);
            }
            stays
        });
        for (address, listener) in listeners {
            tracing::info!(address = %listener.address(), "taking mail");
            let (ending, ended) = watch::channel(false);
            let task = self.runtime.spawn(listen(listener, Arc::clone(&self.shared), ended));
            listening.push(Listening { address, ending, task });
        }
    }

    /// Tells clients that it is over, and waits a moment until they heard it.
    pub async fn stop(&self) {
        let listening = std::mem::take(&mut *self.listening());
        for one in &listening {
            one.ending.send_replace(true);
        }
        let all = async {
            for one in listening {
                // A listener that panicked has ended too.
                let _ = one.task.await;
            }
        };
        if tokio::time::timeout(STOP_GRACE, all).await.is_err() {
            tracing::warn!("clients that were sending mail are cut off");
        }
    }

    fn listening(&self) -> MutexGuard<'_, Vec<Listening>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn settings(&self) -> MutexGuard<'_, Arc<Receive>> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the listener ends; one that is gone has ended.
async fn ended(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Accepts connections until the end, and waits for those that go on.
async fn listen(listener: Listener, shared: Arc<Shared>, mut ending: watch::Receiver<bool>) {
    let listener = match listener.open() {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot take mail"),
    };
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
            () = ended(&mut ending) => break,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of a mail client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A client that is gone again has no address.
        let Ok(peer) = stream.peer_addr().map(|peer| peer.ip()) else { continue };
        let settings = Arc::clone(&shared.settings());
        let place = shared.clients.place(peer, &settings);
        shared.metrics.mail_connection(place.is_some());
        let Some(place) = place else {
            // A new socket has room for a line; whoever cannot hear it is refused all the same.
            let _ = stream.try_write(NO_PLACE);
            continue;
        };
        let (shared, ending) = (Arc::clone(&shared), ending.clone());
        sessions.spawn(async move {
            let in_hand = shared.metrics.mail_connection_open();
            session::serve(stream, peer, settings, shared, ending).await;
            drop((place, in_hand));
        });
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}
