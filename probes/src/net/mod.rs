//! The world as an argument: names, connections, encryption, files. The only place that opens sockets.
//!
//! Knows no protocol above TLS. What happens here (resolve, connect, tls and their readings) every kind gets alike.

mod channel;
mod connect;
mod files;
mod guard;
mod icmp;
mod network;
mod quic;
mod resolve;
mod resolver;
mod revocation;
mod stamp;
mod stream;
mod tasks;
mod tls;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

pub use channel::Channel;
pub use connect::{CONNECT, Source, acknowledge_at_once};
pub use files::{Beginning, FILE_BYTES_MAX, FOLDER_NAMES_MAX, FileContent, Files};
pub use guard::{Guard, TargetList};
pub use icmp::{Echo, EchoReply, EchoRoute};
pub(crate) use network::Legs;
pub use network::{Addresses, Network};
pub(crate) use quic::Quic;
pub use resolve::{Family, RESOLVE};
#[cfg(test)]
pub(crate) use resolver::tree;
pub use resolver::{AnchorFault, Anchors, Answer, Resolver, ResolverError, Security};
pub use revocation::RevocationLists;
pub use stamp::{Stamped, Stamps};
pub use stream::{Stream, TcpStream, UnixStream};
pub(crate) use tasks::{Spawner, Tasks};
pub use tls::{Identity, Offer, Secured, Seen, Session, TLS, Tls, TlsSettings, TlsVersion, Trust};
pub(crate) use tls::{SignatureScheme, random_bytes, rsa_signature};

use crate::bounded;
use crate::failure::{Failure, Reason};
use crate::inbox::Inbox;
use crate::measure::Measure;
use crate::memory::Memory;
use crate::secret::Secret;

/// What every kind can read on the way to its service.
pub const MEASURES: &[&[&Measure]] = &[resolve::MEASURES, tls::MEASURES, bounded::MEASURES];

/// Packets from these addresses are dropped before a probe sees them: the demo's broken gateway.
pub type Blackhole = dyn Fn(IpAddr) -> bool + Send + Sync;

/// The world as an argument of a run.
#[derive(Clone)]
pub struct Net {
    resolver: Resolver,
    resolvers: network::Resolvers,
    files: Arc<dyn Files>,
    roots: tls::SystemRoots,
    lists: RevocationLists,
    /// Whether lists of revoked certificates are fetched from addresses that are not public.
    lists_from_anywhere: bool,
    blackhole: Option<Arc<Blackhole>>,
    /// `None`: the agent takes no mail.
    inbox: Option<Arc<dyn Inbox>>,
    memory: Memory,
    arrival_times: icmp::ArrivalTimes,
    /// `None`: as the system has it.
    way: Option<Arc<network::Way>>,
    /// `None`: everything may be asked.
    guard: Option<Arc<Guard>>,
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

impl Net {
    /// A world with this resolver and these files. The system's trust anchors are loaded when first needed.
    pub fn new(resolver: Resolver, files: Arc<dyn Files>) -> Self {
        Self {
            resolver,
            resolvers: network::Resolvers::default(),
            files,
            roots: tls::SystemRoots::default(),
            lists: RevocationLists::default(),
            lists_from_anywhere: false,
            blackhole: None,
            inbox: None,
            memory: Memory::default(),
            arrival_times: icmp::ArrivalTimes::default(),
            way: None,
            guard: None,
        }
    }

    /// The same world with these lists of revoked certificates. They come from public addresses only, unless
    /// `from_anywhere`: it is the peers' certificates that say where they are.
    #[must_use]
    pub fn with_revocation_lists(mut self, lists: RevocationLists, from_anywhere: bool) -> Self {
        (self.lists, self.lists_from_anywhere) = (lists, from_anywhere);
        self
    }

    /// Lists of revoked certificates.
    pub const fn revocation_lists(&self) -> &RevocationLists {
        &self.lists
    }

    /// The same world with a hole in it.
    #[must_use]
    pub fn with_blackhole(mut self, blackhole: Arc<Blackhole>) -> Self {
        self.blackhole = Some(blackhole);
        self
    }

    /// The same world with mail that arrived at the agent itself.
    #[must_use]
    pub fn with_inbox(mut self, inbox: Arc<dyn Inbox>) -> Self {
        self.inbox = Some(inbox);
        self
    }

    /// Mail that arrived at the agent itself; `None` if it takes none.
    pub fn inbox(&self) -> Option<&dyn Inbox> {
        self.inbox.as_deref()
    }

    /// The same world with what earlier runs left.
    #[must_use]
    pub fn with_memory(mut self, memory: Memory) -> Self {
        self.memory = memory;
        self
    }

    /// What earlier runs left.
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Does what would otherwise be counted to the first encrypted connection: seeds the random numbers, loads the
    /// system's trust anchors. Takes tens of milliseconds; meant for a thread of its own at the start.
    pub fn prepare(&self) {
        tls::seed();
        // A machine without authorities is told by the probe that needs one.
        let _ = self.roots.get();
    }

    /// Names to addresses.
    pub const fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// A file a module refers to.
    pub fn file(&self, path: &Path) -> Result<FileContent, Failure> {
        self.files.read(path).map_err(|error| {
            Failure::new(Reason::ConfigUnusable, format_args!("cannot read {}: {error}", path.display()))
        })
    }

    /// The names in a folder that belongs to somebody else.
    pub fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.files.names(folder)
    }

    /// The first bytes of a file in such a folder.
    pub fn beginning(&self, folder: &Path, name: &str, bytes_max: usize) -> io::Result<Beginning> {
        self.files.beginning(folder, name, bytes_max)
    }

    /// Removes a file from such a folder.
    pub fn remove(&self, folder: &Path, name: &str) -> io::Result<()> {
        self.files.remove(folder, name)
    }

    /// A secret's present value.
    pub fn secret(&self, secret: &Secret) -> Result<String, Failure> {
        match secret.value() {
            Ok(value) => Ok(value.to_owned()),
            Err(path) => {
                let content = self.file(path)?;
                let text = std::str::from_utf8(&content.bytes).map_err(|_| {
                    Failure::new(Reason::ConfigUnusable, format_args!("{} is not UTF-8", path.display()))
                })?;
                Ok(text.trim().to_owned())
            }
        }
    }
}
