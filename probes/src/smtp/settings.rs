//! What can be set, and what text may go out to a server.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::net::{Family, Tls, TlsSettings};
use crate::settings::{IpProtocol, SourceAddress, yes};

/// SMTP between servers (RFC 5321 section 4.5.4.2).
const SMTP: NonZeroU16 = NonZeroU16::new(25).expect("25 is not zero");
/// Most recipients of one module. Chosen: a few are asked about, a mailing is not simulated.
const RECIPIENTS_MAX: usize = 10;
/// Longest address in bytes: a path of RFC 5321 section 4.5.3.1.3 without its brackets.
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest part before the at sign in bytes (RFC 5321 section 4.5.3.1.1).
const LOCAL_PART_BYTES_MAX: usize = 64;
/// Longest domain in bytes (RFC 5321 section 4.5.3.1.2).
const DOMAIN_BYTES_MAX: usize = 255;

/// How mail servers are asked whether they would take a message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SmtpSettings {
    /// Address family tried first: `ip6` or `ip4`.
    pub preferred_ip_protocol: IpProtocol,
    /// Whether servers are asked at addresses of the other family too.
    pub ip_protocol_fallback: bool,
    /// Local address to speak from.
    pub source_ip_address: SourceAddress,
    /// Port of the servers of a domain, and of a target that names none.
    pub port: NonZeroU16,
    /// At which of a mail host's addresses it is asked: `all` or `first`.
    pub addresses: Addresses,
    /// How many servers must take the message: `any` (mail can be received) or `all`.
    pub require: Require,
    /// Whether the dialogue goes on encrypted: `optional` (if offered, and then it must work), `required` or `never`.
    pub starttls: Starttls,
    /// How the encrypted channel is built. The certificate is verified for the mail host's name; most senders take any
    /// certificate, which `insecure_skip_verify` does too.
    #[serde(deserialize_with = "tls")]
    #[schemars(with = "TlsSettings")]
    pub tls_config: Tls,
    /// Name the probe greets with; by default its own address in brackets.
    pub ehlo_name: Option<EhloName>,
    /// Sender that is named; by default the empty one, as in notices of non-delivery.
    pub mail_from: ReversePath,
    /// Recipients that are named, up to ten; by default `postmaster` at the target's domain. An empty list names none.
    #[schemars(extend("maxItems" = 10))]
    #[serde(deserialize_with = "recipients")]
    pub recipients: Option<Vec<Mailbox>>,
    /// What a server is taken for that asks to come back later because it does not know the sender yet: `fail` or `pass`.
    pub greylisting: Greylisting,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            preferred_ip_protocol: IpProtocol::default(),
            ip_protocol_fallback: yes(),
            source_ip_address: SourceAddress::default(),
            port: SMTP,
            addresses: Addresses::default(),
            require: Require::default(),
            starttls: Starttls::default(),
            tls_config: Tls::new(TlsSettings::default(), &[]),
            ehlo_name: None,
            mail_from: ReversePath::default(),
            recipients: None,
            greylisting: Greylisting::default(),
        }
    }
}

impl SmtpSettings {
    /// Which address families are used.
    pub(super) const fn family(&self) -> Family {
        Family { preferred: self.preferred_ip_protocol, fallback: self.ip_protocol_fallback }
    }
}

fn tls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tls, D::Error> {
    // SMTP has no application protocol name (RFC 7301 registry), so none is offered.
    Ok(Tls::new(<TlsSettings as Deserialize>::deserialize(deserializer)?, &[]))
}

fn recipients<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Mailbox>>, D::Error> {
    let recipients = Option::<Vec<Mailbox>>::deserialize(deserializer)?;
    match &recipients {
        Some(given) if given.len() > RECIPIENTS_MAX => {
            Err(de::Error::custom(format!("{} recipients, at most {RECIPIENTS_MAX} are allowed", given.len())))
        }
        _ => Ok(recipients),
    }
}

/// At which of a mail host's addresses it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Addresses {
    /// At each.
    #[default]
    All,
    /// At the one that other kinds would choose.
    First,
}

/// How many servers must take the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Require {
    /// One will do: mail can be received.
    #[default]
    Any,
    /// Each: nothing of the redundancy is lost.
    All,
}

/// Whether the dialogue goes on encrypted (RFC 3207).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Starttls {
    /// It must.
    Required,
    /// If the server offers it; what is offered must work.
    #[default]
    Optional,
    /// Never.
    Never,
}

/// What a greylisting server is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Greylisting {
    /// A server that does not take the message.
    #[default]
    Fail,
    /// A server that takes it.
    Pass,
}

/// Text that cannot end a command early or hide in one: printable ASCII without space and angle brackets.
fn is_safe(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'))
}

/// `local-part@domain`, or `postmaster` alone (RFC 5321 section 4.1.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Mailbox(String);

impl Mailbox {
    /// Checks an address. Addresses with quoted spaces and outside ASCII are refused.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let invalid = |why: &str| Err(format!("invalid mail address {text:?}: {why}"));
        if !is_safe(text) {
            return invalid("only printable ASCII without spaces and angle brackets is sent");
        }
        if text.len() > ADDRESS_BYTES_MAX {
            return invalid("it is longer than 254 bytes");
        }
        match text.rsplit_once('@') {
            None if text.eq_ignore_ascii_case("postmaster") => Ok(Self(text.to_owned())),
            None => invalid("there is no @ in it"),
            Some(("", _)) => invalid("there is nothing before the @"),
            Some((_, "")) => invalid("there is nothing after the @"),
            Some((local, _)) if local.len() > LOCAL_PART_BYTES_MAX => invalid("more than 64 bytes stand before the @"),
            Some(_) => Ok(Self(text.to_owned())),
        }
    }

    /// The mailbox that every domain which takes mail must have (RFC 5321 section 4.5.1).
    pub(super) fn postmaster(domain: Option<&str>) -> Self {
        Self(domain.map_or_else(|| "postmaster".to_owned(), |domain| format!("postmaster@{domain}")))
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Where notices of non-delivery go: a mailbox, or nowhere (RFC 5321 section 4.5.5).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct ReversePath(String);

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ReversePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
            "" => Ok(Self::default()),
            text => Mailbox::parse(text).map(|Mailbox(text)| Self(text)).map_err(de::Error::custom),
        }
    }
}

/// The name a client greets with: a domain, or an address in brackets (RFC 5321 section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct EhloName(String);

impl fmt::Display for EhloName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for EhloName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text.is_empty() || text.len() > DOMAIN_BYTES_MAX || !is_safe(&text) {
            let message =
                format!("invalid name to greet with {text:?}, expected a host name or an address in brackets");
            return Err(de::Error::custom(message));
        }
        Ok(Self(text.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn error(settings: Value) -> Option<String> {
        serde_json::from_value::<SmtpSettings>(settings).err().map(|error| error.to_string())
    }

    #[test]
    fn every_text_that_is_sent_refuses_what_could_end_a_command() {
        for bad in ["a\r\nQUIT@x", "a\n@x", "a\0@x", "a b@x", "a@x>", "<a@x", "ä@x", "a@x\u{7f}"] {
            assert!(error(json!({"mail_from": bad})).is_some(), "mail_from {bad:?}");
            assert!(error(json!({"recipients": [bad]})).is_some(), "recipients {bad:?}");
            assert!(error(json!({"ehlo_name": bad})).is_some(), "ehlo_name {bad:?}");
        }
    }

    #[test]
    fn addresses_are_checked() {
        let parse = |text: &str| Mailbox::parse(text).map(|mailbox| mailbox.to_string()).ok();
        assert_eq!(parse("info@example.org"), Some("info@example.org".to_owned()));
        assert_eq!(parse("Postmaster"), Some("Postmaster".to_owned()));
        for bad in ["", "info", "@example.org", "info@", &"a".repeat(300), &format!("{}@x", "a".repeat(65))] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn settings_are_strict() {
        assert_eq!(error(json!({})), None);
        assert_eq!(error(json!({"recipients": [], "mail_from": "", "starttls": "required"})), None);
        assert!(error(json!({"port": 0})).is_some());
        assert!(error(json!({"recipient": "x@y"})).is_some());
        assert!(error(json!({"recipients": vec!["x@y"; 11]})).is_some());
        assert!(error(json!({"starttls": "maybe"})).is_some());
        assert!(error(json!({"tls_config": {"cert": "x"}})).is_some());
    }
}
