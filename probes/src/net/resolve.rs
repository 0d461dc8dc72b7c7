//! Names to addresses: which resolver is asked, which address is chosen.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::failure::{Failure, Reason};
use crate::measure::{Measure, Unit};
use crate::net::Net;
use crate::recorder::{Phase, Recorder};
use crate::settings::IpProtocol;

/// A name is being turned into an address.
pub const RESOLVE: Phase = Phase::new("resolve");

/// Most addresses taken from one lookup. Chosen: more than any honest name has.
const ADDRESSES_MAX: usize = 32;

static DNS_LOOKUP_TIME: Measure =
    Measure::level("probe_dns_lookup_time_seconds", Unit::Seconds, "Time taken to choose the address.");
static IP_PROTOCOL: Measure = Measure::level(
    "probe_ip_protocol",
    Unit::None,
    "Internet protocol of the chosen address: 4, 6, or 0 if there was none.",
);
static IP_ADDR_HASH: Measure = Measure::level(
    "probe_ip_addr_hash",
    Unit::None,
    "FNV-1a hash of the chosen address: changes when the address does.",
);

pub(super) const MEASURES: &[&Measure] = &[&DNS_LOOKUP_TIME, &IP_PROTOCOL, &IP_ADDR_HASH];

/// Which address family to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// The family tried first.
    pub preferred: IpProtocol,
    /// Whether the other family will do.
    pub fallback: bool,
}

/// Why a lookup gave nothing.
#[derive(Debug, Clone)]
pub struct ResolverError {
    /// Why, for machines.
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

impl From<ResolverError> for Failure {
    fn from(error: ResolverError) -> Self {
        Self::new(error.reason, error.message)
    }
}

/// Asks name servers. Keeps no cache: every run asks anew.
#[derive(Clone)]
pub struct Resolver(Arc<TokioResolver>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// A resolver as the system is configured (`/etc/resolv.conf`, `/etc/hosts`).
    pub fn system() -> Result<Self, String> {
        let builder = TokioResolver::builder_tokio().map_err(|error| error.to_string())?;
        Self::build(builder)
    }

    /// A resolver that asks these servers over UDP, and TCP where an answer is truncated.
    pub fn of_servers(servers: &[SocketAddr]) -> Result<Self, String> {
        let servers = servers.iter().map(|server| {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            config
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        Self::build(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    fn build(mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, String> {
        let options = builder.options_mut();
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Always;
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(resolver)))
    }

    /// All addresses of one family, in the resolver's order. A literal address is its own answer.
    pub async fn addresses(&self, host: &str, protocol: IpProtocol) -> Result<Vec<IpAddr>, ResolverError> {
        if let Some(address) = literal(host) {
            let fits = address.is_ipv4() == (protocol == IpProtocol::Ip4);
            return if fits { Ok(vec![address]) } else { Err(no_address(host, protocol)) };
        }
        if host.is_empty() {
            return Err(ResolverError { reason: Reason::TargetInvalid, message: "the host is empty".to_owned() });
        }
        let record_type = match protocol {
            IpProtocol::Ip4 => RecordType::A,
            IpProtocol::Ip6 => RecordType::AAAA,
        };
        let records = self.lookup(host, record_type).await?;
        let addresses: Vec<IpAddr> = records.iter().filter_map(RData::ip_addr).take(ADDRESSES_MAX).collect();
        if addresses.is_empty() { Err(no_address(host, protocol)) } else { Ok(addresses) }
    }

    /// The data of all answers of one type.
    pub async fn lookup(&self, name: &str, record_type: RecordType) -> Result<Vec<RData>, ResolverError> {
        let lookup = self.0.lookup(name, record_type).await.map_err(|error| judge(name, record_type, &error))?;
        Ok(lookup
            .answers()
            .iter()
            .map(|record| record.data.clone())
            .filter(|data| data.record_type() == record_type)
            .collect())
    }
}

fn no_address(host: &str, protocol: IpProtocol) -> ResolverError {
    let family = match protocol {
        IpProtocol::Ip4 => "IPv4",
        IpProtocol::Ip6 => "IPv6",
    };
    ResolverError { reason: Reason::DnsNodata, message: format!("{host} has no {family} address") }
}

/// The address a host text spells, with an optional zone.
fn literal(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

fn judge(name: &str, record_type: RecordType, error: &NetError) -> ResolverError {
    let (reason, what) = if error.is_nx_domain() {
        (Reason::DnsNxdomain, "does not exist".to_owned())
    } else if error.is_no_records_found() {
        (Reason::DnsNodata, format!("has no {record_type} record"))
    } else {
        match error {
            NetError::Timeout => (Reason::DnsTimeout, "no name server answered".to_owned()),
            NetError::NoConnections => (Reason::DnsTimeout, "no name server could be reached".to_owned()),
            NetError::Dns(hickory_resolver::net::DnsError::ResponseCode(ResponseCode::ServFail)) => {
                (Reason::DnsServfail, "SERVFAIL".to_owned())
            }
            NetError::Dns(hickory_resolver::net::DnsError::ResponseCode(ResponseCode::Refused)) => {
                (Reason::DnsRefused, "REFUSED".to_owned())
            }
            NetError::Io(error) if Reason::of_io(error).is_shortage() => (Reason::of_io(error), error.to_string()),
            other => (Reason::DnsError, other.to_string()),
        }
    };
    ResolverError { reason, message: format!("{name}: {what}") }
}

impl Net {
    /// Chooses the one address to talk to, in phase [`RESOLVE`], as blackbox_exporter does: the first of the preferred
    /// family, else the last of the other.
    pub async fn choose(&self, recorder: &mut Recorder, host: &str, family: Family) -> Result<IpAddr, Failure> {
        recorder.enter(RESOLVE);
        recorder.read(&IP_PROTOCOL, 0.0);
        recorder.read(&IP_ADDR_HASH, 0.0);
        let before = recorder.now();
        let chosen = self.pick(host, family).await;
        recorder.read(&DNS_LOOKUP_TIME, (recorder.now() - before).as_secs_f64());
        let address = chosen?;
        recorder.read(&IP_PROTOCOL, if address.is_ipv4() { 4.0 } else { 6.0 });
        recorder.read(&IP_ADDR_HASH, f64::from(address_hash(address)));
        recorder.note(format_args!("{host} is {address}"));
        Ok(address)
    }

    /// The address to talk to on a later leg of a run, in phase [`RESOLVE`]: chosen alike, but the readings stay the first's.
    pub async fn address(&self, recorder: &mut Recorder, host: &str, family: Family) -> Result<IpAddr, Failure> {
        recorder.enter(RESOLVE);
        let address = self.pick(host, family).await?;
        recorder.note(format_args!("{host} is {address}"));
        Ok(address)
    }

    /// All addresses of a host, in phase [`RESOLVE`]: the preferred family's, then, where it may be fallen back on, the
    /// other's.
    pub async fn addresses(&self, recorder: &mut Recorder, host: &str, family: Family) -> Result<Vec<IpAddr>, Failure> {
        recorder.enter(RESOLVE);
        let before = recorder.now();
        let found = self.every(host, family).await;
        recorder.read(&DNS_LOOKUP_TIME, (recorder.now() - before).as_secs_f64());
        let addresses = found?;
        for address in &addresses {
            recorder.note(format_args!("{host} is {address}"));
        }
        Ok(addresses)
    }

    async fn every(&self, host: &str, family: Family) -> Result<Vec<IpAddr>, ResolverError> {
        if family.fallback
            && let Some(address) = literal(host)
        {
            return Ok(vec![address]);
        }
        if !family.fallback {
            return self.resolver.addresses(host, family.preferred).await;
        }
        match self.both(host, family.preferred).await {
            (Ok(mut addresses), others) => {
                addresses.extend(others.unwrap_or_default());
                Ok(addresses)
            }
            (Err(_), Ok(others)) => Ok(others),
            (Err(error), Err(other)) => Err(telling(error, other)),
        }
    }

    /// The addresses of the preferred family, and those of the other.
    async fn both(&self, host: &str, preferred: IpProtocol) -> (Found, Found) {
        let other = match preferred {
            IpProtocol::Ip4 => IpProtocol::Ip6,
            IpProtocol::Ip6 => IpProtocol::Ip4,
        };
        tokio::join!(self.resolver.addresses(host, preferred), self.resolver.addresses(host, other))
    }

    async fn pick(&self, host: &str, family: Family) -> Result<IpAddr, ResolverError> {
        if family.fallback
            && let Some(address) = literal(host)
        {
            return Ok(address);
        }
        if !family.fallback {
            return Ok(self.resolver.addresses(host, family.preferred).await?[0]);
        }
        match self.both(host, family.preferred).await {
            (Ok(addresses), _) => Ok(addresses[0]),
            (Err(_), Ok(addresses)) => Ok(addresses[addresses.len() - 1]),
            (Err(error), Err(other)) => Err(telling(error, other)),
        }
    }
}

type Found = Result<Vec<IpAddr>, ResolverError>;

/// Where one family merely has no record, the other's error tells more.
fn telling(preferred: ResolverError, other: ResolverError) -> ResolverError {
    if preferred.reason == Reason::DnsNodata { other } else { preferred }
}

/// FNV-1a, 32 bit, over the four or sixteen bytes of the address.
fn address_hash(address: IpAddr) -> u32 {
    let fold = |bytes: &[u8]| {
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    };
    match address.to_canonical() {
        IpAddr::V4(address) => fold(&address.octets()),
        IpAddr::V6(address) => fold(&address.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hash_as_in_blackbox_exporter() {
        let hash = |text: &str| address_hash(text.parse().expect("an address"));
        assert_eq!(hash("127.0.0.1"), 3_668_918_509);
        assert_eq!(hash("8.8.8.8"), 2_350_491_669);
        assert_eq!(hash("::ffff:8.8.8.8"), 2_350_491_669);
        assert_eq!(hash("::1"), 1_751_717_746);
        assert_eq!(hash("2001:db8::1"), 1_851_458_804);
    }
}
