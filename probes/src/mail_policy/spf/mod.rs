//! SPF: who may send a domain's mail (RFC 7208).
//!
//! The record is walked once for nobody in particular, which counts its lookups, and once for each configured sender.

mod macros;
mod record;

use std::net::IpAddr;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hickory_proto::rr::{RData, RecordType};

use super::measures::{
    SPF_ALL, SPF_LOOKUPS, SPF_RECORDS, SPF_SENDER_INFO, SPF_SENDER_PASS, SPF_VALID, SPF_VOID_LOOKUPS,
};
use super::questions::Questions;
use super::settings::Settings;
use crate::failure::{Failure, Reason};
use crate::recorder::Recorder;
use macros::Context;
use record::{Bits, Mechanism, Qualifier, Record};

/// Most terms that need a lookup (RFC 7208 section 4.6.4).
const LOOKUPS_MAX: usize = 10;
/// Most lookups that find nothing (RFC 7208 section 4.6.4).
const VOID_LOOKUPS_MAX: usize = 2;
/// How far lookups are counted. Chosen: twice what is allowed says enough, and ends a loop.
const LOOKUPS_COUNTED_MAX: usize = 20;
/// Most mail hosts of one `mx` and most names of one `ptr` (RFC 7208 section 4.6.4).
const HOSTS_MAX: usize = 10;
/// What a record begins with (RFC 7208 section 4.5).
const VERSION: &str = "v=spf1";

/// What SPF says of a sender (RFC 7208 section 2.6); what is only temporary is a failure to know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Of(Qualifier),
    Nothing,
    Broken(String),
}

impl Said {
    const fn name(&self) -> &'static str {
        match self {
            Self::Of(qualifier) => qualifier.name(),
            Self::Nothing => "none",
            Self::Broken(_) => "permerror",
        }
    }
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::SpfInvalid, why)
}

/// Reads and judges the domain's SPF record.
pub(super) async fn look(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    settings: &Settings,
    domain: &str,
) -> Result<(), Failure> {
    let records = questions.texts(domain, VERSION, Some(b' ')).await?;
    recorder.read(&SPF_RECORDS, records.len() as f64);
    for record in records.iter().take(HOSTS_MAX) {
        recorder.note(format_args!("SPF: {record}"));
    }
    if records.len() != 1 {
        recorder.read(&SPF_VALID, 0.0);
        return Err(match records.len() {
            0 => invalid(format_args!("{domain} has no SPF record")),
            several => invalid(format_args!("{domain} has {several} SPF records, and one is allowed")),
        });
    }
    let mut survey = Walk::new(questions, None, domain);
    let ending = survey.domain(domain.to_owned(), true).await;
    let Walk { lookups, voids, fault, last, .. } = survey;
    recorder.read(&SPF_LOOKUPS, lookups.min(LOOKUPS_COUNTED_MAX) as f64);
    recorder.read(&SPF_VOID_LOOKUPS, voids as f64);
    let fault = match ending? {
        Said::Broken(why) => Some(why),
        _ => fault,
    };
    let fault = fault.or_else(|| {
        let too_many = |count, max, what: &str| format!("{count} {what}, and {max} are allowed");
        if lookups > LOOKUPS_MAX {
            Some(too_many(lookups, LOOKUPS_MAX, "lookups"))
        } else if voids > VOID_LOOKUPS_MAX {
            Some(too_many(voids, VOID_LOOKUPS_MAX, "lookups that find nothing"))
        } else {
            None
        }
    });
    recorder.read(&SPF_VALID, f64::from(u8::from(fault.is_none())));
    if let Some(why) = fault {
        return Err(invalid(format_args!("SPF of {domain}: {why}")));
    }
    recorder.read_with(&SPF_ALL, &[last.unwrap_or(Qualifier::Neutral).name()], 1.0);

    let mut refused = None;
    for sender in &settings.spf_senders {
        let said = Walk::new(questions, Some(*sender), domain).domain(domain.to_owned(), true).await?;
        let passes = said == Said::Of(Qualifier::Pass);
        let text = sender.to_string();
        recorder.read_with(&SPF_SENDER_PASS, &[&text], f64::from(u8::from(passes)));
        recorder.read_with(&SPF_SENDER_INFO, &[&text, said.name()], 1.0);
        if !passes && refused.is_none() {
            let why = if let Said::Broken(why) = &said { format!(": {why}") } else { String::new() };
            refused = Some(invalid(format_args!("SPF of {domain} says {} of {sender}{why}", said.name())));
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Whether it is a record that counts.
#[cfg(any(test, feature = "testkit"))]
pub(super) fn is_record(text: &str) -> bool {
    Record::read(text).is_ok()
}

/// What the domain's record says of a sender, in a word of RFC 8601 section 2.7.2.
pub(crate) async fn judge(
    questions: &mut Questions<'_>,
    sender: IpAddr,
    domain: &str,
) -> Result<&'static str, Failure> {
    Ok(Walk::new(questions, Some(sender), domain).domain(domain.to_owned(), true).await?.name())
}

/// One way through a record and what it includes.
struct Walk<'w, 'n> {
    questions: &'w mut Questions<'n>,
    /// Without one, nobody is named by any mechanism and everything is looked at.
    sender: Option<IpAddr>,
    origin: &'w str,
    lookups: usize,
    voids: usize,
    /// What a walk for nobody found that no sender may meet.
    fault: Option<String>,
    /// What such a walk found at the record's end.
    last: Option<Qualifier>,
}

impl<'w, 'n> Walk<'w, 'n> {
    const fn new(questions: &'w mut Questions<'n>, sender: Option<IpAddr>, origin: &'w str) -> Self {
        Self { questions, sender, origin, lookups: 0, voids: 0, fault: None, last: None }
    }

    /// `check_host` (RFC 7208 section 4). `is_main` unless another record includes this one.
    fn domain(&mut self, domain: String, is_main: bool) -> BoxFuture<'_, Result<Said, Failure>> {
        async move {
            let records = self.questions.texts(&domain, VERSION, Some(b' ')).await?;
            let text = match &*records {
                [] => return Ok(Said::Nothing),
                [text] => text,
                several => return Ok(Said::Broken(format!("{domain} has {} SPF records", several.len()))),
            };
            let record = match Record::read(text) {
                Ok(record) => record,
                Err(why) => return Ok(Said::Broken(format!("{domain}: {why}"))),
            };
            for (qualifier, mechanism) in &record.directives {
                match self.names(&domain, mechanism).await? {
                    Ok(true) => {
                        if is_main {
                            self.last = Some(*qualifier);
                        }
                        return Ok(Said::Of(*qualifier));
                    }
                    Ok(false) => {}
                    Err(why) if self.sender.is_none() && self.lookups <= LOOKUPS_COUNTED_MAX => {
                        self.fault.get_or_insert(why);
                    }
                    Err(why) => return Ok(Said::Broken(why)),
                }
            }
            let Some(redirect) = &record.redirect else { return Ok(Said::Of(Qualifier::Neutral)) };
            let target = match self.count().and_then(|()| self.expand(redirect, &domain)) {
                Ok(Some(target)) => target,
                Ok(None) => return Ok(Said::Of(Qualifier::Neutral)),
                Err(why) => return Ok(Said::Broken(why)),
            };
            match self.domain(target.clone(), is_main).await? {
                Said::Nothing => Ok(Said::Broken(format!("{target} has no SPF record to redirect to"))),
                said => Ok(said),
            }
        }
        .boxed()
    }

    /// Counts a term that needs a lookup.
    fn count(&mut self) -> Result<(), String> {
        self.lookups += 1;
        let max = if self.sender.is_some() { LOOKUPS_MAX } else { LOOKUPS_COUNTED_MAX };
        if self.lookups > max { Err(format!("more than {LOOKUPS_MAX} lookups")) } else { Ok(()) }
    }

    /// Counts a lookup that found nothing.
    fn count_void(&mut self, is_void: bool) -> Result<(), String> {
        self.voids += usize::from(is_void);
        if self.sender.is_some() && self.voids > VOID_LOOKUPS_MAX {
            return Err(format!("more than {VOID_LOOKUPS_MAX} lookups that find nothing"));
        }
        Ok(())
    }

    /// A domain with its macros expanded; `None` if it depends on a sender and there is none.
    fn expand(&self, spec: &str, domain: &str) -> Result<Option<String>, String> {
        let sender = match self.sender {
            Some(sender) => sender,
            None if macros::is_same_for_all(spec) => IpAddr::from([0; 4]),
            None => return Ok(None),
        };
        macros::expand(spec, &Context { sender, origin: self.origin, domain }).map(Some)
    }

    /// Whether a mechanism names the sender; the inner error is one of the record.
    async fn names(&mut self, domain: &str, mechanism: &Mechanism) -> Result<Result<bool, String>, Failure> {
        let own = || domain.to_owned();
        let asks = !matches!(mechanism, Mechanism::All | Mechanism::Ip4(..) | Mechanism::Ip6(..));
        if asks && let Err(why) = self.count() {
            return Ok(Err(why));
        }
        let spec = match mechanism {
            Mechanism::Include(spec) | Mechanism::Exists(spec) => Some(spec),
            Mechanism::A(spec, _) | Mechanism::Mx(spec, _) | Mechanism::Ptr(spec) => spec.as_ref(),
            _ => None,
        };
        let name = match spec.map_or_else(|| Ok(Some(own())), |spec| self.expand(spec, domain)) {
            Ok(Some(name)) => name,
            Ok(None) => return Ok(Ok(false)),
            Err(why) => return Ok(Err(why)),
        };
        match mechanism {
            Mechanism::All => Ok(Ok(true)),
            Mechanism::Ip4(network, bits) => Ok(Ok(self.is_in((*network).into(), *bits))),
            Mechanism::Ip6(network, bits) => Ok(Ok(self.is_in((*network).into(), *bits))),
            Mechanism::Include(_) => Ok(match self.domain(name.clone(), false).await? {
                // For nobody, the end of an included record is no answer.
                Said::Of(qualifier) => Ok(self.sender.is_some() && qualifier == Qualifier::Pass),
                Said::Nothing => Err(format!("{name} is included, but has no SPF record")),
                Said::Broken(why) => Err(why),
            }),
            Mechanism::A(_, bits) => {
                let addresses = self.addresses(&name).await?;
                Ok(self.count_void(addresses.is_empty()).map(|()| self.is_any_in(&addresses, *bits)))
            }
            Mechanism::Mx(_, bits) => self.is_mail_host(&name, *bits).await,
            Mechanism::Ptr(_) => self.is_named(&name).await,
            Mechanism::Exists(_) => {
                // Always by IPv4 (RFC 7208 section 5.7).
                let addresses = self.questions.addresses(&name, RecordType::A).await?;
                let found = !addresses.is_empty();
                Ok(self.count_void(!found).map(|()| found && self.sender.is_some()))
            }
        }
    }

    /// The addresses of the sender's family; without a sender, of any.
    async fn addresses(&mut self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        match self.sender {
            Some(IpAddr::V6(_)) => self.questions.addresses(name, RecordType::AAAA).await,
            Some(IpAddr::V4(_)) => self.questions.addresses(name, RecordType::A).await,
            None => {
                let addresses = self.questions.addresses(name, RecordType::A).await?;
                if addresses.is_empty() {
                    self.questions.addresses(name, RecordType::AAAA).await
                } else {
                    Ok(addresses)
                }
            }
        }
    }

    async fn is_mail_host(&mut self, name: &str, bits: Bits) -> Result<Result<bool, String>, Failure> {
        let answer = self.questions.ask(name, RecordType::MX).await?;
        let hosts = answer.map_or_else(Vec::new, |answer| answer.data);
        if let Err(why) = self.count_void(hosts.is_empty()) {
            return Ok(Err(why));
        }
        if hosts.len() > HOSTS_MAX {
            return Ok(Err(format!("{name} has {} mail hosts, and {HOSTS_MAX} are allowed", hosts.len())));
        }
        if self.sender.is_none() {
            return Ok(Ok(false));
        }
        for host in &hosts {
            let RData::MX(mx) = host else { continue };
            let addresses = self.addresses(&mx.exchange.to_ascii()).await?;
            if self.is_any_in(&addresses, bits) {
                return Ok(Ok(true));
            }
        }
        Ok(Ok(false))
    }

    async fn is_named(&mut self, domain: &str) -> Result<Result<bool, String>, Failure> {
        let Some(sender) = self.sender else { return Ok(Ok(false)) };
        let names = self.questions.names(sender).await?;
        if let Err(why) = self.count_void(names.is_empty()) {
            return Ok(Err(why));
        }
        let domain = domain.to_ascii_lowercase();
        let below =
            |name: &String| name.strip_suffix(&*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        for name in names.iter().take(HOSTS_MAX).filter(|name| below(name)) {
            if self.addresses(name).await?.contains(&sender) {
                return Ok(Ok(true));
            }
        }
        Ok(Ok(false))
    }

    fn is_any_in(&self, addresses: &[IpAddr], bits: Bits) -> bool {
        addresses.iter().any(|address| self.is_in(*address, if address.is_ipv4() { bits.ip4 } else { bits.ip6 }))
    }

    /// Whether the sender's first bits are these.
    fn is_in(&self, network: IpAddr, bits: u8) -> bool {
        match (self.sender.map(|sender| sender.to_canonical()), network) {
            (Some(IpAddr::V4(sender)), IpAddr::V4(network)) => {
                (sender.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(bits)
            }
            (Some(IpAddr::V6(sender)), IpAddr::V6(network)) => {
                (sender.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(bits)
            }
            _ => false,
        }
    }
}
