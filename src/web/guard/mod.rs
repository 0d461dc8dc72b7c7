//! Who may ask, and how often: what `--web.config.file` says, kept up to date with the file.
//!
//! The file is looked at with every request, certificates and keys with every handshake, and read again when they
//! changed; a file that is wrong lets nobody in. Knows no route.

mod clients;
mod passwords;
mod rate;
#[cfg(test)]
mod tests;
mod tls;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Response, StatusCode};
use rustls::ServerConfig;
use tuermer_probes::net::{FileContent, Files as _};

use crate::config::web::{self, WebConfig};
use crate::web::{Body, plain};
use crate::world::CachedFiles;
use passwords::{Judged, Passwords};
use rate::Rate;

/// How long a file that lost passwords or its need for certificates must rest until it is believed: it may be half
/// written, and what is missing still to come. Chosen: longer than a program writes.
const SETTLE: Duration = Duration::from_secs(2);

/// Guards the pages.
#[derive(Debug)]
pub struct Guard {
    file: PathBuf,
    files: CachedFiles,
    /// Whether the pages were served over TLS when the agent began: that does not change.
    over_tls: bool,
    now: Mutex<Now>,
    passwords: Passwords,
    rate: Rate,
}

/// What the files said last. Versions tell whether they still do.
#[derive(Debug, Default)]
struct Now {
    config: Option<(u64, Shared<WebConfig>)>,
    /// The last one that was right.
    guarded: Option<Arc<WebConfig>>,
    tls: Option<(tls::Stamp, Shared<ServerConfig>)>,
    /// What went wrong last: told once.
    complaint: Option<Arc<str>>,
}

type Shared<T> = Result<Arc<T>, Arc<str>>;

impl Guard {
    /// Reads a file and everything it names.
    pub fn open(file: PathBuf) -> Result<Self, String> {
        let mut guard = Self {
            file,
            files: CachedFiles::default(),
            over_tls: false,
            now: Mutex::default(),
            passwords: Passwords::new()?,
            rate: Rate::default(),
        };
        let config = guard.read().map_err(|why| why.to_string())?;
        guard.over_tls = config.tls.is_some();
        if guard.over_tls {
            guard.read_tls().map_err(|why| why.to_string())?;
        }
        let users = config.users.len();
        tracing::info!(file = %guard.file.display(), tls = guard.over_tls, users, "web configuration loaded");
        Ok(guard)
    }

    /// Whether the pages are served over TLS.
    pub(super) const fn over_tls(&self) -> bool {
        self.over_tls
    }

    /// Lets a request in, or answers it. The configuration that let it in has the header fields of the answer.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Arc<WebConfig>, Box<Response<Body>>> {
        let refuse = |status: StatusCode| {
            Box::new(plain(status, format!("{}\n", status.canonical_reason().unwrap_or_default())))
        };
        let Ok(config) = self.config() else { return Err(refuse(StatusCode::INTERNAL_SERVER_ERROR)) };
        if !self.rate.allows(config.rate) {
            return Err(refuse(StatusCode::TOO_MANY_REQUESTS));
        }
        if config.users.is_empty() {
            return Ok(config);
        }
        let judged = match headers.get(AUTHORIZATION).and_then(passwords::credentials) {
            Some((user, password)) => self.passwords.judge(&config.users, &user, &password).await,
            None => Judged::Wrong,
        };
        let mut refusal = match judged {
            Judged::Right => return Ok(config),
            Judged::Wrong => refuse(StatusCode::UNAUTHORIZED),
            Judged::NoRoom => refuse(StatusCode::SERVICE_UNAVAILABLE),
        };
        match judged {
            Judged::NoRoom => refusal.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1")),
            _ => refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic")),
        };
        dress(&config, &mut refusal);
        Err(refusal)
    }

    /// How TLS is served at this moment.
    pub(super) fn tls(&self) -> Shared<ServerConfig> {
        self.told(self.read_tls())
    }

    fn config(&self) -> Shared<WebConfig> {
        self.told(self.read())
    }

    fn read(&self) -> Shared<WebConfig> {
        let content = self.content(&self.file)?;
        if let Some((version, config)) = &self.now().config
            && *version == content.version
        {
            return config.clone();
        }
        let text = std::str::from_utf8(&content.bytes).map_err(|_| "not UTF-8".to_owned());
        let parsed = text.and_then(|text| web::parse(text, &self.file).map_err(|error| error.to_string()));
        if let Ok(config) = &parsed
            && self.now().guarded.as_ref().is_some_and(|before| guards_less(before, config))
            && self.is_fresh()
        {
            return Err(Arc::from("the file has just lost what guarded the pages; it may be half written"));
        }
        let config = match parsed {
            Ok(config) => {
                for warning in &config.warnings {
                    tracing::warn!(file = %self.file.display(), "{warning}");
                }
                Ok(Arc::new(config))
            }
            Err(why) => Err(why.into()),
        };
        let mut now = self.now();
        now.config = Some((content.version, config.clone()));
        if let Ok(config) = &config {
            now.guarded = Some(Arc::clone(config));
        }
        config
    }

    /// Whether the file was changed a moment ago, or in the future.
    fn is_fresh(&self) -> bool {
        let changed = std::fs::metadata(&self.file).and_then(|metadata| metadata.modified());
        changed.map_or(true, |at| at.elapsed().map_or(true, |age| age < SETTLE))
    }

    fn read_tls(&self) -> Shared<ServerConfig> {
        let config = self.read()?;
        let Some(settings) = &config.tls else {
            return Err(Arc::from("the file no longer says how TLS is served; that needs a restart"));
        };
        let material = tls::Material::read(settings, |path| self.content(path))?;
        let stamp = material.stamp(&config);
        if let Some((known, tls)) = &self.now().tls
            && known.is(&stamp)
        {
            return tls.clone();
        }
        let built = tls::build(&config, settings, &material).map(Arc::new).map_err(Arc::from);
        self.now().tls = Some((stamp, built.clone()));
        built
    }

    fn content(&self, path: &std::path::Path) -> Result<FileContent, Arc<str>> {
        self.files.read(path).map_err(|error| format!("cannot read {}: {error}", path.display()).into())
    }

    /// Logs what is wrong, once.
    fn told<T>(&self, read: Shared<T>) -> Shared<T> {
        let complaint = read.as_ref().err().cloned();
        let mut now = self.now();
        if now.complaint != complaint {
            if let Some(why) = &complaint {
                tracing::error!(file = %self.file.display(), "web configuration not usable, nobody is let in:\n{why}");
            }
            now.complaint = complaint;
        }
        read
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether some could get in that could not before.
fn guards_less(before: &WebConfig, now: &WebConfig) -> bool {
    let needs_certificate = |config: &WebConfig| config.tls.as_ref().is_some_and(|tls| tls.client_auth.is_required());
    (!before.users.is_empty() && now.users.is_empty()) || (needs_certificate(before) && !needs_certificate(now))
}

/// Sets the header fields that the configuration wants on every answer.
pub(super) fn dress(config: &WebConfig, response: &mut Response<Body>) {
    for (name, value) in &config.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
}
