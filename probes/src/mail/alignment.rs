//! DMARC: whether what SPF and DKIM vouch for is the domain that people see (RFC 7489 section 3.1).
//!
//! Which domains belong together is found by walking up to the highest one that has a record (RFC 9989 section 4.10): there is
//! no list of public suffixes here.

use crate::failure::{Failure, shown};
use crate::mail::verify::Signed;
use crate::mail_policy::{Questions, Tags, is_dmarc};
use crate::recorder::Recorder;

/// Most domains above that are asked (RFC 9989 section 4.10).
const DOMAINS_MAX: usize = 8;

/// What the domain in `From` wants.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// The domain with those below that belong to one sender.
    organisation: String,
    is_dkim_strict: bool,
    is_spf_strict: bool,
}

/// Whether the addresses in `From` are vouched for; `sender` is the domain of the envelope and what SPF says.
pub(super) async fn judge(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    from: &[String],
    signed: &Signed,
    sender: (&str, Result<&'static str, Failure>),
) -> Result<&'static str, Failure> {
    let mut domains = from.iter().filter_map(|address| address.rsplit_once('@')).map(|(_, domain)| domain);
    // Nobody knows whose policy counts (RFC 7489 section 6.6.1).
    let Some(domain) = domains.next().filter(|first| domains.all(|domain| domain == *first)) else {
        return Ok("permerror");
    };
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let wanted = match wanted(questions, &domain).await? {
        Ok(Some(wanted)) => wanted,
        Ok(None) => return Ok("none"),
        Err(why) => {
            recorder.note(format_args!("DMARC: permerror: {}", shown(why.as_bytes(), 120)));
            return Ok("permerror");
        }
    };
    let is_signed =
        signed.domains.iter().any(|signer| is_aligned(signer, &domain, &wanted.organisation, wanted.is_dkim_strict));
    let (sender, said) = sender;
    let is_of_sender = is_aligned(&sender.to_ascii_lowercase(), &domain, &wanted.organisation, wanted.is_spf_strict);
    match (&signed.result, said) {
        _ if is_signed => Ok("pass"),
        (_, Ok("pass")) if is_of_sender => Ok("pass"),
        // What is not known could have passed.
        (Err(failure), _) => Err(failure.clone()),
        (_, Err(failure)) if is_of_sender => Err(failure),
        _ => Ok("fail"),
    }
}

/// Whether a domain that is vouched for is the one in `From`, or, unless strictly, belongs to the same organisation.
fn is_aligned(vouched: &str, from: &str, organisation: &str, is_strict: bool) -> bool {
    let below =
        |domain: &str| domain.strip_suffix(organisation).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    vouched == from || (!is_strict && below(vouched) && below(from))
}

/// What counts for the domain; the inner error is one of its record.
async fn wanted(questions: &mut Questions<'_>, domain: &str) -> Result<Result<Option<Wanted>, String>, Failure> {
    let mut found: Option<Wanted> = None;
    let mut above = domain;
    let mut below = domain;
    for _ in 0..DOMAINS_MAX {
        let records = questions.texts(&format!("_dmarc.{above}"), "v=DMARC1", None).await?;
        // Several are as good as none (RFC 7489 section 6.6.3).
        if let [text] = &*records {
            if !is_dmarc(text) && found.is_none() {
                return Ok(Err(format!("the record of {above} is wrong")));
            }
            let tags = Tags::read(text).ok();
            let tag = |name: &str| tags.as_ref().and_then(|tags| tags.get(name)).unwrap_or_default();
            let is = |name: &str, value: &str| tag(name).eq_ignore_ascii_case(value);
            // Above this domain are others' (RFC 9989 section 4.7), and below it one is an organisation.
            let is_public = is("psd", "y");
            let organisation = if is_public { below } else { above };
            match &mut found {
                Some(wanted) => wanted.organisation = organisation.to_owned(),
                None => {
                    found = Some(Wanted {
                        organisation: organisation.to_owned(),
                        is_dkim_strict: is("adkim", "s"),
                        is_spf_strict: is("aspf", "s"),
                    });
                }
            }
            if is_public || is("psd", "n") {
                break;
            }
        }
        below = above;
        match above.split_once('.') {
            Some((_, next)) if next.contains('.') => above = next,
            _ => break,
        }
    }
    Ok(Ok(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{Data, net_with_resolver, zone};

    async fn wanted_of(domain: &str) -> Result<Option<(String, bool, bool)>, String> {
        let zone = zone(vec![
            ("_dmarc.town.example.", Data::Txt("v=DMARC1; p=none; adkim=s")),
            ("_dmarc.own.town.example.", Data::Txt("v=DMARC1; p=reject; aspf=S; psd=n")),
            ("_dmarc.wrong.example.", Data::Txt("v=DMARC1; p=perhaps")),
            ("_dmarc.gov.example.", Data::Txt("v=DMARC1; p=none; psd=y")),
        ])
        .await;
        let net = net_with_resolver(zone.address());
        let found = wanted(&mut Questions::new(&net, false), domain).await.expect("answers")?;
        Ok(found.map(|found| (found.organisation, found.is_dkim_strict, found.is_spf_strict)))
    }

    #[tokio::test]
    async fn organisations_are_found_by_their_records() {
        let is = |organisation: &str, dkim, spf| Ok(Some((organisation.to_owned(), dkim, spf)));
        assert_eq!(wanted_of("town.example").await, is("town.example", true, false));
        assert_eq!(wanted_of("a.b.town.example").await, is("town.example", true, false));
        assert_eq!(wanted_of("a.own.town.example").await, is("own.town.example", false, true));
        assert_eq!(wanted_of("a.city.gov.example").await, is("city.gov.example", false, false));
        assert_eq!(wanted_of("elsewhere.example").await, Ok(None));
        assert!(wanted_of("wrong.example").await.is_err());
    }

    #[test]
    fn alignment_is_relaxed_unless_it_is_strict() {
        for (vouched, from, organisation, relaxed, strict) in [
            ("town.example", "town.example", "town.example", true, true),
            ("mail.town.example", "town.example", "town.example", true, false),
            ("town.example", "news.town.example", "town.example", true, false),
            ("midtown.example", "town.example", "town.example", false, false),
            ("elsewhere.example", "town.example", "town.example", false, false),
        ] {
            let is = |is_strict| is_aligned(vouched, from, organisation, is_strict);
            assert_eq!((is(false), is(true)), (relaxed, strict), "{vouched} for {from}");
        }
    }
}
