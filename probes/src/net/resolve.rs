//! From a host's text to the addresses that are talked to.
//!
//! Knows no name server: `resolver` does.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use crate::failure::{Failure, Reason};
use crate::measure::{Measure, Unit};
use crate::net::network::INTERFACE_BYTES_MAX;
use crate::net::resolver::no_address;
use crate::net::{Legs, Net, ResolverError};
use crate::phase::Phase;
use crate::recorder::Recorder;
use crate::settings::IpProtocol;

/// A name is being turned into an address.
pub const RESOLVE: Phase = Phase::new("resolve");

/// How long the preferred family is still waited for when the other's addresses are there. Chosen: one more question to
/// the name server; where lookups of one family are lost for good, the other is used.
const GRACE: Duration = Duration::from_secs(1);

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

impl Net {
    /// Chooses the one address to talk to, in phase [`RESOLVE`], as blackbox_exporter does: the first of the preferred
    /// family, else the last of the other.
    pub async fn choose(&self, recorder: &mut Recorder, host: &str, family: Family) -> Result<IpAddr, Failure> {
        let peer = self.choose_peer(recorder, host, 0, family).await?;
        match peer {
            SocketAddr::V6(peer) if peer.scope_id() != 0 => {
                let message = format_args!("{host}: this kind cannot ask an address with a zone");
                Err(Failure::new(Reason::TargetInvalid, message))
            }
            peer => Ok(peer.ip()),
        }
    }

    /// As [`Self::choose`], with the port, and with the zone of a link-local address (RFC 4007 section 11).
    pub async fn choose_peer(
        &self,
        recorder: &mut Recorder,
        host: &str,
        port: u16,
        family: Family,
    ) -> Result<SocketAddr, Failure> {
        recorder.enter(RESOLVE);
        recorder.read(&IP_PROTOCOL, 0.0);
        recorder.read(&IP_ADDR_HASH, 0.0);
        let mut peer = match self.legs() {
            Some(legs) if legs.are_unknown() => self.first_leg(legs, recorder, host, port, family).await?,
            Some(legs) if let Some(peer) = legs.present(host) => peer,
            _ => {
                let before = recorder.now();
                let chosen = self.one(host, port, family).await;
                recorder.read(&DNS_LOOKUP_TIME, (recorder.now() - before).as_secs_f64());
                chosen?
            }
        };
        peer.set_port(port);
        let address = peer.ip();
        recorder.read(&IP_PROTOCOL, if address.is_ipv4() { 4.0 } else { 6.0 });
        recorder.read(&IP_ADDR_HASH, f64::from(address_hash(address)));
        recorder.note(format_args!("{host} is {address}"));
        self.permit_found(host, address, port)?;
        Ok(peer)
    }

    /// Looks up all addresses of the run's host, and begins the leg of the first.
    async fn first_leg(
        &self,
        legs: &Legs,
        recorder: &mut Recorder,
        host: &str,
        port: u16,
        family: Family,
    ) -> Result<SocketAddr, Failure> {
        let before = recorder.now();
        let found = match zoned(host) {
            Some((address, zone)) => self.in_zone(host, address, zone, family).map(|peer| vec![peer]),
            None => {
                let found = self.every(host, port, family).await;
                found.map(|found| found.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
            }
        };
        recorder.read(&DNS_LOOKUP_TIME, (recorder.now() - before).as_secs_f64());
        let found: Vec<SocketAddr> = found?;
        for peer in &found {
            // Each is judged in its turn; that they are this host's must be known before.
            let _ = self.permit_found(host, peer.ip(), port);
        }
        let left_out = legs.found(host, &found);
        if left_out > 0 {
            recorder.note(format_args!("{left_out} of {} addresses are left out", found.len()));
        }
        let names = legs.names();
        let end = recorder.share(recorder.run_deadline(), names.len());
        recorder.first_leg(&names[0], end, &[&DNS_LOOKUP_TIME]);
        Ok(found[0])
    }

    /// All addresses of one family: those that the module gives the name, else what the resolver knows.
    async fn of_family(&self, host: &str, port: u16, protocol: IpProtocol) -> Found {
        match self.network().and_then(|network| network.known(host, port, protocol)) {
            Some(known) if known.is_empty() => Err(no_address(host, protocol)),
            Some(known) => Ok(known),
            None => self.resolver.addresses(host, protocol).await,
        }
    }

    /// An address in a zone: on a network interface, named or numbered.
    fn in_zone(&self, host: &str, address: Ipv6Addr, zone: &str, family: Family) -> Result<SocketAddr, ResolverError> {
        if family.preferred == IpProtocol::Ip4 && !family.fallback {
            return Err(ResolverError::new(Reason::DnsNodata, format_args!("{host} has no IPv4 address")));
        }
        let scope = zone.parse().ok().or_else(|| self.interface(zone)).ok_or_else(|| {
            ResolverError::new(Reason::TargetInvalid, format_args!("{host}: there is no network interface {zone:?}"))
        })?;
        Ok(SocketAddrV6::new(address, 0, 0, scope).into())
    }

    /// The number of a network interface, as Linux tells it (sysfs(5)).
    fn interface(&self, name: &str) -> Option<u32> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.len() > INTERFACE_BYTES_MAX || name.starts_with('.') || !name.bytes().all(is_plain) {
            return None;
        }
        let number = self.files.read(&Path::new("/sys/class/net").join(name).join("ifindex")).ok()?;
        std::str::from_utf8(&number.bytes).ok()?.trim().parse().ok()
    }

    /// Another peer than the run's first: its address is chosen alike, but the readings stay the first's, and the phase is
    /// the caller's.
    pub async fn peer(
        &self,
        recorder: &mut Recorder,
        host: &str,
        port: u16,
        family: Family,
    ) -> Result<SocketAddr, Failure> {
        let mut peer = match self.legs().and_then(|legs| legs.present(host)) {
            Some(peer) => peer,
            None => self.one(host, port, family).await?,
        };
        peer.set_port(port);
        recorder.note(format_args!("{host} is {}", peer.ip()));
        self.permit_found(host, peer.ip(), port)?;
        Ok(peer)
    }

    async fn one(&self, host: &str, port: u16, family: Family) -> Result<SocketAddr, ResolverError> {
        match zoned(host) {
            Some((address, zone)) => self.in_zone(host, address, zone, family),
            None => self.pick(host, port, family).await.map(|address| SocketAddr::new(address, 0)),
        }
    }

    /// All addresses of a host, in phase [`RESOLVE`]: the preferred family's, then, where it may be fallen back on, the
    /// other's.
    pub async fn addresses(&self, recorder: &mut Recorder, host: &str, family: Family) -> Result<Vec<IpAddr>, Failure> {
        recorder.enter(RESOLVE);
        let before = recorder.now();
        let found = self.every(host, 0, family).await;
        recorder.read(&DNS_LOOKUP_TIME, (recorder.now() - before).as_secs_f64());
        let addresses = found?;
        // Each is judged again when it is connected to; where none may be, nothing is.
        let (mut permitted, mut refused) = (0, None);
        for address in &addresses {
            recorder.note(format_args!("{host} is {address}"));
            match self.permit_found(host, *address, 0) {
                Ok(()) => permitted += 1,
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        match refused {
            Some(refused) if permitted == 0 => Err(refused),
            _ => Ok(addresses),
        }
    }

    async fn every(&self, host: &str, port: u16, family: Family) -> Result<Vec<IpAddr>, ResolverError> {
        if family.fallback
            && let Ok(address) = host.parse()
        {
            return Ok(vec![address]);
        }
        let mut preferred = pin!(self.of_family(host, port, family.preferred));
        if !family.fallback {
            return preferred.await;
        }
        let mut fallback = pin!(self.of_family(host, port, other(family.preferred)));
        let found = tokio::select! {
            biased;
            found = &mut preferred => {
                let others = after(&found, host, fallback).await;
                (found, others)
            }
            others = &mut fallback => (after(&others, host, preferred).await, others),
        };
        match found {
            (Ok(mut addresses), others) => {
                addresses.extend(others.unwrap_or_default());
                Ok(addresses)
            }
            (Err(_), Ok(others)) => Ok(others),
            (Err(error), Err(other)) => Err(telling(host, error, other)),
        }
    }

    async fn pick(&self, host: &str, port: u16, family: Family) -> Result<IpAddr, ResolverError> {
        if family.fallback
            && let Ok(address) = host.parse()
        {
            return Ok(address);
        }
        let mut preferred = pin!(self.of_family(host, port, family.preferred));
        if !family.fallback {
            return Ok(preferred.await?[0]);
        }
        // Both are asked at once, but only an answer that decides is waited for.
        let mut fallback = pin!(self.of_family(host, port, other(family.preferred)));
        let (preferred, fallback) = tokio::select! {
            biased;
            found = &mut preferred => match found {
                Ok(addresses) => return Ok(addresses[0]),
                Err(error) => (Err(error), fallback.await),
            },
            others = &mut fallback => (after(&others, host, preferred).await, others),
        };
        match (preferred, fallback) {
            (Ok(addresses), _) => Ok(addresses[0]),
            (Err(_), Ok(addresses)) => Ok(addresses[addresses.len() - 1]),
            (Err(error), Err(other)) => Err(telling(host, error, other)),
        }
    }
}

type Found = Result<Vec<IpAddr>, ResolverError>;

/// Waits for one family's addresses when the other's lookup has ended: not for long if that gave some.
async fn after(ended: &Found, host: &str, waited: impl Future<Output = Found>) -> Found {
    if ended.is_err() {
        return waited.await;
    }
    tokio::time::timeout(GRACE, waited).await.unwrap_or_else(|_| {
        let message = format_args!("{host}: no answer for one family within {GRACE:?} of the other's");
        Err(ResolverError::new(Reason::DnsTimeout, message))
    })
}

const fn other(protocol: IpProtocol) -> IpProtocol {
    match protocol {
        IpProtocol::Ip4 => IpProtocol::Ip6,
        IpProtocol::Ip6 => IpProtocol::Ip4,
    }
}

/// An address and its zone: `fe80::1%eth0`.
fn zoned(host: &str) -> Option<(Ipv6Addr, &str)> {
    let (address, zone) = host.split_once('%')?;
    Some((address.parse().ok()?, zone))
}

/// Where one family merely has no record, the other's error tells more.
fn telling(host: &str, preferred: ResolverError, other: ResolverError) -> ResolverError {
    match (preferred.reason, other.reason) {
        (Reason::DnsNodata, Reason::DnsNodata) => {
            ResolverError::new(Reason::DnsNodata, format_args!("{host} has no address"))
        }
        (Reason::DnsNodata, _) => other,
        _ => preferred,
    }
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
    use std::sync::Arc;

    use hickory_proto::op::Message;
    use hickory_proto::rr::rdata::{A, AAAA};
    use hickory_proto::rr::{RData, Record, RecordType};

    use super::*;
    use crate::testkit::{DiskFiles, Responder, net_with_resolver};

    const ANY: Family = Family { preferred: IpProtocol::Ip6, fallback: true };
    const IP4: Family = Family { preferred: IpProtocol::Ip4, fallback: true };

    #[test]
    fn addresses_hash_as_in_blackbox_exporter() {
        let hash = |text: &str| address_hash(text.parse().expect("an address"));
        assert_eq!(hash("127.0.0.1"), 3_668_918_509);
        assert_eq!(hash("8.8.8.8"), 2_350_491_669);
        assert_eq!(hash("::ffff:8.8.8.8"), 2_350_491_669);
        assert_eq!(hash("::1"), 1_751_717_746);
        assert_eq!(hash("2001:db8::1"), 1_851_458_804);
    }

    /// Answers questions for A with these addresses, and questions for AAAA likewise; `None`: not at all.
    async fn server(ip4: Option<&'static [u8]>, ip6: Option<&'static [u8]>) -> Responder {
        Responder::udp(move |bytes| {
            let query = Message::from_vec(bytes).expect("a query");
            let (name, kind) = (query.queries[0].name().clone(), query.queries[0].query_type());
            let Some(lasts) = (if kind == RecordType::A { ip4 } else { ip6 }) else { return Vec::new() };
            let mut reply = query.into_response();
            let data = lasts.iter().map(|last| match kind {
                RecordType::A => RData::A(A::new(192, 0, 2, *last)),
                _ => RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(*last))),
            });
            reply.answers = data.map(|data| Record::from_rdata(name.clone(), 60, data)).collect();
            vec![reply.to_vec().expect("a reply")]
        })
        .await
    }

    async fn choose(server: &Responder, host: &str, family: Family) -> Result<String, Reason> {
        let net = net_with_resolver(server.address());
        let mut recorder = Recorder::start(Duration::from_secs(20));
        let chosen = net.choose(&mut recorder, host, family).await;
        chosen.map(|address| address.to_string()).map_err(|failure| failure.reason())
    }

    fn found(text: &str) -> Result<String, Reason> {
        Ok(text.to_owned())
    }

    #[tokio::test]
    async fn the_first_of_the_preferred_family_is_chosen() {
        let server = server(Some(&[1, 2]), Some(&[3, 4])).await;
        assert_eq!(choose(&server, "host.test", ANY).await, found("2001:db8::3"));
        assert_eq!(choose(&server, "host.test", IP4).await, found("192.0.2.1"));
    }

    #[tokio::test]
    async fn the_last_of_the_other_family_is_fallen_back_on() {
        let server = server(Some(&[1, 2, 3]), Some(&[])).await;
        assert_eq!(choose(&server, "host.test", ANY).await, found("192.0.2.3"));
        let strict = Family { fallback: false, ..ANY };
        assert_eq!(choose(&server, "host.test", strict).await, Err(Reason::DnsNodata));
    }

    #[tokio::test]
    async fn a_family_whose_lookups_are_lost_does_not_hide_the_other() {
        let server = server(Some(&[1]), None).await;
        assert_eq!(choose(&server, "host.test", ANY).await, found("192.0.2.1"));
    }

    #[tokio::test]
    async fn every_address_is_found_though_one_familys_lookups_are_lost() {
        let server = server(None, Some(&[1, 2])).await;
        let net = net_with_resolver(server.address());
        let mut recorder = Recorder::start(Duration::from_secs(20));
        let addresses = net.addresses(&mut recorder, "host.test", ANY).await.expect("addresses");
        assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2001:db8::1", "2001:db8::2"]);
        assert!(recorder.elapsed() < 3 * GRACE, "{:?}", recorder.elapsed());
    }

    #[tokio::test]
    async fn only_the_answer_that_decides_is_waited_for() {
        let server = server(Some(&[1]), None).await;
        let clock = Recorder::start(GRACE);
        assert_eq!(choose(&server, "host.test", IP4).await, found("192.0.2.1"));
        assert!(clock.elapsed() < GRACE, "{:?}", clock.elapsed());
    }

    #[tokio::test]
    async fn no_address_of_either_family_is_no_data() {
        let server = server(Some(&[]), Some(&[])).await;
        assert_eq!(choose(&server, "host.test", ANY).await, Err(Reason::DnsNodata));
    }

    #[tokio::test]
    async fn literals_need_no_server() {
        let server = server(Some(&[1]), Some(&[1])).await;
        assert_eq!(choose(&server, "127.0.0.1", ANY).await, found("127.0.0.1"));
        assert_eq!(choose(&server, "::1", IP4).await, found("::1"));
        let strict = Family { fallback: false, ..ANY };
        assert_eq!(choose(&server, "127.0.0.1", strict).await, Err(Reason::DnsNodata));
        assert_eq!(choose(&server, "", ANY).await, Err(Reason::TargetInvalid));
        assert_eq!(server.heard().len(), 0);
    }

    async fn choose_peer(host: &str, family: Family) -> Result<SocketAddr, String> {
        let net = Net::new(crate::net::Resolver::of_servers(&[]).expect("a resolver"), Arc::new(DiskFiles));
        let mut recorder = Recorder::start(Duration::from_secs(20));
        let chosen = net.choose_peer(&mut recorder, host, 53, family).await;
        chosen.map_err(|failure| failure.to_string())
    }

    #[tokio::test]
    async fn a_zone_is_an_interface_by_name_or_number() {
        let peer = |scope| SocketAddr::from(SocketAddrV6::new("fe80::1".parse().expect("an address"), 53, 0, scope));
        assert_eq!(choose_peer("fe80::1%7", ANY).await, Ok(peer(7)));
        assert_eq!(choose_peer("fe80::1%lo", ANY).await, Ok(peer(1)));
        for zone in ["nosuchif", "..", "a/b", ""] {
            let message = format!("target_invalid: fe80::1%{zone}: there is no network interface {zone:?}");
            assert_eq!(choose_peer(&format!("fe80::1%{zone}"), ANY).await, Err(message));
        }
        let strict = Family { preferred: IpProtocol::Ip4, fallback: false };
        let message = "dns_nodata: fe80::1%lo has no IPv4 address".to_owned();
        assert_eq!(choose_peer("fe80::1%lo", strict).await, Err(message));
    }

    #[tokio::test]
    async fn every_kind_asks_an_address_in_a_zone() {
        use crate::testkit::{Authority, Peer, ask, close, gist, hear, say, starttls};
        let ip6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let web = Peer::play_on(ip6, vec![hear("\r\n\r\n"), say(answer), close()]).await;
        let authority = Authority::new();
        let server = authority.leaf(&["::1"]).server();
        let encrypted = Peer::play_on(ip6, vec![starttls(server), close()]).await;
        let (web, encrypted) = (web.address().port(), encrypted.address().port());
        let trusting = serde_json::json!({"tls_config": {"ca": authority.pem()}});
        let empty = serde_json::json!({});
        for (kind, settings, target) in [
            ("http", &empty, format!("http://[::1%25lo]:{web}/")),
            ("http", &empty, format!("http://[::1%lo]:{web}/")),
            ("tcp", &empty, format!("[::1%1]:{web}")),
            ("tls", &trusting, format!("[::1%lo]:{encrypted}")),
            ("icmp", &empty, "::1%lo".to_owned()),
        ] {
            let report = ask(kind, settings.clone(), &target, Duration::from_secs(20)).await;
            assert_eq!(gist(&report), "up", "{kind} {target}: {:?}", report.failure());
        }
        let report = ask("http", empty, "http://[::1%25nosuchif]/", Duration::from_secs(20)).await;
        assert_eq!(gist(&report), "target_invalid in resolve");
    }
}
