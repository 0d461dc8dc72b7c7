//! `resolver:`, `dnssec_trust_anchors:`, `probe_metrics:`, `limits:`, `revocation_lists:` — the agent's own settings.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::fault::Fault;
use super::fields::{Fields, text_of};
use super::node::Entry;
use super::scalar;
use crate::plan::{AgentSettings, ProbeMetrics};

/// Port of the Domain Name System (IANA).
const DNS_PORT: u16 = 53;
/// Most name servers. Chosen: five times what a system's own resolver takes.
const SERVERS_MAX: usize = 16;
/// Most runs at once that can be asked for. Chosen: more descriptors than a process can have.
const RUNS_IN_FLIGHT_MAX: usize = 1_000_000;

/// Reads one of the sections.
pub(super) fn read(entry: &Entry<'_>, settings: &mut AgentSettings, faults: &mut Vec<Fault>) {
    if entry.value.is_null() {
        return;
    }
    let read = match entry.key.as_ref() {
        "resolver" => read_resolver(entry, settings, faults),
        "dnssec_trust_anchors" => read_trust_anchors(entry).map(|file| settings.dnssec_trust_anchors = Some(file)),
        "probe_metrics" => read_probe_metrics(entry).map(|metrics| settings.probe_metrics = metrics),
        "limits" => read_limits(entry, settings, faults),
        "revocation_lists" => read_revocation_lists(entry, settings, faults),
        _ => Ok(()),
    };
    faults.extend(read.err());
}

fn read_resolver(entry: &Entry<'_>, settings: &mut AgentSettings, faults: &mut Vec<Fault>) -> Result<(), Fault> {
    let items = entry.list()?;
    if items.len() > SERVERS_MAX {
        return Err(Fault::new(entry.key_place, format_args!("more than {SERVERS_MAX} name servers")));
    }
    for item in items {
        let text = text_of(item).unwrap_or_default();
        let address = text.parse().or_else(|_| {
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT))
        });
        match address {
            Ok(address) if address.port() != 0 => settings.resolver.push(address),
            _ => faults.push(
                Fault::new(item.place, format_args!("{text:?} is not the address of a name server")).with_help(
                    "write an address with or without a port: 192.0.2.53, 192.0.2.53:5353, [2001:db8::53]:53",
                ),
            ),
        }
    }
    Ok(())
}

fn read_trust_anchors(entry: &Entry<'_>) -> Result<PathBuf, Fault> {
    match entry.text()? {
        "" => Err(Fault::new(entry.place(), "`dnssec_trust_anchors` must be the path of a file")),
        path => Ok(path.into()),
    }
}

fn read_probe_metrics(entry: &Entry<'_>) -> Result<ProbeMetrics, Fault> {
    match entry.text()? {
        "blackbox" => Ok(ProbeMetrics::Blackbox),
        "all" => Ok(ProbeMetrics::All),
        other => Err(Fault::unknown(entry.place(), "value", other, ["blackbox", "all"])),
    }
}

fn read_revocation_lists(
    entry: &Entry<'_>,
    settings: &mut AgentSettings,
    faults: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let fields = Fields::of(&entry.value, entry.key_place, "`revocation_lists`")?;
    fields.refuse_others(["private_addresses"].into_iter(), faults);
    if let Some(wish) = fields.find("private_addresses") {
        let text = wish.text()?;
        let truth = scalar::truth(text);
        settings.private_revocation_lists =
            truth.ok_or_else(|| Fault::unknown(wish.place(), "value", text, ["true", "false"]))?;
    }
    Ok(())
}

fn read_limits(entry: &Entry<'_>, settings: &mut AgentSettings, faults: &mut Vec<Fault>) -> Result<(), Fault> {
    let fields = Fields::of(&entry.value, entry.key_place, "`limits`")?;
    fields.refuse_others(["runs_in_flight"].into_iter(), faults);
    if let Some(limit) = fields.find("runs_in_flight") {
        let number = scalar::integer(limit.text()?).and_then(|number| usize::try_from(number).ok());
        match number {
            Some(number) if (1..=RUNS_IN_FLIGHT_MAX).contains(&number) => settings.runs_in_flight_max = number,
            _ => {
                let message = format_args!("`runs_in_flight` must be a whole number from 1 to {RUNS_IN_FLIGHT_MAX}");
                return Err(Fault::new(limit.place(), message));
            }
        }
    }
    Ok(())
}
