//! Where a domain's mail goes (RFC 5321 section 5.1), and what its mail hosts are called.

use std::net::IpAddr;

use hickory_proto::rr::{RData, RecordType};

use tokio::time::{Instant, timeout_at};

use super::measures::{MX_ADDRESSES, MX_ALIAS, MX_INFO, MX_SECURE, REVERSE_CONFIRMED};
use super::questions::{Questions, unknown};
use super::{ADDRESS, MX, REVERSE};
use crate::failure::{Failure, Reason, shown};
use crate::net::Security;
use crate::recorder::Recorder;
use crate::smtp::measures::{MX_IMPLICIT, MX_NULL, MX_RECORDS};
use crate::target::host_name;

/// Most mail hosts that are looked at. Chosen: as many as kind `smtp` asks.
const HOSTS_MAX: usize = 10;
/// Most addresses of one mail host whose names are asked for. Chosen: large providers have a handful.
const ADDRESSES_MAX: usize = 8;
/// Most names of one address that are asked for. As SPF's `ptr` (RFC 7208 section 4.6.4).
const NAMES_MAX: usize = 10;
/// Longest name that is shown in bytes. Chosen: longer than any valid one.
const NAME_SHOWN_BYTES_MAX: usize = 300;

/// A mail host of the domain.
#[derive(Debug, Clone)]
pub(super) struct Host {
    /// In ASCII, without the final dot.
    pub(super) name: String,
    addresses: Vec<IpAddr>,
}

/// The mail hosts that were found.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    pub(super) hosts: Vec<Host>,
    /// What is known of the truth of the MX records.
    pub(super) security: Security,
}

/// Zero or one for what a name server said of signatures; `None` if it is not believed.
pub(super) fn truth(security: Security) -> Option<f64> {
    match security {
        Security::Secure => Some(1.0),
        Security::Insecure => Some(0.0),
        Security::Unknown => None,
    }
}

/// Finds the mail hosts, and writes them into `found` for whoever needs them later.
pub(super) async fn look(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    domain: &str,
    found: &mut Result<Hosts, Failure>,
    limit: Instant,
) -> Result<(), Failure> {
    recorder.enter(MX);
    let none = |why| Failure::new(Reason::MxMissing, why);
    let answer = questions.ask(domain, RecordType::MX).await?;
    let data = answer.map_or_else(Vec::new, |answer| answer.data);
    let mut records: Vec<_> =
        data.iter().filter_map(|data| if let RData::MX(mx) = data { Some(mx) } else { None }).collect();
    records.sort_by_key(|mx| mx.preference);
    recorder.read(&MX_RECORDS, records.len() as f64);
    let nulls = records.iter().filter(|mx| mx.exchange.is_root()).count();
    recorder.read(&MX_NULL, f64::from(u8::from(nulls > 0)));
    recorder.read(&MX_IMPLICIT, f64::from(u8::from(records.is_empty())));
    if nulls > 0 && nulls == records.len() {
        let failure = none(format!("{domain} says by a null MX (RFC 7505) that it takes no mail"));
        *found = Err(failure.clone());
        return Err(failure);
    }
    let mut fault = (nulls > 0).then(|| invalid(format!("{domain} has a null MX beside others (RFC 7505 section 3)")));
    let mut hosts = Vec::new();
    if records.is_empty() {
        hosts.push(domain.to_owned());
    }
    for mx in records.iter().filter(|mx| !mx.exchange.is_root()).take(HOSTS_MAX) {
        let text = mx.exchange.to_ascii();
        match host_name(&text) {
            Ok(name) => {
                let name = name.to_ascii_lowercase();
                recorder.read_with(&MX_INFO, &[&name, &mx.preference.to_string()], 1.0);
                if !hosts.contains(&name) {
                    hosts.push(name);
                }
            }
            Err(why) => {
                let name = shown(text.as_bytes(), NAME_SHOWN_BYTES_MAX);
                fault.get_or_insert_with(|| invalid(format!("the MX {name} {why}")));
            }
        }
    }
    if records.len() > HOSTS_MAX {
        recorder.note(format_args!("only {HOSTS_MAX} of {} mail hosts are looked at", records.len()));
    }

    recorder.enter(ADDRESS);
    let mut lack = None;
    let mut known = Vec::with_capacity(hosts.len());
    for name in hosts {
        match addresses(questions, recorder, &name).await {
            Ok((addresses, is_alias)) => {
                if is_alias && !records.is_empty() {
                    fault.get_or_insert_with(|| invalid(format!("the MX {name} is an alias (RFC 2181 section 10.3)")));
                }
                if addresses.is_empty() && records.is_empty() {
                    fault.get_or_insert_with(|| none(format!("{domain} has neither an MX nor an address")));
                } else if addresses.is_empty() {
                    fault.get_or_insert_with(|| invalid(format!("the MX {name} has no address")));
                }
                known.push(Host { name, addresses });
            }
            Err(failure) => {
                lack.get_or_insert(failure);
                known.push(Host { name, addresses: Vec::new() });
            }
        }
    }
    *found = match &fault {
        Some(failure) if failure.reason() == Reason::MxMissing => Err(failure.clone()),
        _ => Ok(Hosts { hosts: known, security: Security::Unknown }),
    };
    if let Ok(hosts) = found {
        recorder.enter(MX);
        // Only DANE needs a proof: without one nothing is missing here, and it may not use up the time.
        let now = recorder.now();
        let half = now + limit.saturating_duration_since(now) / 2;
        match timeout_at(half, questions.prove(domain, RecordType::MX)).await {
            Err(_) => recorder.note("the MX records were not proved in time (DNSSEC)"),
            // It is the same records that must be proved.
            Ok(Ok((answer, security))) => {
                let proved = answer.map_or_else(Vec::new, |answer| answer.data);
                if proved.len() == data.len() && proved.iter().all(|record| data.contains(record)) {
                    hosts.security = security;
                }
            }
            // Nothing that follows from forged records is worth looking at.
            Ok(Err(failure)) if !failure.reason().is_shortage() => {
                *found = Err(failure.clone());
                return Err(failure);
            }
            Ok(Err(failure)) => recorder.note(format_args!("the MX records were not proved (DNSSEC): {failure}")),
        }
    }
    recorder.enter(ADDRESS);
    if let Some(truth) = found.as_ref().ok().and_then(|hosts| truth(hosts.security)) {
        recorder.read(&MX_SECURE, truth);
    }
    fault.or(lack).map_or(Ok(()), Err)
}

fn invalid(why: String) -> Failure {
    Failure::new(Reason::MxInvalid, why)
}

/// The addresses of a mail host, and whether its name is an alias.
async fn addresses(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    host: &str,
) -> Result<(Vec<IpAddr>, bool), Failure> {
    let mut all = Vec::new();
    let (mut is_alias, mut lack) = (false, None);
    for (kind, family) in [(RecordType::A, "ip4"), (RecordType::AAAA, "ip6")] {
        match questions.ask(host, kind).await {
            Ok(answer) => {
                is_alias |= answer.as_ref().is_some_and(|answer| answer.is_alias);
                let data = answer.map_or_else(Vec::new, |answer| answer.data);
                recorder.read_with(&MX_ADDRESSES, &[host, family], data.len() as f64);
                all.extend(data.iter().filter_map(RData::ip_addr));
            }
            Err(failure) => lack = Some(failure),
        }
    }
    match lack {
        Some(failure) if all.is_empty() => Err(failure),
        _ => {
            recorder.read_with(&MX_ALIAS, &[host], f64::from(u8::from(is_alias)));
            Ok((all, is_alias))
        }
    }
}

/// Looks whether the addresses of the mail hosts have names that lead back to them (RFC 8601 section 2.7.3, "iprev").
pub(super) async fn look_back(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    found: &Result<Hosts, Failure>,
) -> Result<(), Failure> {
    recorder.enter(REVERSE);
    let found = found.as_ref().map_err(Clone::clone)?;
    let (mut fault, mut lack) = (None, None);
    let mut asked = 0;
    for host in &found.hosts {
        for address in host.addresses.iter().take(ADDRESSES_MAX) {
            asked += 1;
            match leads_back(questions, *address).await {
                Ok(confirmed) => {
                    let text = address.to_string();
                    recorder.read_with(&REVERSE_CONFIRMED, &[&host.name, &text], f64::from(u8::from(confirmed)));
                    if !confirmed {
                        let why = format_args!("{address} of {} has no name that leads back to it", host.name);
                        fault.get_or_insert_with(|| Failure::new(Reason::ReverseInvalid, why));
                    }
                }
                Err(failure) => {
                    lack.get_or_insert(failure);
                }
            }
        }
    }
    if asked == 0 {
        return Err(unknown("the addresses of the mail hosts are not known"));
    }
    fault.or(lack).map_or(Ok(()), Err)
}

async fn leads_back(questions: &mut Questions<'_>, address: IpAddr) -> Result<bool, Failure> {
    let kind = if address.is_ipv4() { RecordType::A } else { RecordType::AAAA };
    let mut lack = None;
    for name in questions.names(address).await?.iter().take(NAMES_MAX) {
        match questions.addresses(name, kind).await {
            Ok(addresses) if addresses.contains(&address) => return Ok(true),
            Ok(_) => {}
            Err(failure) => lack = Some(failure),
        }
    }
    lack.map_or(Ok(false), Err)
}
