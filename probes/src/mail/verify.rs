//! What the probe itself finds out about the sender of a mail that arrived: DKIM (RFC 6376), ARC (RFC 8617), SPF (RFC 7208)
//! and DMARC (RFC 7489).
//!
//! Keys come from the probe's own name servers: the library that verifies gets them all beforehand, and asks nobody. What a
//! name server did not say is not known, and no word against the mail.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Instant;

use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::resolver::ToFqdn;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{
    AuthenticatedMessage, DkimResult, DnsError, Error, MessageAuthenticator, Parameters, ResolverCache, Txt,
};

use crate::failure::{Failure, Reason, shown};
use crate::mail::alignment;
use crate::mail::measures::{AUTH_LOCAL_PASS, AUTH_LOCAL_RESULT_INFO, DKIM_LOCAL_PASS};
use crate::mail::read::Reading;
use crate::mail::settings::{Method, Settings};
use crate::mail_policy::{Questions, spf};
use crate::net::Net;
use crate::phase::Phase;
use crate::recorder::Recorder;

/// Signatures are verified, with what name servers say.
pub(super) const AUTHENTICATION: Phase = Phase::new("authentication");
/// Most bytes of the headers of a mail whose signatures are verified. Chosen: four times what a long way leaves.
const HEADERS_BYTES_MAX: usize = 256 * 1024;
/// Most signatures that are verified. Chosen: senders make two, and lists add two.
const SIGNATURES_MAX: usize = 16;
/// Most names in a signature's list of headers. Chosen: several times what a mail has.
const SIGNED_NAMES_MAX: usize = 200;
/// Most sets of ARC that are verified, of the 50 that RFC 8617 section 4.2.1 allows. Chosen: each is another handler.
const ARC_SETS_MAX: usize = 16;

/// What was found by a method: a result of RFC 8601 section 2.7; or why nothing is known.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) method: Method,
    pub(super) result: Result<&'static str, Failure>,
}

/// A mail whose sender is looked at.
pub(super) struct Evidence<'a> {
    /// The mail as it lay in the mailbox.
    pub(super) stored: &'a [u8],
    /// The domain of the envelope's sender.
    pub(super) sender_domain: &'a str,
    /// The address that handed the mail in, where the probe's own side took it.
    pub(super) client: Option<IpAddr>,
}

/// Looks at the mail by these methods.
pub(super) async fn check(
    net: &Net,
    recorder: &mut Recorder,
    methods: &[Method],
    evidence: &Evidence<'_>,
) -> Vec<Finding> {
    let text = with_line_ends(evidence.stored);
    let mut questions = Questions::new(net, false);
    let mut findings = Vec::with_capacity(methods.len());
    let Some(mut message) = parsed(&text) else {
        recorder.note("the mail's headers cannot be read, or are too long");
        findings.extend(methods.iter().map(|method| Finding { method: *method, result: Ok("permerror") }));
        return findings;
    };
    let refused = retain_bounded(&mut message);
    let asks = |methods_of: &[Method]| methods.iter().any(|method| methods_of.contains(method));
    let mut signed = Signed { result: Ok("none"), domains: Vec::new() };
    if asks(&[Method::Dkim, Method::Dmarc]) {
        let keys = Keys::of(&mut questions, &message.dkim_headers).await;
        signed = dkim(recorder, &keys, &message, refused).await;
    }
    let mut sent = Err(Failure::new(Reason::PolicyUnknown, "the address that handed the mail in is not known here"));
    if let Some(client) = evidence.client.filter(|_| asks(&[Method::Spf, Method::Dmarc])) {
        sent = spf::judge(&mut questions, client, evidence.sender_domain).await;
    }
    for method in methods {
        let result = match method {
            Method::Dkim => signed.result.clone(),
            Method::Spf => sent.clone(),
            Method::Arc => arc(&mut questions, recorder, &message).await,
            Method::Dmarc => {
                // An address that nobody here can know is no doubt: there is DKIM.
                let sent = if evidence.client.is_some() { sent.clone() } else { Ok("none") };
                let sender = (evidence.sender_domain, sent);
                alignment::judge(&mut questions, recorder, &message.from, &signed, sender).await
            }
        };
        if let Err(failure) = &result {
            recorder.note(format_args!("whether {} passes is not known: {failure}", method.name()));
        }
        findings.push(Finding { method: *method, result });
    }
    findings
}

/// What DKIM found.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) result: Result<&'static str, Failure>,
    /// Domains whose signatures are good.
    pub(super) domains: Vec<String>,
}

/// With CR LF at the ends of lines, which some stores leave out.
fn with_line_ends(stored: &[u8]) -> Vec<u8> {
    if stored.windows(2).any(|pair| pair == b"\r\n") {
        return stored.to_vec();
    }
    let mut text = Vec::with_capacity(stored.len() + stored.len() / 32);
    for byte in stored {
        if *byte == b'\n' {
            text.push(b'\r');
        }
        text.push(*byte);
    }
    text
}

/// The mail as the library sees it, if its headers are of a reasonable length.
fn parsed(text: &[u8]) -> Option<AuthenticatedMessage<'_>> {
    let end = text.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(text.len());
    if end > HEADERS_BYTES_MAX { None } else { AuthenticatedMessage::parse(text) }
}

/// Leaves out signatures that would cost too much, or that no receiver believes (RFC 8301 section 3.1). Says how many.
fn retain_bounded(message: &mut AuthenticatedMessage<'_>) -> usize {
    let all = message.dkim_headers.len();
    message
        .dkim_headers
        .retain(|header| header.header.h.len() <= SIGNED_NAMES_MAX && !matches!(header.header.a, Algorithm::RsaSha1));
    message.dkim_headers.truncate(SIGNATURES_MAX);
    for header in &mut message.dkim_headers {
        // Neither reports (RFC 6651) nor signatures of third parties (RFC 6541): both would ask for further records.
        header.header.r = false;
        header.header.atps = None;
    }
    all - message.dkim_headers.len()
}

/// Keys that name servers told of, as the library looks them up.
struct Keys {
    known: HashMap<Box<str>, Txt>,
    /// Why nothing is known of some key.
    fault: Option<Failure>,
}

impl Keys {
    async fn of<'k, S: VerifySignature + 'k>(
        questions: &mut Questions<'_>,
        signatures: impl IntoIterator<Item = &'k mail_auth::common::headers::Header<'k, S>>,
    ) -> Self {
        let mut keys = Self { known: HashMap::new(), fault: None };
        for signature in signatures {
            keys.add(questions, &signature.header.domain_key()).await;
        }
        keys
    }

    async fn add(&mut self, questions: &mut Questions<'_>, name: &str) {
        let name = name.to_fqdn();
        if self.known.contains_key(&*name) {
            return;
        }
        let key = match questions.texts(&name, "", None).await {
            Err(failure) => {
                self.fault.get_or_insert(failure);
                unknown()
            }
            Ok(texts) => {
                // Of several, the first that is a key (RFC 6376 section 3.6.2.2 leaves it open).
                let none = Err(Error::Dns(DnsError::InvalidRecordType));
                let parse = |text: &String| DomainKey::parse(text.as_bytes());
                match texts.iter().map(parse).reduce(|first, next| first.or(next)).unwrap_or(none) {
                    Ok(key) => Txt::from(key),
                    Err(error) => Txt::Error(error),
                }
            }
        };
        self.known.insert(name.into(), key);
    }

    fn why_unknown(&self) -> Failure {
        self.fault.clone().unwrap_or_else(|| Failure::new(Reason::PolicyUnknown, "a key was not asked for"))
    }
}

/// Tells the library that a name server failed.
fn unknown() -> Txt {
    Txt::Error(Error::Dns(DnsError::Resolver(String::new())))
}

impl ResolverCache<Box<str>, Txt> for Keys {
    /// Always an answer, so that the library never asks by itself.
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.known.get(name).cloned().unwrap_or_else(unknown))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// The library, with nobody to ask.
fn authenticator() -> Result<MessageAuthenticator, Failure> {
    let nobody = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
    MessageAuthenticator::new(nobody, ResolverOpts::default())
        .map_err(|error| Failure::new(Reason::PolicyUnknown, format_args!("signatures cannot be verified: {error}")))
}

/// Verifies the signatures. One that is good is enough.
async fn dkim(recorder: &mut Recorder, keys: &Keys, message: &AuthenticatedMessage<'_>, refused: usize) -> Signed {
    let authenticator = match authenticator() {
        Ok(authenticator) => authenticator,
        Err(failure) => return Signed { result: Err(failure), domains: Vec::new() },
    };
    let outputs = authenticator.verify_dkim(Parameters::new(message).with_txt_cache(keys)).await;
    let mut signed = Signed { result: Ok(if refused > 0 { "policy" } else { "none" }), domains: Vec::new() };
    for output in &outputs {
        let domain = output.signature().map_or("?", |signature| signature.d.as_str());
        let result = judged(recorder, &format!("DKIM of {}", shown(domain.as_bytes(), 80)), output.result(), keys);
        if matches!(result, Ok("pass")) {
            signed.domains.push(domain.to_ascii_lowercase());
        }
        signed.result = better(signed.result, result);
    }
    signed
}

/// Verifies the chain of those who handed the mail on.
async fn arc(
    questions: &mut Questions<'_>,
    recorder: &mut Recorder,
    message: &AuthenticatedMessage<'_>,
) -> Result<&'static str, Failure> {
    let is_bounded = |names: &[String]| names.len() <= SIGNED_NAMES_MAX;
    if message.as_headers.len().max(message.ams_headers.len()) > ARC_SETS_MAX
        || !message.ams_headers.iter().all(|header| is_bounded(&header.header.h))
    {
        return Ok("policy");
    }
    let mut keys = Keys::of(questions, &message.as_headers).await;
    // Of the signatures over the mail only the last counts (RFC 8617 section 5.2).
    if let Some(last) = message.ams_headers.last() {
        keys.add(questions, &last.header.domain_key()).await;
    }
    let output = authenticator()?.verify_arc(Parameters::new(message).with_txt_cache(&keys)).await;
    judged(recorder, "ARC", output.result(), &keys)
}

/// A result in words, with a note where it is not good.
fn judged(recorder: &mut Recorder, what: &str, result: &DkimResult, keys: &Keys) -> Result<&'static str, Failure> {
    let (word, error) = match result {
        DkimResult::Pass => return Ok("pass"),
        DkimResult::None => return Ok("none"),
        DkimResult::TempError(_) => return Err(keys.why_unknown()),
        DkimResult::Neutral(error) | DkimResult::Fail(error) => ("fail", error),
        DkimResult::PermError(error) => ("permerror", error),
    };
    recorder.note(format_args!("{what}: {word}: {}", shown(error.to_string().as_bytes(), 120)));
    Ok(word)
}

/// Of two results that which says more for the mail: a pass, then what is not known, then the first.
fn better(one: Result<&'static str, Failure>, other: Result<&'static str, Failure>) -> Result<&'static str, Failure> {
    match (&one, &other) {
        (_, Ok("pass")) | (Ok("none" | "policy"), _) => other,
        (Ok("pass") | Err(_), _) | (_, Ok(_)) => one,
        (_, Err(_)) => other,
    }
}

/// Writes down what was found.
pub(super) fn write_down(recorder: &mut Recorder, findings: &[Finding]) {
    for Finding { method, result } in findings {
        let Ok(word) = result else { continue };
        let passes = f64::from(u8::from(*word == "pass"));
        match method {
            Method::Dkim => recorder.read(&DKIM_LOCAL_PASS, passes),
            Method::Spf | Method::Dmarc | Method::Arc => {
                recorder.read_with(&AUTH_LOCAL_PASS, &[method.name()], passes);
            }
        }
        recorder.read_with(&AUTH_LOCAL_RESULT_INFO, &[method.name(), word], 1.0);
    }
}

/// Whether what must pass does: by the word of trusted servers, where there are any, and by what was found here.
pub(super) fn verdict(settings: &Settings, reading: &Reading, findings: &[Finding]) -> Result<(), Failure> {
    let has_trusted = !settings.trusted_authserv_ids.is_empty();
    let mut lack = None;
    for method in &settings.require_authentication {
        let is_found_by_others = has_trusted && reading.passes(*method);
        if has_trusted && !is_found_by_others {
            let message = format_args!("the receiving side did not find that {} passes", method.name());
            return Err(Failure::new(Reason::MailUnauthenticated, message));
        }
        match findings.iter().find(|finding| finding.method == *method).map(|finding| &finding.result) {
            None | Some(Ok("pass")) => {}
            Some(Ok(word)) => {
                let message = format_args!("{} does not pass, as far as the probe can see: {word}", method.name());
                return Err(Failure::new(Reason::MailUnauthenticated, message));
            }
            Some(Err(_)) if is_found_by_others => {}
            Some(Err(failure)) => lack = lack.or_else(|| Some(failure.clone())),
        }
    }
    lack.map_or(Ok(()), Err)
}
