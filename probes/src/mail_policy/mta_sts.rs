//! That mail to a domain is encrypted, said over HTTPS (RFC 8461).

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::fetch::{self, PolicyHosts};
use super::measures::{
    MTA_STS_INFO, MTA_STS_MAX_AGE, MTA_STS_MODE, MTA_STS_MX_MATCH, MTA_STS_POLICY_VALID, MTA_STS_RECORD_VALID,
};
use super::mx::Hosts;
use super::questions::Questions;
use super::settings::Settings;
use super::tags::Tags;
use super::{MTA_STS, history};
use crate::failure::{Failure, Reason};
use crate::recorder::Recorder;

/// Longest id (RFC 8461 section 3.1).
const ID_BYTES_MAX: usize = 32;
/// Longest time a policy may be kept, in seconds (RFC 8461 section 3.2).
const MAX_AGE_MAX: u32 = 31_557_600;
/// What a policy asks of senders.
const MODES: [&str; 3] = ["enforce", "testing", "none"];

/// What a domain asks of those who send mail to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `enforce`, `testing` or `none`.
    mode: &'static str,
    max_age: u32,
    /// Names of mail hosts, some with an asterisk.
    hosts: Box<[Box<str>]>,
}

impl Policy {
    /// Whether the domain says that it has no policy any more.
    pub(crate) fn is_none(&self) -> bool {
        self.mode == "none"
    }

    /// Whether mail for the domain may go to this host.
    pub(crate) fn names(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| matches(pattern, host))
    }

    /// Tells it from others that mean something else.
    fn digest(&self) -> String {
        let mut hosts: Vec<String> = self.hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        hosts.sort_unstable();
        let hash = Sha256::digest(format!("{} {} {}", self.mode, self.max_age, hosts.join(" ")));
        hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Reads and judges the record and the policy.
pub(super) async fn look(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    settings: &Settings,
    domain: &str,
    found: &Result<Hosts, Failure>,
) -> Result<(), Failure> {
    let policy_hosts = PolicyHosts { port: settings.mta_sts_port, tls: &settings.tls_config };
    let (id, policy) = find_with_id(questions, recorder, &policy_hosts, domain).await?;
    let memory = questions.net.memory().of(recorder.owner());
    let changed = history::compare(memory, recorder, &id, &policy.digest()).map_err(|why| invalid(domain, why));
    if policy.is_none() {
        return changed;
    }
    let found = found.as_ref().map_err(Clone::clone)?;
    let mut missing = None;
    for host in &found.hosts {
        let names = policy.names(&host.name);
        recorder.read_with(&MTA_STS_MX_MATCH, &[&host.name], f64::from(u8::from(names)));
        if !names && missing.is_none() {
            missing = Some(invalid(domain, format_args!("the policy does not name the mail host {}", host.name)));
        }
    }
    missing.map_or(changed, Err)
}

fn invalid(domain: &str, why: impl fmt::Display) -> Failure {
    Failure::new(Reason::MtaStsInvalid, format_args!("MTA-STS of {domain}: {why}"))
}

/// Asks for the record and fetches the policy.
pub(crate) async fn find(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    policy_hosts: &PolicyHosts<'_>,
    domain: &str,
) -> Result<Policy, Failure> {
    find_with_id(questions, recorder, policy_hosts, domain).await.map(|(_, policy)| policy)
}

async fn find_with_id(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    policy_hosts: &PolicyHosts<'_>,
    domain: &str,
) -> Result<(String, Policy), Failure> {
    recorder.enter(MTA_STS);
    let records = questions.texts(&format!("_mta-sts.{domain}"), "v=STSv1", Some(b';')).await?;
    let id = match &*records {
        [] => Err("there is no record".to_owned()),
        [text] => id(text),
        several => Err(format!("{} records, and one is allowed", several.len())),
    };
    recorder.read(&MTA_STS_RECORD_VALID, f64::from(u8::from(id.is_ok())));
    let id = id.map_err(|why| invalid(domain, why))?;

    let body = fetch::fetch(questions.net, recorder, policy_hosts, domain).await;
    let body = body.inspect_err(|failure| {
        if failure.reason().is_shortage() {
            recorder.forget(&MTA_STS_POLICY_VALID);
        } else {
            recorder.read(&MTA_STS_POLICY_VALID, 0.0);
        }
    })?;
    recorder.read(&MTA_STS_POLICY_VALID, 0.0);
    let policy = read(&body).map_err(|why| invalid(domain, format_args!("the policy: {why}")))?;
    recorder.read(&MTA_STS_POLICY_VALID, 1.0);
    recorder.read_with(&MTA_STS_INFO, &[id, policy.mode], 1.0);
    for mode in MODES {
        recorder.read_with(&MTA_STS_MODE, &[mode], f64::from(u8::from(mode == policy.mode)));
    }
    recorder.read(&MTA_STS_MAX_AGE, f64::from(policy.max_age));
    Ok((id.to_owned(), policy))
}

/// Whether it is a policy that counts, or a record with an id.
#[cfg(any(test, feature = "testkit"))]
pub(super) fn is_policy_or_record(body: &[u8]) -> bool {
    read(body).is_ok() || std::str::from_utf8(body).is_ok_and(|text| id(text).is_ok())
}

/// The id of a record (RFC 8461 section 3.1).
fn id(text: &str) -> Result<&str, String> {
    let tags = Tags::read(text)?;
    let id = tags.get("id").ok_or("the record has no id")?;
    let is_id = (1..=ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_id { Ok(id) } else { Err(format!("{id:?} is no id of up to {ID_BYTES_MAX} letters and digits")) }
}

/// RFC 8461 section 3.2. Fields that are not known are passed over; of one that stands there twice the first counts.
fn read(body: &[u8]) -> Result<Policy, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8")?;
    let (mut version, mut mode, mut max_age, mut hosts) = (None, None, None, Vec::new());
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.trim().is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| format!("{line:?} is no field with a value"))?;
        let value = value.trim();
        match name.trim() {
            "version" => version = version.or(Some(value)),
            "mode" => mode = mode.or(Some(value)),
            "max_age" => max_age = max_age.or(Some(value)),
            "mx" => hosts.push(pattern(value)?.into()),
            _ => {}
        }
    }
    match version {
        Some("STSv1") => {}
        Some(other) => return Err(format!("its version is {other:?}, not \"STSv1\"")),
        None => return Err("its version is missing".to_owned()),
    }
    let mode = mode.ok_or("its mode is missing")?;
    let known = MODES.into_iter().find(|known| *known == mode);
    let mode = known.ok_or_else(|| format!("{mode:?} is no mode"))?;
    let max_age = max_age.ok_or("its max_age is missing")?;
    let seconds = max_age.parse().ok().filter(|seconds| *seconds <= MAX_AGE_MAX && !max_age.starts_with('+'));
    let seconds = seconds.ok_or_else(|| format!("max_age {max_age:?} is no number up to {MAX_AGE_MAX}"))?;
    if hosts.is_empty() && mode != "none" {
        return Err("it names no mail host".to_owned());
    }
    Ok(Policy { mode, max_age: seconds, hosts: hosts.into() })
}

/// A host, or `*.` and a domain.
fn pattern(text: &str) -> Result<&str, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    crate::target::host_name(name).map(|_| text).map_err(|_| format!("{text:?} names no mail host"))
}

/// Whether a pattern names a host: the asterisk stands for one label (RFC 8461 section 4.1).
fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_policy_is_read() {
        let text = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\nmax_age: 604800\r\nnew: x\r\n";
        let policy = Policy {
            mode: "enforce",
            max_age: 604_800,
            hosts: ["mail.example.com", "*.example.net"].map(Into::into).into(),
        };
        assert_eq!(read(text), Ok(policy));
        assert_eq!(
            read(b"version: STSv1\nmode: none\nmax_age: 0"),
            Ok(Policy { mode: "none", max_age: 0, hosts: [].into() })
        );
        for wrong in [
            "",
            "version: STSv2\nmode: none\nmax_age: 1",
            "mode: none\nmax_age: 1",
            "version: STSv1\nmode: x\nmax_age: 1",
            "version: STSv1\nmode: none",
            "version: STSv1\nmode: none\nmax_age: 31557601",
            "version: STSv1\nmode: none\nmax_age: -1",
            "version: STSv1\nmode: enforce\nmax_age: 1",
            "version: STSv1\nmode: enforce\nmax_age: 1\nmx: a b",
            "version: STSv1\nmode: enforce\nmax_age: 1\nmx: *",
            "<html>",
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_asterisk_stands_for_one_label() {
        assert!(matches("mx.example.com", "MX.example.com"));
        assert!(matches("*.example.com", "a.example.com"));
        assert!(!matches("*.example.com", "a.b.example.com"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("mx.example.com", "mx.example.org"));
    }

    #[test]
    fn an_id_is_letters_and_digits() {
        assert_eq!(id("v=STSv1; id=20160831085700Z;"), Ok("20160831085700Z"));
        for wrong in ["v=STSv1;", "v=STSv1; id=", "v=STSv1; id=a-b", &format!("v=STSv1; id={}", "a".repeat(33))] {
            assert!(id(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
