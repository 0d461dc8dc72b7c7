//! Names to records: the hosts file, which name servers are asked, how often, and what their answers mean.
//!
//! hickory puts one question to one server; which name and which server comes next is decided here, because a server that
//! is silent or broken must not hide one that works. Keeps no cache: every run asks anew.

mod anchors;
mod bogus;
mod exchange;
mod proof;
mod provider;
mod signed;
#[cfg(test)]
mod signed_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tree;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::{IntoName, Name, RData, RecordType};
use hickory_resolver::Hosts;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::system_conf::read_system_conf;

use crate::failure::{Failure, Reason};
pub use crate::net::resolver::anchors::{AnchorFault, Anchors};
use crate::net::resolver::provider::Provider;
use crate::net::resolver::signed::Inquiry;
pub use crate::net::resolver::signed::{Answer, Security};
use crate::settings::IpProtocol;

/// Most addresses taken from one lookup. Chosen: more than any honest name has.
const ADDRESSES_MAX: usize = 32;

/// Most name servers that are used. Chosen: resolv.conf(5) has three.
const SERVERS_MAX: usize = 16;

/// Most domains that are appended to a short name (resolv.conf(5)).
const SEARCH_MAX: usize = 6;

/// Longest wait for one server before another is asked. Chosen: a dead server among several may not cost more; a slow
/// one has the answer when it is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Fewest questions for one name before giving up, if nobody answers. Chosen: five seconds in all, as resolv.conf(5).
const TRIES: usize = 5;

/// Where DNS is served (RFC 1035 section 4.2).
const PORT: u16 = 53;

/// Why a lookup gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverError {
    /// Why, for machines.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
    /// What is known of the truth of that there is nothing, where a server said so.
    pub security: Security,
}

impl ResolverError {
    pub(super) fn new(reason: Reason, message: impl fmt::Display) -> Self {
        Self { reason, message: message.to_string(), security: Security::Unknown }
    }

    /// Whether a server said that there is no such name or record, so that there is nothing to ask another.
    const fn is_an_answer(&self) -> bool {
        matches!(self.reason, Reason::DnsNxdomain | Reason::DnsNodata)
    }
}

impl From<ResolverError> for Failure {
    fn from(error: ResolverError) -> Self {
        Self::new(error.reason, error.message)
    }
}

/// Asks name servers.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
    anchors: Arc<Anchors>,
}

struct Inner {
    servers: Vec<Server>,
    /// The server that answered last is asked first.
    first: AtomicUsize,
    hosts: Hosts,
    search: Vec<Name>,
    /// Names with fewer dots are tried with the domains of `search` first.
    dots: usize,
}

struct Server {
    address: SocketAddr,
    client: hickory_resolver::Resolver<Provider>,
    provider: Provider,
    patience: Duration,
}

/// How a server is asked.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// For the records, by the library.
    Plain,
    /// For the records, and which of them are aliases.
    Whole,
    /// For the records and their proof; its word is enough where it is on this machine, or believed wherever it is.
    Proved { remote_is_believed: bool },
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// A resolver as the system is configured (`/etc/resolv.conf`, `/etc/hosts`). Without name servers there, the
    /// machine's own is asked (resolv.conf(5)).
    pub fn system() -> Result<Self, String> {
        let hosts = Hosts::from_system().unwrap_or_default();
        let Ok((config, options)) = read_system_conf() else {
            let own = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT);
            return Self::build(&[own], hosts, Vec::new(), 1, PATIENCE);
        };
        let (domain, search, servers) = config.into_parts();
        let servers: Vec<_> = servers.iter().map(|server| SocketAddr::new(server.ip, PORT)).collect();
        let search = if search.is_empty() { domain.into_iter().collect() } else { search };
        Self::build(&servers, hosts, search, options.ndots, PATIENCE)
    }

    /// A resolver that asks these servers over UDP, and over TCP where an answer is cut; `/etc/hosts` comes first.
    pub fn of_servers(servers: &[SocketAddr]) -> Result<Self, String> {
        Self::build(servers, Hosts::from_system().unwrap_or_default(), Vec::new(), 1, PATIENCE)
    }

    fn build(
        servers: &[SocketAddr],
        hosts: Hosts,
        mut search: Vec<Name>,
        dots: usize,
        patience: Duration,
    ) -> Result<Self, String> {
        let servers: Result<_, String> =
            servers.iter().take(SERVERS_MAX).map(|address| Server::new(*address, patience)).collect();
        search.truncate(SEARCH_MAX);
        let inner = Arc::new(Inner { servers: servers?, first: AtomicUsize::new(0), hosts, search, dots });
        Ok(Self { inner, anchors: Arc::default() })
    }

    /// The same with these trust anchors; without, the root's are trusted.
    #[must_use]
    pub fn with_anchors(self, anchors: Arc<Anchors>) -> Self {
        Self { anchors, ..self }
    }

    pub(super) const fn anchors(&self) -> &Arc<Anchors> {
        &self.anchors
    }

    /// All addresses of one family, in the server's order. A literal address is its own answer; a name in the hosts file
    /// has the addresses it has there and no others.
    pub async fn addresses(&self, host: &str, protocol: IpProtocol) -> Result<Vec<IpAddr>, ResolverError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            let fits = address.is_ipv4() == (protocol == IpProtocol::Ip4);
            return if fits { Ok(vec![address]) } else { Err(no_address(host, protocol)) };
        }
        let kind = match protocol {
            IpProtocol::Ip4 => RecordType::A,
            IpProtocol::Ip6 => RecordType::AAAA,
        };
        let records = match self.in_hosts_file(host, kind)? {
            Some(records) => records,
            None => self.lookup(host, kind).await?,
        };
        let addresses: Vec<IpAddr> = records.iter().filter_map(RData::ip_addr).take(ADDRESSES_MAX).collect();
        if addresses.is_empty() { Err(no_address(host, protocol)) } else { Ok(addresses) }
    }

    /// What the hosts file knows of a name; `None` if it does not know the name at all.
    fn in_hosts_file(&self, host: &str, kind: RecordType) -> Result<Option<Vec<RData>>, ResolverError> {
        let name = absolute(host)?;
        let found = |kind| self.inner.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        let known = match found(kind) {
            Some(known) => known,
            None if found(RecordType::A).or_else(|| found(RecordType::AAAA)).is_some() => return Ok(Some(Vec::new())),
            None => return Ok(None),
        };
        Ok(Some(known.answers().iter().map(|record| record.data.clone()).collect()))
    }

    /// The data of all answers of one type, from name servers. A name without a dot at its end is also tried with the
    /// search domains.
    pub async fn lookup(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, ResolverError> {
        let mut nothing = None;
        for candidate in self.candidates(name)? {
            match self.ask(name, &candidate, kind, Way::Plain).await.map(|answer| answer.data) {
                // That the name exists under one domain tells more than that it does not under another.
                Err(error) if error.is_an_answer() => {
                    if nothing.is_none() || error.reason == Reason::DnsNodata {
                        nothing = Some(error);
                    }
                }
                found_or_failed => return found_or_failed,
            }
        }
        Err(nothing.unwrap_or_else(|| ResolverError::new(Reason::DnsNxdomain, format_args!("{name}: does not exist"))))
    }

    /// The records of one type of an absolute name. Nothing is known of their truth.
    pub async fn records(&self, name: &str, kind: RecordType) -> Result<Answer, ResolverError> {
        self.ask(name, &absolute(name)?, kind, Way::Whole).await
    }

    /// The records of one type of an absolute name, and what is known of their truth: by the word of a name server on this
    /// machine, else by proof. Costs a dozen questions. What is proved wrong is the failure `dns_bogus`.
    pub async fn answer(&self, name: &str, kind: RecordType) -> Result<Answer, ResolverError> {
        self.answer_believing(name, kind, false).await
    }

    /// As [`Self::answer`]; on wish, the word of a name server is enough wherever it is.
    pub async fn answer_believing(
        &self,
        name: &str,
        kind: RecordType,
        remote_is_believed: bool,
    ) -> Result<Answer, ResolverError> {
        self.ask(name, &absolute(name)?, kind, Way::Proved { remote_is_believed }).await
    }

    /// The absolute names that a name may stand for, in the order in which they are tried.
    fn candidates(&self, name: &str) -> Result<Vec<Name>, ResolverError> {
        let whole = absolute(name)?;
        if name.ends_with('.') || self.inner.search.is_empty() {
            return Ok(vec![whole]);
        }
        let mut relative = whole.clone();
        relative.set_fqdn(false);
        let domains = self.inner.search.iter().filter_map(|domain| relative.clone().append_domain(domain).ok());
        let domains = domains.map(|mut name| {
            name.set_fqdn(true);
            name
        });
        let dots = usize::from(whole.num_labels()).saturating_sub(1);
        Ok(if dots >= self.inner.dots {
            std::iter::once(whole.clone()).chain(domains).collect()
        } else {
            domains.chain(std::iter::once(whole.clone())).collect()
        })
    }

    /// Asks one server after the other, beginning with the one that answered last. A server that is silent is asked
    /// again, a server that failed is not.
    async fn ask(&self, asked: &str, name: &Name, kind: RecordType, way: Way) -> Result<Answer, ResolverError> {
        let Inner { servers, first, .. } = &*self.inner;
        let start = first.load(Ordering::Relaxed);
        let mut failed = vec![false; servers.len()];
        let mut failure: Option<ResolverError> = None;
        for offset in 0..TRIES.max(servers.len()) {
            let Some(index) = (start + offset).checked_rem(servers.len()) else { break };
            if failed[index] {
                continue;
            }
            let answer = servers[index].ask(asked, name, kind, way, &self.anchors).await;
            match answer {
                Err(error) if error.reason.is_shortage() => return Err(error),
                Err(error) if !error.is_an_answer() => {
                    failed[index] = error.reason != Reason::DnsTimeout;
                    // A server that says why it failed tells more than one that is silent.
                    if failure.as_ref().is_none_or(|known| known.reason == Reason::DnsTimeout) {
                        failure = Some(error);
                    }
                }
                // A server that proves nothing does not outweigh one that showed a forgery.
                Ok(answer)
                    if answer.security(false) == Security::Unknown
                        && failure.as_ref().is_some_and(|known| known.reason == Reason::DnsBogus) =>
                {
                    failed[index] = true;
                }
                answer => {
                    if index != start {
                        first.store(index, Ordering::Relaxed);
                    }
                    return answer;
                }
            }
        }
        Err(failure.unwrap_or_else(|| {
            ResolverError::new(Reason::DnsError, format_args!("{asked}: there is no name server to ask"))
        }))
    }
}

impl Server {
    fn new(address: SocketAddr, patience: Duration) -> Result<Self, String> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = address.port();
            connection
        });
        let config = NameServerConfig::new(address.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![config]);
        let provider = Provider::default();
        let mut builder = hickory_resolver::Resolver::builder_with_config(config, provider.clone());
        let options = builder.options_mut();
        options.timeout = patience;
        options.attempts = 0;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        // The kernel's choice is random as well, and keeps off ports that are in use or reserved.
        options.os_port_selection = true;
        Ok(Self { address, client: builder.build().map_err(|error| error.to_string())?, provider, patience })
    }

    async fn ask(
        &self,
        asked: &str,
        name: &Name,
        kind: RecordType,
        way: Way,
        anchors: &Anchors,
    ) -> Result<Answer, ResolverError> {
        let inquiry = Inquiry { asked, name, kind, server: self.address, patience: self.patience };
        match way {
            Way::Plain => {}
            Way::Whole => return signed::ask(inquiry).await,
            Way::Proved { remote_is_believed } => {
                let is_believed = remote_is_believed || self.address.ip().is_loopback();
                return signed::prove(inquiry, is_believed, anchors).await;
            }
        }
        let answer = self.client.lookup(name.clone(), kind).await;
        let answer = answer.map_err(|error| match self.lack(&error) {
            Some(lack) => judge(asked, kind, self.address, &NetError::from(lack)),
            None => judge(asked, kind, self.address, &error),
        })?;
        let data = answer.answers().iter().map(|record| &record.data);
        Ok(Answer::plain(data.filter(|data| data.record_type() == kind).cloned().collect()))
    }

    /// What the agent lacked, if that is why there was no connection: the library does not say.
    fn lack(&self, error: &NetError) -> Option<io::Error> {
        if !matches!(error, NetError::NoConnections) {
            return None;
        }
        let has_no_route = || {
            let any =
                SocketAddr::new(if self.address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) }, 0);
            std::net::UdpSocket::bind(any).and_then(|socket| socket.connect(self.address)).err()
        };
        // The failure may be that of another run: the library puts equal questions only once.
        let lack = has_no_route().or_else(|| self.provider.last_failure())?;
        Reason::of_io(&lack).is_shortage().then_some(lack)
    }
}

/// A name, made absolute.
pub(super) fn absolute(name: &str) -> Result<Name, ResolverError> {
    if name.is_empty() {
        return Err(ResolverError::new(Reason::TargetInvalid, "the host is empty"));
    }
    let mut parsed = name.into_name().map_err(|error| {
        ResolverError::new(Reason::TargetInvalid, format_args!("{name:?} is not a host name: {error}"))
    })?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

pub(super) fn no_address(host: &str, protocol: IpProtocol) -> ResolverError {
    let family = match protocol {
        IpProtocol::Ip4 => "IPv4",
        IpProtocol::Ip6 => "IPv6",
    };
    ResolverError::new(Reason::DnsNodata, format_args!("{host} has no {family} address"))
}

fn judge(name: &str, kind: RecordType, server: SocketAddr, error: &NetError) -> ResolverError {
    let (reason, what) = if error.is_nx_domain() {
        (Reason::DnsNxdomain, format!("{name}: does not exist"))
    } else if error.is_no_records_found() {
        (Reason::DnsNodata, format!("{name}: has no {kind} record"))
    } else {
        match error {
            NetError::Timeout => (Reason::DnsTimeout, format!("{name}: no answer from name server {server}")),
            NetError::Dns(DnsError::ResponseCode(code)) => {
                let reason = match code {
                    ResponseCode::ServFail => Reason::DnsServfail,
                    ResponseCode::Refused => Reason::DnsRefused,
                    _ => Reason::DnsError,
                };
                (reason, format!("{name}: name server {server} says {code}"))
            }
            NetError::Io(error) if Reason::of_io(error).is_shortage() => {
                (Reason::of_io(error), format!("{name}: cannot ask name server {server}: {error}"))
            }
            other => (Reason::DnsError, format!("{name}: name server {server}: {other}")),
        }
    };
    ResolverError::new(reason, what)
}
