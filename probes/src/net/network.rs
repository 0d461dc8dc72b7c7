//! How a module's probes go out into the network: from which address and interface, by which names.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use super::{Net, Resolver};
use crate::failure::{Failure, Reason};
use crate::settings::IpProtocol;
use crate::terms::Terms;
use crate::watch::Watch;

/// Longest name of a network interface (`IFNAMSIZ` of Linux, without its last byte).
pub(super) const INTERFACE_BYTES_MAX: usize = 15;

/// Most name servers of a module. Chosen: as many as the agent itself may have.
const SERVERS_MAX: usize = 16;

/// Most names that are given addresses, and most addresses of one. Chosen: more is a hosts file.
const NAMES_MAX: usize = 1000;

/// Most addresses of one name that are asked. Chosen: what the notebook of a run holds.
const LEGS_MAX: usize = 16;

/// Where DNS is served (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;

/// `network` of a module: how its probes go out.
#[derive(Debug, Clone, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub struct Network {
    /// Local address to speak from: one of IPv4, one of IPv6, or both.
    #[serde(deserialize_with = "one_or_more")]
    #[schemars(with = "Vec<String>")]
    source_address: Vec<Zoned>,
    /// Network interface to send and receive by.
    #[schemars(with = "String")]
    interface: Option<Interface>,
    /// Name servers to ask; default: the agent's.
    #[serde(deserialize_with = "one_or_more")]
    #[schemars(with = "Vec<String>")]
    resolver: Vec<NameServer>,
    /// Addresses of names that are not looked up: `name` or `name:port`, an address or a list of them.
    #[schemars(with = "BTreeMap<String, Vec<String>>")]
    resolve: Known,
    /// `first`: one address is asked, as blackbox_exporter does; `all`: every one, each a step of its own.
    addresses: Addresses,
}

/// Which addresses of a name are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Addresses {
    /// One, chosen by family.
    #[default]
    First,
    /// All.
    All,
}

impl Network {
    /// Which addresses of a name are asked.
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// What cannot be meant, in words.
    pub fn fault(&self) -> Option<String> {
        let [ip4, ip6] = [true, false]
            .map(|is_ipv4| self.source_address.iter().filter(|zoned| zoned.address.is_ipv4() == is_ipv4).count());
        if ip4 > 1 || ip6 > 1 {
            return Some("`source_address` is at most one address of IPv4 and one of IPv6".to_owned());
        }
        if self.resolver.len() > SERVERS_MAX {
            return Some(format!("more than {SERVERS_MAX} name servers"));
        }
        None
    }

    /// The local address to speak from with this peer.
    pub(super) fn source(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let own = self.source_address.iter().find(|own| own.address.is_ipv4() == peer.is_ipv4())?;
        Some(own.at(0))
    }

    /// The interface to go by.
    pub(super) fn interface(&self) -> Option<&str> {
        self.interface.as_ref().map(|interface| &*interface.0)
    }

    /// The addresses of a name that is not to be looked up; `None`: it is.
    pub(super) fn known(&self, host: &str, port: u16, protocol: IpProtocol) -> Option<Vec<IpAddr>> {
        if self.resolve.0.is_empty() {
            return None;
        }
        let name = plain_name(host);
        let of = |port| self.resolve.0.iter().find(|known| known.name == name && known.port == port);
        let known = of(Some(port)).or_else(|| of(None))?;
        let wanted = protocol == IpProtocol::Ip4;
        Some(known.addresses.iter().copied().filter(|address| address.is_ipv4() == wanted).collect())
    }
}

/// A name as it is compared: lower case, without the final dot.
pub(super) fn plain_name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// An address, with the zone of a link-local one (RFC 4007 section 11).
#[derive(Debug, Clone, Copy)]
struct Zoned {
    address: IpAddr,
    scope: u32,
}

impl Zoned {
    fn at(self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V4(address) => (address, port).into(),
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, self.scope).into(),
        }
    }
}

impl FromStr for Zoned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
        let wrong = || format!("{text:?} is not an IP address");
        match zone {
            None => Ok(Self { address: address.parse().map_err(|_| wrong())?, scope: 0 }),
            Some(zone) => {
                let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
                let scope = zone.parse().ok().or_else(|| nix::net::if_::if_nametoindex(zone).ok());
                let scope = scope.ok_or_else(|| format!("{text:?}: there is no network interface {zone:?}"))?;
                Ok(Self { address: address.into(), scope })
            }
        }
    }
}

/// The name of a network interface.
#[derive(Debug, Clone)]
struct Interface(Box<str>);

impl<'de> Deserialize<'de> for Interface {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // What Linux takes for a name (dev_valid_name).
        let is_plain = |byte: u8| byte > b' ' && byte < 0x7f && byte != b'/' && byte != b':';
        let is_name = !name.is_empty()
            && name.len() <= INTERFACE_BYTES_MAX
            && !matches!(name.as_str(), "." | "..")
            && name.bytes().all(is_plain);
        if is_name {
            Ok(Self(name.into()))
        } else {
            Err(de::Error::custom(format_args!("{name:?} names no network interface")))
        }
    }
}

/// A name server, with or without a port.
#[derive(Debug, Clone, Copy)]
struct NameServer(SocketAddr);

impl FromStr for NameServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let address = text.parse().ok().or_else(|| Some(Zoned::from_str(bare).ok()?.at(DNS_PORT)));
        match address {
            Some(address) if address.port() != 0 => Ok(Self(address)),
            _ => Err(format!(
                "{text:?} is not the address of a name server; write 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53"
            )),
        }
    }
}

/// Names with the addresses they are given.
#[derive(Debug, Clone, Default)]
struct Known(Vec<KnownName>);

#[derive(Debug, Clone)]
struct KnownName {
    name: String,
    port: Option<u16>,
    addresses: Vec<IpAddr>,
}

impl<'de> Deserialize<'de> for Known {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, OneOrMore<IpAddr>>::deserialize(deserializer)?;
        if written.len() > NAMES_MAX {
            return Err(de::Error::custom(format_args!("more than {NAMES_MAX} names")));
        }
        let mut known = Vec::with_capacity(written.len());
        for (key, OneOrMore(addresses)) in written {
            let (name, port) = match key.rsplit_once(':') {
                None => (key.as_str(), None),
                Some((name, port)) => {
                    let port = port.parse().map_err(|_| de::Error::custom(format_args!("{key:?} ends in no port")))?;
                    (name, Some(port))
                }
            };
            let name = if name.is_ascii() { plain_name(name) } else { ascii_name(name).map_err(de::Error::custom)? };
            if name.is_empty() || name.parse::<IpAddr>().is_ok() {
                return Err(de::Error::custom(format_args!("{key:?} is not a name, or a name and a port")));
            }
            if addresses.is_empty() || addresses.len() > NAMES_MAX {
                return Err(de::Error::custom(format_args!("{key:?} needs an address, or a list of them")));
            }
            known.push(KnownName { name, port, addresses });
        }
        Ok(Self(known))
    }
}

/// A name with other letters, as the DNS has it (RFC 5891).
pub(super) fn ascii_name(name: &str) -> Result<String, String> {
    match url::Host::parse(name) {
        Ok(url::Host::Domain(name)) => Ok(plain_name(&name)),
        _ => Err(format!("{name:?} is not a host name")),
    }
}

/// One value, or a list of them.
struct OneOrMore<T>(Vec<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_more(deserializer).map(Self)
    }
}

fn one_or_more<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Read<T>(PhantomData<T>);

    impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Read<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address or a list of addresses")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            text.parse().map(|value| vec![value]).map_err(E::custom)
        }

        fn visit_unit<E: de::Error>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut values = Vec::new();
            while let Some(item) = items.next_element::<Item<T>>()? {
                values.push(item.0);
            }
            Ok(values)
        }
    }

    /// One of a list: what is wrong with it is told at its own place.
    struct Item<T>(T);

    impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Item<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map(Self).map_err(de::Error::custom)
        }
    }

    deserializer.deserialize_any(Read(PhantomData))
}

/// What is particular to one run's way through the world.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) network: Option<Arc<Network>>,
    pub(super) watch: Arc<Watch>,
    legs: Option<Legs>,
}

/// The addresses of the run's host, where all are asked, and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Legs(Mutex<Turns>);

#[derive(Debug, Default)]
struct Turns {
    host: String,
    peers: Vec<SocketAddr>,
    names: Vec<Arc<str>>,
    at: usize,
}

impl Legs {
    fn turns(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses in words; none before they were looked up.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        self.turns().names.clone()
    }

    /// Whose turn it is from here on.
    pub(crate) fn turn_to(&self, index: usize) {
        self.turns().at = index;
    }

    /// Whether the run's host is still to be looked up.
    pub(super) fn are_unknown(&self) -> bool {
        self.turns().peers.is_empty()
    }

    /// The address whose turn it is, if this is the run's host.
    pub(super) fn present(&self, host: &str) -> Option<SocketAddr> {
        let turns = self.turns();
        if turns.host == host { turns.peers.get(turns.at).copied() } else { None }
    }

    /// Writes down the addresses of the run's host. Tells how many are left out.
    pub(super) fn found(&self, host: &str, found: &[SocketAddr]) -> usize {
        let mut turns = self.turns();
        host.clone_into(&mut turns.host);
        for peer in found {
            if !turns.peers.contains(peer) {
                turns.peers.push(*peer);
            }
        }
        let left_out = turns.peers.len().saturating_sub(LEGS_MAX);
        turns.peers.truncate(LEGS_MAX);
        turns.names = turns.peers.iter().map(|peer| peer.ip().to_string().into()).collect();
        left_out
    }
}

/// Resolvers of modules, made when first needed: as lasting as the world, whose names they share.
#[derive(Clone, Default)]
pub(super) struct Resolvers(Arc<Mutex<HashMap<Vec<SocketAddr>, Resolver>>>);

impl Resolvers {
    fn of(&self, servers: &[NameServer], agent: &Resolver) -> Result<Resolver, Failure> {
        let servers: Vec<_> = servers.iter().map(|server| server.0).collect();
        let mut resolvers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolver) = resolvers.get(&servers) {
            return Ok(resolver.clone());
        }
        let resolver = Resolver::of_servers(&servers)
            .map(|resolver| resolver.with_anchors(Arc::clone(agent.anchors())))
            .map_err(|error| Failure::new(Reason::ConfigUnusable, format_args!("network.resolver: {error}")))?;
        resolvers.insert(servers, resolver.clone());
        Ok(resolver)
    }
}

impl Net {
    /// The world on a module's terms, for one run.
    pub(crate) fn on(&self, terms: &Terms, watch: &Arc<Watch>) -> Result<Self, Failure> {
        let mut net = self.clone();
        let mut legs = None;
        if let Some(network) = &terms.network {
            if !network.resolver.is_empty() {
                net.resolver = self.resolvers.of(&network.resolver, &self.resolver)?;
            }
            legs = (network.addresses == Addresses::All).then(Legs::default);
        }
        net.way = Some(Arc::new(Way { network: terms.network.clone(), watch: Arc::clone(watch), legs }));
        Ok(net)
    }

    /// The addresses that have their turn in this run, if all are asked.
    pub(crate) fn legs(&self) -> Option<&Legs> {
        self.way.as_ref()?.legs.as_ref()
    }

    pub(super) fn network(&self) -> Option<&Network> {
        self.way.as_ref()?.network.as_deref()
    }

    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        self.way.as_ref().map(|way| Arc::clone(&way.watch))
    }
}
