//! What to do with mail that is not the domain's own (RFC 7489), and who wants to know of troubles with encryption
//! (RFC 8460).

use super::measures::{DMARC_INFO, DMARC_INHERITED, DMARC_PERCENT, DMARC_REPORTS, DMARC_VALID, TLS_RPT_VALID};
use super::questions::Questions;
use super::tags::Tags;
use crate::failure::{Failure, Reason};
use crate::recorder::Recorder;

/// Most domains above whose record is looked for. As the tree walk of the standard's successor (eight questions).
const DOMAINS_MAX: usize = 8;

/// What a record asks of receivers.
const POLICIES: [&str; 3] = ["none", "quarantine", "reject"];

#[derive(Debug, PartialEq, Eq)]
struct Record<'a> {
    policy: &'a str,
    subdomain_policy: &'a str,
    percent: u8,
    reports: usize,
}

/// Reads and judges the domain's DMARC record, or the one of the nearest domain above that has one.
pub(super) async fn look(questions: &mut Questions<'_>, recorder: &mut Recorder, domain: &str) -> Result<(), Failure> {
    let invalid = |why: String| Failure::new(Reason::DmarcInvalid, why);
    let mut above = domain;
    let mut found = None;
    for _ in 0..DOMAINS_MAX {
        let records = questions.texts(&format!("_dmarc.{above}"), "v=DMARC1", None).await?;
        if !records.is_empty() {
            found = Some((above, records));
            break;
        }
        // A domain of one label belongs to nobody who sends mail.
        match above.split_once('.') {
            Some((_, next)) if next.contains('.') => above = next,
            _ => break,
        }
    }
    recorder.read(&DMARC_VALID, 0.0);
    let Some((owner, records)) = found else { return Err(invalid(format!("{domain} has no DMARC record"))) };
    recorder.read(&DMARC_INHERITED, f64::from(u8::from(owner != domain)));
    let [text] = &*records else {
        return Err(invalid(format!("{owner} has {} DMARC records, and one is allowed", records.len())));
    };
    recorder.note(format_args!("DMARC of {owner}: {text}"));
    let record = read(text).map_err(|why| invalid(format!("DMARC of {owner}: {why}")))?;
    recorder.read(&DMARC_VALID, 1.0);
    recorder.read_with(&DMARC_INFO, &[record.policy, record.subdomain_policy], 1.0);
    recorder.read(&DMARC_PERCENT, f64::from(record.percent));
    recorder.read(&DMARC_REPORTS, record.reports as f64);
    Ok(())
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
    addresses(tags.get("ruf"), &["mailto:"])?;
    Ok(Record { policy: own, subdomain_policy, percent, reports })
}

/// How many addresses reports go to; each begins with one of these schemes.
fn addresses(list: Option<&str>, schemes: &[&str]) -> Result<usize, String> {
    let Some(list) = list else { return Ok(0) };
    let mut count = 0;
    for address in list.split(',').map(str::trim) {
        let rest = schemes.iter().find_map(|scheme| {
            let (head, rest) = address.split_at_checked(scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        if rest.is_none_or(str::is_empty) {
            return Err(format!("{address:?} is no address for reports"));
        }
        count += 1;
    }
    Ok(count)
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
        Ok(0) => Err(invalid(format!("TLS-RPT of {domain}: no address for reports (rua)"))),
        Ok(_) => {
            recorder.read(&TLS_RPT_VALID, 1.0);
            Ok(())
        }
        Err(why) => Err(invalid(format!("TLS-RPT of {domain}: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dmarc_record_is_read() {
        assert_eq!(
            read("v=DMARC1; p=reject; sp=Quarantine; pct=50; adkim=s; rua=mailto:a@x.test,mailto:b@x.test!10m"),
            Ok(Record { policy: "reject", subdomain_policy: "quarantine", percent: 50, reports: 2 })
        );
        assert_eq!(
            read("v=DMARC1;p=none"),
            Ok(Record { policy: "none", subdomain_policy: "none", percent: 100, reports: 0 })
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
}
