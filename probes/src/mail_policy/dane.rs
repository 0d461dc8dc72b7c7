//! That mail to a domain is encrypted, said by DNSSEC (RFC 7672).

use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::tlsa::TLSA;

use super::base;
use super::measures::{TLSA_RECORDS, TLSA_SECURE, TLSA_USABLE};
use super::mx::{Hosts, truth};
use super::questions::{Questions, unknown};
use crate::dane::{self, is_usable};
use crate::failure::{Failure, Reason};
use crate::net::{Answer, Security};
use crate::recorder::Recorder;

/// Where mail servers listen.
const PORT: u16 = 25;

/// What was found where a mail host's TLSA records are looked for.
pub(crate) struct Found {
    /// The name below which they stand: the host's own, or where it is an alias, the other.
    pub(crate) base: String,
    answer: Option<Answer>,
    security: Security,
    /// What is known of the truth of the host's addresses.
    addresses: Security,
}

impl Found {
    /// The records, usable or not.
    pub(crate) fn records(&self) -> impl Iterator<Item = &TLSA> + Clone {
        dane::records(self.answer.as_ref().map_or(&[][..], |answer| &answer.data))
    }

    /// That there are no records, and that this is not proved: they may have been taken out on the way.
    pub(crate) fn may_be_hidden(&self, host: &str) -> Result<(), Failure> {
        if self.records().next().is_some() || self.security != Security::Unknown {
            return Ok(());
        }
        Err(unknown(format_args!("that {host} has no TLSA record could not be verified by DNSSEC")))
    }

    /// Whether DNSSEC vouches for the records, for the addresses of the host and for the MX records that name it: whoever
    /// may change where the mail goes need not break any TLSA record (RFC 7672 sections 2.2.1 and 2.2.2).
    pub(crate) fn vouched(&self, host: &str, mx: Security) -> Result<(), Failure> {
        let records = format!("the TLSA records of {host}");
        let addresses = format!("the addresses of the mail host {host}");
        let links = [(self.security, &*records), (self.addresses, &*addresses), (mx, "the MX records")];
        let first = |wanted| links.iter().find(|(security, _)| *security == wanted).map(|(_, what)| *what);
        // What is proved to be unsigned settles it, whatever else is not known.
        if let Some(what) = first(Security::Insecure) {
            return Err(invalid(format_args!("{what} are not verified by DNSSEC")));
        }
        let Some(what) = first(Security::Unknown) else { return Ok(()) };
        let doubt = self
            .answer
            .as_ref()
            .filter(|_| self.security == Security::Unknown)
            .map(|answer| format!(": {}", answer.doubt().unwrap_or("nobody vouches for them")));
        Err(unknown(format_args!("{what} could not be verified by DNSSEC{}", doubt.unwrap_or_default())))
    }
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::new(Reason::DaneInvalid, why)
}

/// Reads and judges the TLSA records of every mail host.
pub(super) async fn look(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    found: &Result<Hosts, Failure>,
) -> Result<(), Failure> {
    let found = found.as_ref().map_err(Clone::clone)?;
    let (mut fault, mut lack) = (None, None);
    for host in &found.hosts {
        let tlsa = match find(questions, &host.name, PORT).await {
            Ok(tlsa) => tlsa,
            Err(failure) => {
                let first = if failure.reason().is_shortage() { &mut lack } else { &mut fault };
                first.get_or_insert(failure);
                continue;
            }
        };
        let records = tlsa.records();
        let usable = records.clone().filter(|record| is_usable(record)).count();
        recorder.read_with(&TLSA_RECORDS, &[&host.name], records.clone().count() as f64);
        recorder.read_with(&TLSA_USABLE, &[&host.name], usable as f64);
        for TLSA { cert_usage, selector, matching, cert_data, .. } in records {
            let [usage, selector, matching] = [u8::from(*cert_usage), u8::from(*selector), u8::from(*matching)];
            recorder.note(format_args!(
                "TLSA of {}: {usage} {selector} {matching} {} bytes",
                host.name,
                cert_data.len()
            ));
        }
        if let Err(failure) = tlsa.may_be_hidden(&host.name) {
            lack.get_or_insert(failure);
            continue;
        }
        if tlsa.answer.is_none() {
            fault.get_or_insert_with(|| invalid(format!("the mail host {} has no TLSA record", host.name)));
            continue;
        }
        if let Some(truth) = truth(tlsa.security) {
            recorder.read_with(&TLSA_SECURE, &[&host.name], truth);
        }
        if usable == 0 {
            fault.get_or_insert_with(|| invalid(format!("no TLSA record of the mail host {} can be used", host.name)));
            continue;
        }
        // The MX records are judged once for all hosts.
        if let Err(failure) = tlsa.vouched(&host.name, Security::Secure) {
            let first = if failure.reason().is_shortage() { &mut lack } else { &mut fault };
            first.get_or_insert(failure);
        }
    }
    // Whoever may change where the mail goes need not break any TLSA record (RFC 7672 section 2.2.1).
    if fault.is_none() && found.security == Security::Insecure {
        fault = Some(invalid("the MX records are not verified by DNSSEC"));
    } else if found.security == Security::Unknown {
        lack.get_or_insert_with(|| unknown("the MX records could not be verified by DNSSEC"));
    }
    fault.or(lack).map_or(Ok(()), Err)
}

/// Looks for the TLSA records of a mail host's port. Where the host is an alias, records at the other name come first, if
/// DNSSEC vouches for them; else those at its own name count (RFC 7672 sections 2.1.3, 2.2.2 and 2.2.3).
pub(crate) async fn find(questions: &mut Questions<'_>, host: &str, port: u16) -> Result<Found, Failure> {
    let base::Base { names, security: addresses } = base::find(questions, host).await?;
    let mut found = Found { base: host.to_owned(), answer: None, security: Security::Unknown, addresses };
    for base in names {
        let (answer, security) = questions.prove(&format!("_{port}._tcp.{base}"), RecordType::TLSA).await?;
        let is_enough = answer.is_some() && security == Security::Secure;
        found = Found { base, answer, security, addresses };
        if is_enough {
            break;
        }
    }
    Ok(found)
}
