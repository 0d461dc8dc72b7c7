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

/// That nothing is known of the truth of a mail host's TLSA records, and why.
pub(crate) fn unverified(host: &str, doubt: Option<&str>) -> Failure {
    let doubt = doubt.unwrap_or("nobody vouches for them");
    unknown(format_args!("the TLSA records of {host} could not be verified by DNSSEC: {doubt}"))
}

/// Reads and judges the TLSA records of every mail host.
pub(super) async fn look(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    found: &Result<Hosts, Failure>,
) -> Result<(), Failure> {
    let invalid = |why: String| Failure::new(Reason::DaneInvalid, why);
    let found = found.as_ref().map_err(Clone::clone)?;
    let (mut fault, mut lack) = (None, None);
    for host in &found.hosts {
        let (answer, security, addresses) = match records_of(questions, &host.name).await {
            Ok(found) => found,
            Err(failure) => {
                let first = if failure.reason().is_shortage() { &mut lack } else { &mut fault };
                first.get_or_insert(failure);
                continue;
            }
        };
        let data = answer.as_ref().map_or(&[][..], |answer| &answer.data);
        let records = dane::records(data);
        let usable = records.clone().filter(|record| is_usable(record)).count();
        recorder.read_with(&TLSA_RECORDS, &[&host.name], data.len() as f64);
        recorder.read_with(&TLSA_USABLE, &[&host.name], usable as f64);
        for TLSA { cert_usage, selector, matching, cert_data, .. } in records {
            let [usage, selector, matching] = [u8::from(*cert_usage), u8::from(*selector), u8::from(*matching)];
            recorder.note(format_args!(
                "TLSA of {}: {usage} {selector} {matching} {} bytes",
                host.name,
                cert_data.len()
            ));
        }
        let Some(answer) = answer else {
            fault.get_or_insert_with(|| invalid(format!("the mail host {} has no TLSA record", host.name)));
            continue;
        };
        if let Some(truth) = truth(security) {
            recorder.read_with(&TLSA_SECURE, &[&host.name], truth);
        }
        if usable == 0 {
            fault.get_or_insert_with(|| invalid(format!("no TLSA record of the mail host {} can be used", host.name)));
        } else if security == Security::Insecure {
            fault.get_or_insert_with(|| {
                invalid(format!("the TLSA records of {} are not verified by DNSSEC", host.name))
            });
        } else if security == Security::Unknown {
            lack.get_or_insert_with(|| unverified(&host.name, answer.doubt()));
        } else if addresses == Security::Insecure {
            let why = format!("the addresses of the mail host {} are not verified by DNSSEC", host.name);
            fault.get_or_insert_with(|| invalid(why));
        } else if addresses == Security::Unknown {
            let why = format!("the addresses of the mail host {} could not be verified by DNSSEC", host.name);
            lack.get_or_insert_with(|| unknown(why));
        }
    }
    // Whoever may change where the mail goes need not break any TLSA record (RFC 7672 section 2.2.1).
    if fault.is_none() && found.security == Security::Insecure {
        fault = Some(invalid("the MX records are not verified by DNSSEC".to_owned()));
    } else if found.security == Security::Unknown {
        lack.get_or_insert_with(|| unknown("the MX records could not be verified by DNSSEC"));
    }
    fault.or(lack).map_or(Ok(()), Err)
}

/// The TLSA records of a mail host and what is known of their truth, and of the truth of its addresses. Where the host is
/// an alias, records at the other name come first, if they count (RFC 7672 section 2.2.2).
async fn records_of(
    questions: &mut Questions<'_>,
    host: &str,
) -> Result<(Option<Answer>, Security, Security), Failure> {
    let base = base::find(questions, host).await?;
    let mut found = (None, Security::Unknown);
    for name in &base.names {
        found = questions.prove(&format!("_25._tcp.{name}"), RecordType::TLSA).await?;
        if found.0.is_some() && found.1 == Security::Secure {
            break;
        }
    }
    Ok((found.0, found.1, base.security))
}
