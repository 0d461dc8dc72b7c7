//! What to do with mail that is not the domain's own (RFC 7489), and who wants to know of troubles with encryption
//! (RFC 8460).

use super::measures::{
    DMARC_INFO, DMARC_INHERITED, DMARC_PERCENT, DMARC_POLICY, DMARC_REPORT_AUTHORIZED, DMARC_REPORTS, DMARC_VALID,
    TLS_RPT_VALID,
};
use super::questions::Questions;
use super::tags::Tags;
use crate::failure::{Failure, Reason};
use crate::recorder::Recorder;
use crate::target::host_name;

/// Most domains that are asked for a record on the way up. As the tree walk of the standard's successor.
const DOMAINS_MAX: usize = 8;
/// Most domains elsewhere that are asked whether they take reports. Chosen: few send them to more than two.
const REPORT_DOMAINS_MAX: usize = 10;

/// What a record asks of receivers.
const POLICIES: [&str; 3] = ["none", "quarantine", "reject"];

#[derive(Debug, PartialEq, Eq)]
struct Record<'a> {
    policy: &'a str,
    subdomain_policy: &'a str,
    percent: u8,
    /// Where aggregate reports go, and where those of single failures.
    reports: Vec<&'a str>,
    failure_reports: Vec<&'a str>,
}

/// A domain with the texts of its DMARC records.
type Found = (String, Vec<String>);

/// Reads and judges the domain's DMARC record, or the one it inherits.
pub(super) async fn look(questions: &mut Questions<'_>, recorder: &mut Recorder, domain: &str) -> Result<(), Failure> {
    let invalid = |why: String| Failure::new(Reason::DmarcInvalid, why);
    let found = match own(questions, domain).await? {
        Some(found) => Some(found),
        None => above(questions, domain).await?,
    };
    recorder.read(&DMARC_VALID, 0.0);
    let Some((owner, records)) = found else { return Err(invalid(format!("{domain} has no DMARC record"))) };
    let is_inherited = owner != domain;
    recorder.read(&DMARC_INHERITED, f64::from(u8::from(is_inherited)));
    let [text] = &*records else {
        return Err(invalid(format!("{owner} has {} DMARC records, and one is allowed", records.len())));
    };
    recorder.note(format_args!("DMARC of {owner}: {text}"));
    let record = read(text).map_err(|why| invalid(format!("DMARC of {owner}: {why}")))?;
    recorder.read(&DMARC_VALID, 1.0);
    recorder.read_with(&DMARC_INFO, &[record.policy, record.subdomain_policy], 1.0);
    let policy = if is_inherited { record.subdomain_policy } else { record.policy };
    for known in POLICIES {
        recorder.read_with(&DMARC_POLICY, &[known], f64::from(u8::from(known == policy)));
    }
    recorder.read(&DMARC_PERCENT, f64::from(record.percent));
    recorder.read(&DMARC_REPORTS, record.reports.len() as f64);
    look_at_receivers(questions, recorder, &owner, &record).await
}

async fn own(questions: &mut Questions<'_>, domain: &str) -> Result<Option<Found>, Failure> {
    let records = questions.texts(&format!("_dmarc.{domain}"), "v=DMARC1", None).await?;
    Ok((!records.is_empty()).then(|| (domain.to_owned(), records)))
}

/// The record of the organization that a domain belongs to (RFC 7489 section 6.6.3). Which domain that is nobody can
/// tell from names; so it is the uppermost with a record, unless records say otherwise (`psd`, as in the tree walk of the
/// standard's successor).
async fn above(questions: &mut Questions<'_>, domain: &str) -> Result<Option<Found>, Failure> {
    let mut uppermost: Option<Found> = None;
    let mut rest = domain;
    let mut labels = domain.split('.').count();
    // One question was for the domain's own.
    for _ in 1..DOMAINS_MAX {
        // Long names are cut to what the remaining questions reach. A domain of one label belongs to nobody who sends mail.
        while let Some((_, next)) = rest.split_once('.') {
            (rest, labels) = (next, labels - 1);
            if labels < DOMAINS_MAX {
                break;
            }
        }
        if labels < 2 {
            break;
        }
        let Some((owner, records)) = own(questions, rest).await? else { continue };
        let is_suffix =
            |flag: &str| records.iter().any(|text| Tags::read(text).is_ok_and(|tags| tags.get("psd") == Some(flag)));
        let (ends_below, ends_here) = (is_suffix("y"), is_suffix("n"));
        if !ends_below || uppermost.is_none() {
            uppermost = Some((owner, records));
        }
        if ends_below || ends_here {
            break;
        }
    }
    Ok(uppermost)
}

/// Whether those elsewhere who are to get reports want them (RFC 7489 section 7.1): others may not be flooded.
async fn look_at_receivers(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    owner: &str,
    record: &Record<'_>,
) -> Result<(), Failure> {
    let mut domains: Vec<String> = Vec::new();
    for address in record.reports.iter().chain(&record.failure_reports) {
        let domain = receiver(address)
            .map_err(|why| Failure::new(Reason::DmarcInvalid, format_args!("DMARC of {owner}: {why}")))?;
        if domain != owner && !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    if domains.len() > REPORT_DOMAINS_MAX {
        recorder.note(format_args!(
            "only {REPORT_DOMAINS_MAX} of {} domains are asked whether they take reports",
            domains.len()
        ));
    }
    let (mut fault, mut lack) = (None, None);
    for domain in domains.iter().take(REPORT_DOMAINS_MAX) {
        match takes_reports(questions, owner, domain).await {
            Ok(None) => {}
            Ok(Some(takes)) => {
                recorder.read_with(&DMARC_REPORT_AUTHORIZED, &[domain], f64::from(u8::from(takes)));
                if !takes {
                    let message = format_args!("DMARC of {owner}: {domain} does not say that it takes the reports");
                    fault.get_or_insert_with(|| Failure::new(Reason::DmarcInvalid, message));
                }
            }
            Err(failure) => {
                lack.get_or_insert(failure);
            }
        }
    }
    fault.or(lack).map_or(Ok(()), Err)
}

/// `None` where the receiver belongs to the same organization and need not be asked.
async fn takes_reports(questions: &mut Questions<'_>, owner: &str, domain: &str) -> Result<Option<bool>, Failure> {
    let is_below = |lower: &str, upper: &str| lower.strip_suffix(upper).is_some_and(|head| head.ends_with('.'));
    if is_below(domain, owner) || is_below(owner, domain) {
        return Ok(None);
    }
    let says = questions.texts(&format!("{owner}._report._dmarc.{domain}"), "v=DMARC1", None).await?;
    if !says.is_empty() {
        return Ok(Some(true));
    }
    let is_sibling = organization(questions, owner).await? == organization(questions, domain).await?;
    Ok((!is_sibling).then_some(false))
}

async fn organization(questions: &mut Questions<'_>, domain: &str) -> Result<String, Failure> {
    Ok(above(questions, domain).await?.map_or_else(|| domain.to_owned(), |(owner, _)| owner))
}

/// The domain of an address for reports: `local@domain`, perhaps with a limit of size behind an exclamation mark.
fn receiver(address: &str) -> Result<String, String> {
    let end = address.find(['!', '?']).unwrap_or(address.len());
    let domain = address[..end].rsplit_once('@').and_then(|(_, domain)| host_name(domain).ok());
    domain.map(|domain| domain.to_ascii_lowercase()).ok_or_else(|| format!("{address:?} is no mail address"))
}

/// Whether it is a record that counts.
pub(crate) fn is_dmarc(text: &str) -> bool {
    read(text).is_ok()
}

/// RFC 7489 sections 6.3 and 6.4.
fn read(text: &str) -> Result<Record<'_>, String> {
    let tags = Tags::read(text)?;
    if !tags.begins_with("v", "DMARC1") {
        return Err("it does not begin with its version".to_owned());
    }
    let policy = |tag: &str, value: &str| {
        let known = POLICIES.into_iter().find(|known| known.eq_ignore_ascii_case(value));
        known.ok_or_else(|| format!("{tag}={value} is no policy"))
    };
    let own = policy("p", tags.get("p").ok_or("its policy (p) is missing")?)?;
    let subdomain_policy = tags.get("sp").map_or(Ok(own), |value| policy("sp", value))?;
    let percent = match tags.get("pct") {
        None => 100,
        Some(text) => {
            let percent = text.parse().ok().filter(|percent| *percent <= 100);
            percent.ok_or_else(|| format!("pct={text} is no percentage"))?
        }
    };
    for tag in ["adkim", "aspf"] {
        if let Some(mode) = tags.get(tag).filter(|mode| !matches!(*mode, "r" | "s" | "R" | "S")) {
            return Err(format!("{tag}={mode} is neither r nor s"));
        }
    }
    let reports = addresses(tags.get("rua"), &["mailto:"])?;
    let failure_reports = addresses(tags.get("ruf"), &["mailto:"])?;
    Ok(Record { policy: own, subdomain_policy, percent, reports, failure_reports })
}

/// The addresses that reports go to, without their scheme, which is one of these.
fn addresses<'a>(list: Option<&'a str>, schemes: &[&str]) -> Result<Vec<&'a str>, String> {
    let address = |address: &'a str| {
        let rest = schemes.iter().find_map(|scheme| {
            let (head, rest) = address.split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        rest.filter(|rest| !rest.is_empty()).ok_or_else(|| format!("{address:?} is no address for reports"))
    };
    list.map_or_else(|| Ok(Vec::new()), |list| list.split(',').map(str::trim).map(address).collect())
}

/// Reads and judges the domain's TLS-RPT record (RFC 8460 section 3).
pub(super) async fn look_at_reports(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    domain: &str,
) -> Result<(), Failure> {
    let invalid = |why: String| Failure::new(Reason::TlsRptInvalid, why);
    let records = questions.texts(&format!("_smtp._tls.{domain}"), "v=TLSRPTv1", Some(b';')).await?;
    recorder.read(&TLS_RPT_VALID, 0.0);
    let text = match &*records {
        [] => return Err(invalid(format!("{domain} has no TLS-RPT record"))),
        [text] => text,
        several => {
            return Err(invalid(format!("{domain} has {} TLS-RPT records, and one is allowed", several.len())));
        }
    };
    recorder.note(format_args!("TLS-RPT: {text}"));
    let read = Tags::read(text).and_then(|tags| addresses(tags.get("rua"), &["mailto:", "https:"]));
    match read {
        Ok(found) if found.is_empty() => Err(invalid(format!("TLS-RPT of {domain}: no address for reports (rua)"))),
        Ok(_) => {
            recorder.read(&TLS_RPT_VALID, 1.0);
            Ok(())
        }
        Err(why) => Err(invalid(format!("TLS-RPT of {domain}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dmarc_record_is_read() {
        assert_eq!(
            read("v=DMARC1; p=reject; sp=Quarantine; pct=50; adkim=s; rua=mailto:a@x.test,mailto:b@x.test!10m"),
            Ok(Record {
                policy: "reject",
                subdomain_policy: "quarantine",
                percent: 50,
                reports: vec!["a@x.test", "b@x.test!10m"],
                failure_reports: vec![],
            })
        );
        assert_eq!(
            read("v=DMARC1;p=none;ruf=mailto:f@x.test"),
            Ok(Record {
                policy: "none",
                subdomain_policy: "none",
                percent: 100,
                reports: vec![],
                failure_reports: vec!["f@x.test"],
            })
        );
        for wrong in [
            "v=DMARC1",
            "v=DMARC2; p=none",
            "p=none; v=DMARC1",
            "v=DMARC1; p=block",
            "v=DMARC1; p=none; pct=101",
            "v=DMARC1; p=none; pct=-1",
            "v=DMARC1; p=none; sp=x",
            "v=DMARC1; p=none; aspf=x",
            "v=DMARC1; p=none; rua=x@y",
            "v=DMARC1; p=none; rua=mailto:",
            "v=DMARC1; p=none; p=reject",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn reports_go_to_a_domain() {
        for (address, domain) in [
            ("d@Example.test", Some("example.test")),
            ("d@example.test!10m", Some("example.test")),
            ("a@b@example.test?subject=x@y", Some("example.test")),
            ("d", None),
            ("d@", None),
            ("d!x@example.test", None),
            ("d@a b", None),
        ] {
            assert_eq!(receiver(address).ok().as_deref(), domain, "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}", tags in "v=DMARC1(;(p|sp|pct|rua|ruf|adkim)=[-a-z0-9:@!,]{0,12}){0,6}") {
            for text in [text, tags] {
                if let Ok(record) = read(&text) {
                    for address in record.reports {
                        let _ = receiver(address);
                    }
                }
            }
        }
    }
}
