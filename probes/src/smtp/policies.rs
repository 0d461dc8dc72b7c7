//! How a mail host's encryption must be, as the domain publishes it, and whether it is so: TLSA records (DANE, RFC 7672)
//! and the MTA-STS policy (RFC 8461), each with a verdict of its own beside that of the trusted authorities (WebPKI).
//!
//! Knows nothing of the dialogue. The MTA-STS policy is asked for once in a run, the TLSA records once for each mail host.

use std::net::IpAddr;

use hickory_proto::rr::rdata::tlsa::{CertUsage, TLSA};
use rustls_pki_types::CertificateDer;
use tokio::time::{Instant, timeout_at};

use crate::dane;
use crate::failure::{Failure, Reason};
use crate::mail_policy::TLSA as TLSA_PHASE;
use crate::mail_policy::dane::{Found, find};
use crate::mail_policy::fetch::PolicyHosts;
use crate::mail_policy::mta_sts::{self, Policy};
use crate::mail_policy::questions::{Questions, unknown};
use crate::net::{Net, Security, Tls, Trust};
use crate::recorder::Recorder;
use crate::smtp::measures::{
    DANE_MATCH, DANE_RECORDS, DANE_SECURE, DANE_USABLE, MTA_STS_MX_MATCH, STARTTLS_STRIPPED, TLS_VERIFIED,
};
use crate::smtp::servers::Server;
use crate::smtp::tls_policy::{Demand, TlsPolicy};

/// What of the time that is left the MTA-STS policy may take, as a divisor. Chosen: a silent policy host leaves most of the
/// time to the servers.
const POLICY_DIVISOR: u32 = 4;
/// What of a server's time the lookup of its TLSA records may take, as a divisor. Chosen: signatures are followed from zone
/// to zone, which takes as many questions as the dialogue has.
const TLSA_DIVISOR: u32 = 2;

/// What the domain publishes; grows during a run.
pub(crate) struct Policies<'a> {
    settings: &'a TlsPolicy,
    domain: Option<&'a str>,
    questions: Questions<'a>,
    /// `None` where nobody asks for it.
    mta_sts: Option<Result<Policy, Failure>>,
}

impl<'a> Policies<'a> {
    pub(super) fn new(net: &'a Net, settings: &'a TlsPolicy, domain: Option<&'a str>) -> Self {
        Self { settings, domain, questions: Questions::new(net, settings.trust_dnssec), mta_sts: None }
    }

    /// Asks for the MTA-STS policy, if somebody wants to know. `end` is when all servers must have been asked.
    pub(super) async fn find(&mut self, recorder: &mut Recorder, end: Instant) {
        let Some(domain) = self.domain.filter(|_| self.settings.mta_sts != Demand::Ignore) else { return };
        let now = recorder.now();
        let limit = now + end.saturating_duration_since(now) / POLICY_DIVISOR;
        recorder.step(&format!("mta-sts.{domain}").into());
        let hosts = PolicyHosts { port: self.settings.mta_sts_port, tls: &self.settings.mta_sts_tls_config };
        let found = timeout_at(limit, mta_sts::find(&mut self.questions, recorder, &hosts, domain)).await;
        let found = found.unwrap_or_else(|_| Err(unknown("no MTA-STS policy within its share of the time")));
        let found = found.and_then(|policy| {
            let has_none = policy.is_none();
            let none = || Failure::new(Reason::MtaStsInvalid, format_args!("the MTA-STS policy of {domain} is none"));
            if has_none { Err(none()) } else { Ok(policy) }
        });
        self.mta_sts = Some(found.map_err(|failure| {
            let reason = match failure.reason() {
                // Whoever is silent has said nothing about the mail hosts.
                Reason::Timeout => Reason::PolicyUnknown,
                reason if reason.is_shortage() => reason,
                _ => Reason::MtaStsInvalid,
            };
            recorder.note(format_args!("MTA-STS: {}", failure.message()));
            recorder.leg_failed(Failure::new(reason, failure.message()))
        }));
        recorder.leave_step();
    }

    /// What a server, which must have been asked by `limit`, is held to.
    pub(super) async fn of<'s>(
        &'s mut self,
        recorder: &mut Recorder,
        server: &'s Server,
        port: u16,
        limit: Instant,
    ) -> Demands<'s> {
        let host = &*server.certificate_name;
        // An address has neither TLSA records nor a place in a policy.
        let has_name = host.parse::<IpAddr>().is_err();
        let dane = if has_name && self.settings.dane != Demand::Ignore {
            recorder.enter(TLSA_PHASE);
            let now = recorder.now();
            let limit = now + limit.saturating_duration_since(now) / TLSA_DIVISOR;
            let found = timeout_at(limit, self.tlsa(recorder, host, port, &server.mx)).await;
            let found = found.unwrap_or_else(|_| Err(unknown("no TLSA records within their share of the time")));
            Some(found.map_err(|failure| {
                recorder.note(format_args!("DANE: {}", failure.message()));
                recorder.leg_failed(failure)
            }))
        } else {
            None
        };
        let mta_sts = self.mta_sts.as_ref().filter(|_| has_name);
        if let Some(Ok(policy)) = mta_sts {
            recorder.read(&MTA_STS_MX_MATCH, truth(policy.names(host)));
        }
        Demands { known: Some(Known { settings: self.settings, host, domain: self.domain, dane, mta_sts }) }
    }

    /// The TLSA records of a mail host, if DNSSEC vouches for them and for the way to it.
    async fn tlsa(
        &mut self,
        recorder: &mut Recorder,
        host: &str,
        port: u16,
        mx: &Result<Security, Failure>,
    ) -> Result<Found, Failure> {
        // Nothing that follows from forged records is worth looking at.
        let mx = mx.clone()?;
        let found = find(&mut self.questions, host, port).await?;
        let count = found.records().count();
        recorder.read(&DANE_RECORDS, count as f64);
        recorder.read(&DANE_USABLE, found.records().filter(|record| dane::is_usable(record)).count() as f64);
        found.may_be_hidden(host)?;
        if count == 0 {
            let message = format_args!("the mail host {host} has no TLSA record at _{port}._tcp.{}", found.base);
            return Err(Failure::new(Reason::DaneInvalid, message));
        }
        let vouched = found.vouched(host, mx);
        if !vouched.as_ref().is_err_and(|failure| failure.reason().is_shortage()) {
            recorder.read(&DANE_SECURE, truth(vouched.is_ok()));
        }
        vouched.map(|()| found)
    }
}

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

/// What one server's encryption is held to, besides what its handshake needs.
pub(crate) struct Demands<'a> {
    /// `None`: trusted authorities decide, and no verdict is shown.
    known: Option<Known<'a>>,
}

struct Known<'a> {
    settings: &'a TlsPolicy,
    host: &'a str,
    domain: Option<&'a str>,
    /// Verified records, at least one; `None` where nobody asks for them.
    dane: Option<Result<Found, Failure>>,
    mta_sts: Option<&'a Result<Policy, Failure>>,
}

impl Demands<'_> {
    /// Nothing that the domain publishes: trusted authorities decide.
    pub(crate) const fn none() -> Self {
        Self { known: None }
    }

    /// Judges whether the server offers to encrypt.
    pub(super) fn judge_offer(&self, recorder: &mut Recorder, offered: bool) -> Result<(), Failure> {
        let Some(Known { settings, dane, mta_sts, .. }) = &self.known else { return Ok(()) };
        let missing = |by: &str| {
            let message = format_args!("the server does not offer STARTTLS, which {by} ask for");
            Err(Failure::new(Reason::StarttlsMissing, message))
        };
        let (by_dane, by_mta_sts) = (matches!(dane, Some(Ok(_))), matches!(mta_sts, Some(Ok(_))));
        let forged = matches!(dane, Some(Err(failure)) if is_forged(failure));
        if by_dane || by_mta_sts {
            recorder.read(&STARTTLS_STRIPPED, truth(!offered));
        }
        if offered {
            return Ok(());
        }
        let dane = match dane {
            Some(Ok(_)) => missing("its TLSA records (RFC 7672 section 2.2)"),
            Some(Err(failure)) => Err(failure.clone()),
            None => Ok(()),
        };
        let mta_sts = match mta_sts {
            Some(Ok(_)) => missing("the rules of MTA-STS (RFC 8461 section 4.2)"),
            Some(Err(failure)) => Err(failure.clone()),
            None => Ok(()),
        };
        let mut first = Ok(());
        for (method, demand, applies, verdict) in
            [("dane", settings.dane, by_dane || forged, dane), ("mta_sts", settings.mta_sts, by_mta_sts, mta_sts)]
        {
            if applies {
                recorder.read_with(&TLS_VERIFIED, &[method], 0.0);
            }
            if demand == Demand::Require {
                first = first.and(verdict);
            }
        }
        first
    }

    /// Judges the encryption by every method. The first that is required and does not hold decides.
    pub(super) fn judge(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        tls: &Tls,
        trust: &Trust,
        chain: &[CertificateDer<'_>],
    ) -> Result<(), Failure> {
        let webpki = match trust {
            Trust::Verified(_) | Trust::NotChecked | Trust::NotShown => Ok(()),
            Trust::Refused(failure) => Err(failure.clone()),
        };
        let Some(known) = &self.known else { return webpki };
        let Known { settings, dane, mta_sts, .. } = known;
        let verdicts = [
            ("webpki", settings.webpki, matches!(trust, Trust::Verified(_) | Trust::Refused(_)), webpki),
            match dane {
                None => ("dane", settings.dane, false, Ok(())),
                Some(Err(failure)) => ("dane", settings.dane, is_forged(failure), Err(failure.clone())),
                Some(Ok(found)) => known.judge_dane(net, recorder, tls, found, chain),
            },
            match mta_sts {
                None => ("mta_sts", settings.mta_sts, false, Ok(())),
                Some(Err(failure)) => ("mta_sts", settings.mta_sts, false, Err(failure.clone())),
                Some(Ok(policy)) => known.judge_mta_sts(policy, trust),
            },
        ];
        let mut first = Ok(());
        for (method, demand, is_known, verdict) in verdicts {
            if demand == Demand::Ignore {
                continue;
            }
            if is_known {
                recorder.read_with(&TLS_VERIFIED, &[method], truth(verdict.is_ok()));
                if let Err(failure) = &verdict {
                    recorder.note(format_args!("not verified by {method}: {failure}"));
                }
            }
            if demand == Demand::Require {
                first = first.and(verdict);
            }
        }
        first
    }
}

/// Whether the records are there, but not the owner's: senders that go by DANE keep away (RFC 7672 section 2.1.1).
fn is_forged(failure: &Failure) -> bool {
    failure.reason() == Reason::DnsBogus
}

/// A method, what it is good for, whether it gives a verdict, and the verdict.
type Verdict = (&'static str, Demand, bool, Result<(), Failure>);

impl Known<'_> {
    /// RFC 7672 section 3.1: a record of usage 3 means the certificate itself, whatever its name and time; one of usage 2
    /// an authority, under which all else must be right.
    fn judge_dane(
        &self,
        net: &Net,
        recorder: &mut Recorder,
        tls: &Tls,
        found: &Found,
        chain: &[CertificateDer<'_>],
    ) -> Verdict {
        let demand = self.settings.dane;
        let usable = || found.records().filter(|record| dane::is_usable(record));
        if usable().next().is_none() {
            let message = format_args!("no TLSA record of the mail host {} can be used", self.host);
            return ("dane", demand, false, Err(Failure::new(Reason::DaneInvalid, message)));
        }
        let matching: Vec<&TLSA> = usable().filter(|record| dane::meant(record, chain).next().is_some()).collect();
        recorder.read(&DANE_MATCH, matching.len() as f64);
        if matching.iter().any(|record| record.cert_usage == CertUsage::DaneEe) {
            return ("dane", demand, true, Ok(()));
        }
        let mut why = None;
        for authority in matching.iter().flat_map(|record| dane::meant(record, chain)) {
            // The name at which the records stand, or the domain that it takes mail for (RFC 7672 section 3.2.2).
            for name in [Some(&*found.base), self.domain].into_iter().flatten() {
                match tls.verify_below(net, recorder, authority, chain, name) {
                    Ok(()) => return ("dane", demand, true, Ok(())),
                    Err(failure) => drop(why.get_or_insert(failure)),
                }
            }
        }
        let mismatch = || {
            let message =
                format_args!("no TLSA record of the mail host {} means a certificate that it shows", self.host);
            Failure::new(Reason::TlsDaneMismatch, message)
        };
        ("dane", demand, true, Err(why.unwrap_or_else(mismatch)))
    }

    /// RFC 8461 section 4.2: the policy names the host, and the certificate is trusted for its name.
    fn judge_mta_sts(&self, policy: &Policy, trust: &Trust) -> Verdict {
        let demand = self.settings.mta_sts;
        if !policy.names(self.host) {
            let message = format_args!("the MTA-STS policy does not name the mail host {}", self.host);
            return ("mta_sts", demand, true, Err(Failure::new(Reason::TlsPolicy, message)));
        }
        match trust {
            Trust::Verified(_) => ("mta_sts", demand, true, Ok(())),
            Trust::Refused(failure) => ("mta_sts", demand, true, Err(failure.clone())),
            Trust::NotChecked | Trust::NotShown => ("mta_sts", demand, false, Ok(())),
        }
    }
}
