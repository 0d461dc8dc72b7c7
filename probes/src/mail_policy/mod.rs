//! Kind `mail_policy`: what a domain publishes for its mail, in the DNS and over HTTPS.
//!
//! Each policy is looked at with a share of the time of its own. What is missing or wrong is told from what is not known:
//! name servers that fail or are silent say nothing about the domain.
//!
//! | file | what it knows |
//! |---|---|
//! | `questions` | name servers, and that nothing there is not nothing known |
//! | `tags` | lists of tags, as most of the records are |
//! | `mx` | mail hosts, their addresses and the addresses' names |
//! | `spf`, `dkim`, `dmarc`, `mta_sts`, `dane` | a policy each; `dmarc` TLS-RPT too |
//! | `base` | where a mail host's TLSA records stand |
//! | `fetch` | the request for the MTA-STS policy |
//! | `history` | what earlier runs saw of it |
//!
//! No mail server is spoken to: that is kind `smtp`'s.

mod base;
pub(crate) mod dane;
mod dkim;
mod dmarc;
pub(crate) mod fetch;
mod history;
pub(crate) mod measures;
pub(crate) mod mta_sts;
mod mx;
pub(crate) mod questions;
pub(crate) mod settings;
pub(crate) mod spf;
mod tags;
#[cfg(test)]
mod tests;

pub(crate) use dmarc::is_dmarc;
pub(crate) use questions::Questions;
pub(crate) use tags::Tags;

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, Reason};
use crate::mail_policy::measures::{CHECK_OK, CHECK_UNKNOWN};
use crate::mail_policy::mx::Hosts;
use crate::mail_policy::questions::unknown;
use crate::mail_policy::settings::{Policy, Settings};
use crate::measure::Measure;
use crate::net::Net;
use crate::phase::Phase;
use crate::probe::Probe;
use crate::recorder::Recorder;
use crate::target::{Invalid, Target, host_name};

/// The MX records are being asked for.
const MX: Phase = Phase::new("mx");
/// The addresses of the mail hosts are being asked for.
const ADDRESS: Phase = Phase::new("address");
/// The names of these addresses are being asked for.
const REVERSE: Phase = Phase::new("reverse");
/// SPF is being looked at.
const SPF: Phase = Phase::new("spf");
/// DKIM keys are being looked at.
const DKIM: Phase = Phase::new("dkim");
/// DMARC is being looked at.
const DMARC: Phase = Phase::new("dmarc");
/// The MTA-STS record is being asked for.
pub(crate) const MTA_STS: Phase = Phase::new("mta_sts");
/// The MTA-STS policy is being fetched.
pub(crate) const FETCH: Phase = Phase::new("fetch");
/// TLS-RPT is being looked at.
const TLS_RPT: Phase = Phase::new("tls_rpt");
/// TLSA records are being asked for.
pub(crate) const TLSA: Phase = Phase::new("tlsa");

/// What of the run's time is kept for its end, as a divisor, so that a last policy that is not answered does not take the
/// verdict on the others with it. Chosen: 2 %.
const RESERVE_DIVISOR: u32 = 50;

/// Reads and judges what a domain publishes for its mail.
#[derive(Debug)]
pub(crate) struct MailPolicy {
    settings: Arc<Settings>,
    /// In ASCII, lower case, without the final dot.
    domain: String,
}

impl Probe for MailPolicy {
    const NAME: &'static str = "mail_policy";
    const ABOUT: &'static str = "Reads and judges what a domain publishes for its mail: MX, SPF, DKIM, DMARC, MTA-STS, \
                                 TLS-RPT, DANE, names of the mail hosts' addresses.";
    const TARGET: &'static str = "a domain (example.org)";
    const PHASES: &'static [Phase] = &[MX, ADDRESS, REVERSE, SPF, DKIM, DMARC, MTA_STS, FETCH, TLS_RPT, TLSA];
    const HAS_STEPS: bool = true;
    const MEASURES: &'static [&'static Measure] = measures::ALL;
    type Settings = Settings;

    fn bind(settings: &Arc<Settings>, target: &Target) -> Result<Self, Invalid> {
        let text = target.text();
        let domain = host_name(text).map_err(|why| Invalid::Target(format!("{text:?} {why}")))?;
        if domain.parse::<std::net::IpAddr>().is_ok() {
            return Err(Invalid::Target(format!("{text:?} is an address, and no domain")));
        }
        Ok(Self { settings: Arc::clone(settings), domain: domain.to_ascii_lowercase() })
    }

    async fn run(&self, net: &Net, recorder: &mut Recorder) -> Result<(), Failure> {
        let whole = recorder.deadline() - recorder.started();
        let end = recorder.deadline() - whole / RESERVE_DIVISOR;
        let mut questions = Questions::new(net, self.settings.trust_dnssec);
        let mut found = Err(unknown("the mail hosts are not known"));
        let (mut fault, mut lack) = (None, None);
        let wanted = |policy: &Policy| *policy != Policy::Dkim || !self.settings.dkim_selectors.is_empty();
        let mut left = Policy::ALL.iter().filter(|policy| wanted(policy)).count();
        for policy in Policy::ALL.into_iter().filter(wanted) {
            // Without a share of its own, one policy that is not answered would use up the others' time.
            let limit = recorder.share(end, left);
            left -= 1;
            let looking = self.look(policy, limit, &mut questions, recorder, &mut found);
            let outcome = match timeout_at(limit, looking).await {
                Ok(outcome) => outcome,
                Err(_) => Err(late(recorder)),
            };
            let Err(failure) = outcome else {
                recorder.read_with(&CHECK_OK, &[policy.name()], 1.0);
                recorder.read_with(&CHECK_UNKNOWN, &[policy.name()], 0.0);
                continue;
            };
            let is_unknown = failure.reason().is_shortage();
            if !is_unknown {
                recorder.read_with(&CHECK_OK, &[policy.name()], 0.0);
            }
            recorder.read_with(&CHECK_UNKNOWN, &[policy.name()], f64::from(u8::from(is_unknown)));
            recorder.note(format_args!("{}: {failure}", policy.name()));
            if self.settings.require.contains(&policy) {
                let first = if is_unknown { &mut lack } else { &mut fault };
                let failure = recorder.leg_failed(failure);
                first.get_or_insert(failure);
            }
        }
        fault.or(lack).map_or(Ok(()), Err)
    }
}

/// What it means that a policy's share of the time is over: name servers that are silent tell nothing, a silent policy
/// host is at fault.
fn late(recorder: &Recorder) -> Failure {
    match recorder.current_phase() {
        Some(phase) if phase == FETCH => Failure::new(Reason::Timeout, "no policy within its share of the time"),
        _ => unknown("no answer from name servers within its share of the time"),
    }
}

impl MailPolicy {
    async fn look(
        &self,
        policy: Policy,
        limit: Instant,
        questions: &mut Questions<'_>,
        recorder: &mut Recorder,
        found: &mut Result<Hosts, Failure>,
    ) -> Result<(), Failure> {
        let Self { settings, domain } = self;
        match policy {
            Policy::Mx => mx::look(questions, recorder, domain, found, limit).await,
            Policy::Reverse => mx::look_back(questions, recorder, found).await,
            Policy::Spf => {
                recorder.enter(SPF);
                spf::look(questions, recorder, settings, domain).await
            }
            Policy::Dkim => {
                recorder.enter(DKIM);
                dkim::look(questions, recorder, settings, domain).await
            }
            Policy::Dmarc => {
                recorder.enter(DMARC);
                dmarc::look(questions, recorder, domain).await
            }
            Policy::MtaSts => mta_sts::look(questions, recorder, settings, domain, found).await,
            Policy::TlsRpt => {
                recorder.enter(TLS_RPT);
                dmarc::look_at_reports(questions, recorder, domain).await
            }
            Policy::Dane => {
                recorder.enter(TLSA);
                dane::look(questions, recorder, found).await
            }
        }
    }
}

/// Reads bytes as one of the policies, and says whether they are one. For those who try what nobody would publish.
#[cfg(any(test, feature = "testkit"))]
pub(crate) fn is_some_policy(which: u8, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match which % 4 {
        0 => spf::is_record(&text),
        1 => dkim::is_key(&text),
        2 => is_dmarc(&text),
        _ => mta_sts::is_policy_or_record(bytes),
    }
}
