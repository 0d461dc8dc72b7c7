//! That mail to a domain is encrypted, said by DNSSEC (RFC 7672).

use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::tlsa::TLSA;

use super::measures::{TLSA_RECORDS, TLSA_SECURE, TLSA_USABLE};
use super::mx::{Hosts, truth};
use super::questions::{Questions, unknown};
use crate::dane::{self, is_usable};
use crate::failure::{Failure, Reason};
use crate::net::Security;
use crate::recorder::Recorder;

/// What to do where nobody says anything that counts.
pub(crate) const UNBELIEVED: &str =
    "no name server is believed on DNSSEC: ask one on this machine, or set `trust_dnssec`";

/// Reads and judges the TLSA records of every mail host.
pub(super) async fn look(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    trust_dnssec: bool,
    found: &Result<Hosts, Failure>,
) -> Result<(), Failure> {
    let invalid = |why: String| Failure::new(Reason::DaneInvalid, why);
    let found = found.as_ref().map_err(Clone::clone)?;
    let (mut fault, mut lack) = (None, None);
    for host in &found.hosts {
        let name = format!("_25._tcp.{}", host.name);
        let answer = match questions.ask(&name, RecordType::TLSA).await {
            Ok(answer) => answer,
            Err(failure) => {
                lack.get_or_insert(failure);
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
        let security = answer.security(trust_dnssec);
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
            lack.get_or_insert_with(|| unknown(UNBELIEVED));
        }
    }
    // Whoever may change where the mail goes need not break any TLSA record (RFC 7672 section 2.2.1).
    if fault.is_none() && found.security == Security::Insecure {
        fault = Some(invalid("the MX records are not verified by DNSSEC".to_owned()));
    }
    fault.or(lack).map_or(Ok(()), Err)
}
