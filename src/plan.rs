//! Everything the configuration file means: valid by construction, no text left to parse.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tuermer_probes::net::TargetList;
use tuermer_probes::{BoxProbe, Module, Target};

/// Everything the configuration file means.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Modules by name.
    pub modules: BTreeMap<Arc<str>, Arc<NamedModule>>,
    /// Checks, in the order of the file.
    pub checks: Vec<Arc<Check>>,
    /// The agent's own settings.
    pub agent: AgentSettings,
    /// Where mail is taken, if it is.
    pub receive: Option<Arc<Receive>>,
}

/// The agent's own settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSettings {
    /// Name servers to ask; empty: the system's.
    pub resolver: Vec<SocketAddr>,
    /// A file of trust anchors for DNSSEC beside the root's, if there is one.
    pub dnssec_trust_anchors: Option<PathBuf>,
    /// What `/probe` shows.
    pub probe_metrics: ProbeMetrics,
    /// Most runs at once.
    pub runs_in_flight_max: usize,
    /// Whether lists of revoked certificates are fetched from addresses that are not public.
    pub private_revocation_lists: bool,
}

impl Default for AgentSettings {
    fn default() -> Self {
        Self {
            resolver: Vec::new(),
            dnssec_trust_anchors: None,
            probe_metrics: ProbeMetrics::Blackbox,
            runs_in_flight_max: 1000,
            private_revocation_lists: false,
        }
    }
}

/// What `/probe` shows of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProbeMetrics {
    /// What blackbox_exporter has.
    #[default]
    Blackbox,
    /// Everything.
    All,
}

/// A module under the name by which it is asked for.
#[derive(Debug, Clone)]
pub struct NamedModule {
    /// The name.
    pub name: Arc<str>,
    /// The kind with its settings; `None` for a name without a body, which loads but cannot be asked.
    pub module: Option<Module>,
    /// Longest time a run may take, if the file says so.
    pub timeout: Option<Duration>,
    /// What `/probe` may ask with it.
    pub access: Access,
}

/// What `/probe` may ask with a module. Checks are the operator's own and may ask anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// Anything: the file says nothing, and there is nothing to steal.
    #[default]
    Open,
    /// Nothing: the file says nothing, but the module carries credentials or a client's key, reaches unix sockets, or
    /// tries what a server must refuse.
    Refused,
    /// Anything, as the file says.
    Any,
    /// What the file lists.
    Listed(Arc<TargetList>),
}

impl Access {
    /// Every access there is, in one word each.
    pub const NAMES: [&'static str; 4] = ["open", "refused", "any", "listed"];

    /// The access in one lower-case word.
    pub const fn name(&self) -> &'static str {
        let [open, refused, any, listed] = Self::NAMES;
        match self {
            Self::Open => open,
            Self::Refused => refused,
            Self::Any => any,
            Self::Listed(_) => listed,
        }
    }
}

/// A probe with a name, labels, an interval and a timeout.
#[derive(Debug, Clone)]
pub struct Check {
    /// What stays the same across reloads and restarts: a hash of name, module and target.
    pub identity: u64,
    /// A hash of everything a run depends on: where it changed, the check is another.
    pub content: u64,
    /// The name in the file: label `check`.
    pub name: Arc<str>,
    /// The module's name: label `module`.
    pub module: Arc<NamedModule>,
    /// The target: its text is label `target`.
    pub target: Target,
    /// The operator's labels, sorted by name, shared by all targets of a check. Never one of the names that tuermer sets itself.
    pub labels: Arc<[(Arc<str>, Arc<str>)]>,
    /// Time from one start to the next.
    pub interval: Duration,
    /// Longest time a run may take: at most the interval, so that a check never overlaps itself.
    pub timeout: Duration,
    /// What is run.
    pub probe: BoxProbe,
}

/// Where mail is taken, for whom, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receive {
    /// Addresses with ports to listen at.
    pub listen: Vec<Box<str>>,
    /// What is spoken there.
    pub protocol: MailProtocol,
    /// The name that clients are told.
    pub hostname: Box<str>,
    /// Addresses that mail is taken for.
    pub recipients: Vec<Box<str>>,
    /// What STARTTLS is served with, if it is.
    pub tls: Option<CertificateFiles>,
    /// Whether mail is taken over encrypted connections only.
    pub requires_tls: bool,
    /// Largest message in bytes.
    pub size_max: usize,
    /// Most connections at once.
    pub connections_max: usize,
    /// Most connections of one client at once.
    pub connections_per_client_max: usize,
    /// Most messages in a minute.
    pub messages_per_minute: u32,
    /// Most messages of one client in a minute.
    pub messages_per_minute_per_client: u32,
    /// Most messages that are kept.
    pub keep_messages_max: usize,
    /// Most bytes of messages that are kept.
    pub keep_bytes_max: usize,
    /// How long a message is kept.
    pub keep_for: Duration,
}

impl Default for Receive {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            protocol: MailProtocol::Smtp,
            hostname: "localhost".into(),
            recipients: Vec::new(),
            tls: None,
            requires_tls: false,
            size_max: 1 << 20,
            connections_max: 64,
            connections_per_client_max: 8,
            messages_per_minute: 120,
            messages_per_minute_per_client: 30,
            keep_messages_max: 1000,
            keep_bytes_max: 64 << 20,
            // A weekly report, and a day.
            keep_for: Duration::from_secs(8 * 24 * 3600),
        }
    }
}

/// What mail clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailProtocol {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033).
    Lmtp,
}

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain of certificates, in PEM.
    pub certificate: PathBuf,
    /// The key of the first, in PEM.
    pub key: PathBuf,
}
