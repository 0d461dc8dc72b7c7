//! Which servers are asked: a domain's mail hosts by MX, each at its addresses (RFC 5321 section 5.1).
//!
//! Knows nothing of the dialogue with them.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;

use hickory_proto::rr::rdata::MX;
use hickory_proto::rr::{RData, RecordType};
use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, Reason, shown};
use crate::net::{Net, RESOLVE, ResolverError, Security};
use crate::recorder::Recorder;
use crate::smtp::asked::Asked;
use crate::smtp::measures::{MX_IMPLICIT, MX_NULL, MX_RECORDS};
use crate::smtp::settings::{Addresses, SmtpSettings};
use crate::smtp::tls_policy::{Demand, TlsPolicy};
use crate::target::host_name;

/// Most mail hosts that are asked. Chosen: large providers name five to seven.
pub(crate) const HOSTS_MAX: usize = 10;
/// Most servers that are asked, over all hosts. Chosen: what the notebook of a run holds.
pub(crate) const SERVERS_MAX: usize = 16;
/// What of the run's time the lookups of mail hosts may take, as a divisor. Chosen: half is left to talk to those that
/// were found.
const LOOKUP_DIVISOR: u32 = 2;
/// Longest exchange name that is shown in bytes. Chosen: longer than any valid one.
const NAME_SHOWN_BYTES_MAX: usize = 300;

/// A mail host at one of its addresses.
#[derive(Debug)]
pub(crate) struct Server {
    /// Host and address in words: the name of its step.
    pub(crate) step: Arc<str>,
    /// What its certificate is verified for.
    pub(crate) certificate_name: Arc<str>,
    /// The preference of its MX record, if it has one.
    pub(crate) preference: Option<u16>,
    /// What is known of the truth of its MX record, or why it is not to be believed; secure where the operator names the
    /// host.
    pub(crate) mx: Result<Security, Failure>,
    /// Where it listens, or why that is not known.
    pub(crate) place: Result<SocketAddr, Failure>,
}

/// A mail host whose addresses are not known yet.
struct Host {
    /// The name as it is looked up, or why it cannot be.
    lookup: Result<String, Failure>,
    /// The name as it is shown.
    name: Arc<str>,
    certificate_name: Arc<str>,
    preference: Option<u16>,
    mx: Result<Security, Failure>,
    port: NonZeroU16,
}

/// Finds the servers in the order in which a sender would try them. All must be asked by `end`.
pub(crate) async fn find(
    net: &Net,
    recorder: &mut Recorder,
    asked: &Asked,
    settings: &SmtpSettings,
    end: Instant,
) -> Result<Vec<Server>, Failure> {
    let hosts = match asked {
        Asked::Domain(domain) => hosts_of(net, recorder, domain, settings).await?,
        Asked::Host { host, port, certificate_name } => vec![Host {
            lookup: Ok(host.to_string()),
            name: (**host).into(),
            certificate_name: (**certificate_name).into(),
            preference: None,
            mx: Ok(Security::Secure),
            port: *port,
        }],
    };
    let now = recorder.now();
    let limit = now + end.saturating_duration_since(now) / LOOKUP_DIVISOR;
    let mut servers = Vec::with_capacity(hosts.len());
    let mut hosts_left = hosts.len();
    for host in hosts {
        recorder.step(&host.name);
        let share = recorder.share(limit, hosts_left);
        hosts_left -= 1;
        let found = match timeout_at(share, addresses(net, recorder, &host, settings)).await {
            Ok(found) => found,
            Err(_) => Err(Failure::new(Reason::DnsTimeout, format_args!("no address of {} in time", host.name))),
        };
        match found {
            Err(failure) => servers.push(Server {
                step: Arc::clone(&host.name),
                certificate_name: host.certificate_name,
                preference: host.preference,
                mx: host.mx,
                place: Err(recorder.leg_failed(failure)),
            }),
            Ok(found) => {
                // Every host after this one still gets at least one place.
                let room = SERVERS_MAX.saturating_sub(servers.len() + hosts_left).max(1);
                if found.len() > room {
                    recorder.note(format_args!("{} of {} addresses are left out", found.len() - room, found.len()));
                }
                servers.extend(found.into_iter().take(room).map(|address| server(&host, address)));
            }
        }
        recorder.leave_step();
    }
    Ok(servers)
}

fn server(host: &Host, address: IpAddr) -> Server {
    let step = if host.name.parse() == Ok(address) {
        Arc::clone(&host.name)
    } else {
        format!("{} {address}", host.name).into()
    };
    let certificate_name = Arc::clone(&host.certificate_name);
    let place = Ok(SocketAddr::new(address, host.port.get()));
    Server { step, certificate_name, preference: host.preference, mx: host.mx.clone(), place }
}

async fn addresses(
    net: &Net,
    recorder: &mut Recorder,
    host: &Host,
    settings: &SmtpSettings,
) -> Result<Vec<IpAddr>, Failure> {
    let name = host.lookup.as_deref().map_err(|failure| {
        recorder.enter(RESOLVE);
        failure.clone()
    })?;
    match settings.addresses {
        Addresses::All => net.addresses(recorder, name, settings.family).await,
        Addresses::First => Ok(vec![net.choose(recorder, name, settings.family).await?]),
    }
}

/// The mail hosts of a domain.
async fn hosts_of(
    net: &Net,
    recorder: &mut Recorder,
    domain: &str,
    settings: &SmtpSettings,
) -> Result<Vec<Host>, Failure> {
    let port = settings.port;
    recorder.enter(RESOLVE);
    // The final dot keeps the system's search list out: mail for a domain goes to no other.
    let absolute = format!("{domain}.");
    let (data, mx) = mx_of(net, recorder, &absolute, &settings.tls_policy).await?;
    let mut records: Vec<MX> =
        data.into_iter().filter_map(|data| if let RData::MX(mx) = data { Some(mx) } else { None }).collect();
    recorder.read(&MX_RECORDS, records.len() as f64);
    recorder.read(&MX_IMPLICIT, f64::from(u8::from(records.is_empty())));
    let is_null = |mx: &MX| mx.exchange.is_root();
    let null = !records.is_empty() && records.iter().all(is_null);
    recorder.read(&MX_NULL, f64::from(u8::from(null)));
    if null {
        let message = format_args!("{domain} says by a null MX (RFC 7505) that it takes no mail");
        return Err(Failure::new(Reason::MxMissing, message));
    }
    if records.is_empty() {
        recorder.note(format_args!("{domain} has no MX; its own address stands in"));
        let name: Arc<str> = domain.into();
        return Ok(vec![Host {
            lookup: Ok(absolute),
            certificate_name: Arc::clone(&name),
            name,
            preference: None,
            mx,
            port,
        }]);
    }
    // Stable: records of one preference stay in the order in which they came.
    records.sort_by_key(|mx| mx.preference);
    if records.len() > HOSTS_MAX {
        recorder.note(format_args!("{} of {} MX records are left out", records.len() - HOSTS_MAX, records.len()));
        records.truncate(HOSTS_MAX);
    }
    Ok(records.iter().map(|record| Host { mx: mx.clone(), ..host_of(recorder, record, port) }).collect())
}

/// The MX records of a domain, and what is known of their truth, where somebody asks for it: proofs cost more questions.
async fn mx_of(
    net: &Net,
    recorder: &mut Recorder,
    domain: &str,
    tls_policy: &TlsPolicy,
) -> Result<(Vec<RData>, Result<Security, Failure>), Failure> {
    let resolver = net.resolver();
    let mut forged = None;
    if tls_policy.dane != Demand::Ignore {
        let trust = tls_policy.trust_dnssec;
        match resolver.answer_believing(domain, RecordType::MX, trust).await {
            Ok(answer) => {
                let security = answer.security(trust);
                return Ok((answer.data, Ok(security)));
            }
            Err(ResolverError { reason: Reason::DnsNodata, security, .. }) => return Ok((Vec::new(), Ok(security))),
            // Where it only shows, mail goes the way of senders that know nothing of signatures.
            Err(error) if error.reason != Reason::DnsNxdomain && tls_policy.dane == Demand::Report => {
                recorder.note(format_args!("DANE: {}", error.message));
                forged = Some(match error.reason {
                    Reason::DnsBogus => Failure::from(error),
                    _ => Failure::new(Reason::PolicyUnknown, error.message),
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mx = forged.map_or(Ok(Security::Unknown), Err);
    match resolver.lookup(domain, RecordType::MX).await {
        Ok(data) => Ok((data, mx)),
        Err(ResolverError { reason: Reason::DnsNodata, .. }) => Ok((Vec::new(), mx)),
        Err(error) => Err(error.into()),
    }
}

fn host_of(recorder: &mut Recorder, mx: &MX, port: NonZeroU16) -> Host {
    let text = mx.exchange.to_ascii();
    let (name, lookup): (Arc<str>, _) = match host_name(&text) {
        Ok(name) => (name.to_ascii_lowercase().into(), Ok(format!("{name}."))),
        Err(why) => {
            let name = shown(text.as_bytes(), NAME_SHOWN_BYTES_MAX);
            let failure = Failure::new(Reason::DnsError, format_args!("the MX {name} {why}"));
            (name.into(), Err(failure))
        }
    };
    recorder.note(format_args!("MX {} {name}", mx.preference));
    Host {
        lookup,
        certificate_name: Arc::clone(&name),
        name,
        preference: Some(mx.preference),
        mx: Ok(Security::Unknown),
        port,
    }
}
