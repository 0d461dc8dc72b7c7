//! What can be set.

use std::borrow::Cow;
use std::num::NonZeroU16;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::net::{Family, Tls, TlsSettings};
use crate::sasl::{Account, Mechanism};
use crate::secret::Secret;
use crate::settings::{IpProtocol, SourceAddress, Span, yes};
use crate::smtp::address::{EhloName, Mailbox, ReversePath};
use crate::smtp::tls_policy::{self, TlsPolicy};

/// SMTP between servers (RFC 5321 section 4.5.4.2).
const SMTP: NonZeroU16 = NonZeroU16::new(25).expect("25 is not zero");
/// Submission (RFC 6409 section 3.1).
const SUBMISSION: NonZeroU16 = NonZeroU16::new(587).expect("587 is not zero");
/// Submission, encrypted from the start (RFC 8314 section 3.3).
const SUBMISSIONS: NonZeroU16 = NonZeroU16::new(465).expect("465 is not zero");
/// Where mail stores take mail from the mail server beside them (IANA; any but 25, RFC 2033 section 5).
const LMTP: NonZeroU16 = NonZeroU16::new(24).expect("24 is not zero");
/// Most recipients of one module. Chosen: a few are asked about, a mailing is not simulated.
const RECIPIENTS_MAX: usize = 10;
/// How long greylisting may last. Chosen: servers make wait for one to fifteen minutes.
pub(crate) const GREYLISTING_MAX: Span = Span(Duration::from_secs(3600));

/// How mail servers are asked whether they would take a message.
#[derive(Debug)]
pub(crate) struct SmtpSettings {
    pub(crate) family: Family,
    pub(crate) source_ip_address: SourceAddress,
    pub(crate) protocol: Protocol,
    pub(crate) port: NonZeroU16,
    pub(crate) addresses: Addresses,
    pub(crate) require: Require,
    pub(crate) encryption: Encryption,
    pub(crate) tls_config: Tls,
    pub(crate) tls_policy: TlsPolicy,
    pub(crate) ehlo_name: Option<EhloName>,
    pub(crate) account: Option<Account>,
    pub(crate) mail_from: ReversePath,
    pub(crate) recipients: Option<Vec<Mailbox>>,
    pub(crate) allow_foreign_domains: bool,
    pub(crate) greylisting: Greylisting,
    pub(crate) greylisting_max: Span,
    pub(crate) refuses: Refuses,
}

/// The settings as an operator writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Written {
    /// Address family tried first: `ip6` or `ip4`.
    preferred_ip_protocol: IpProtocol,
    /// Whether servers are asked at addresses of the other family too.
    ip_protocol_fallback: bool,
    /// Local address to speak from.
    source_ip_address: SourceAddress,
    /// What the server speaks: `smtp`, or `lmtp` as mail stores do behind a mail server.
    protocol: Protocol,
    /// Port of the servers of a domain, and of a target that names none. Default: 25; 465 with `tls: true`; 587 with
    /// `username`; 24 for `lmtp`.
    port: Option<NonZeroU16>,
    /// At which of a mail host's addresses it is asked: `all` or `first`.
    addresses: Addresses,
    /// How many servers must take the message: `any` (mail can be received) or `all`.
    require: Require,
    /// Whether the connection is encrypted from the start.
    tls: bool,
    /// Whether the dialogue goes on encrypted: `optional` (if offered, and then it must work), `required` or `never`.
    starttls: Starttls,
    /// How the encrypted channel is built. The certificate is verified for the mail host's name; most senders take any
    /// certificate, which `insecure_skip_verify` does too.
    #[serde(deserialize_with = "tls")]
    #[schemars(with = "TlsSettings")]
    tls_config: Tls,
    /// By which methods the encryption is judged, and which verdicts decide.
    tls_policy: tls_policy::Written,
    /// Name the probe greets with; by default its own address in brackets.
    ehlo_name: Option<EhloName>,
    /// Who logs in; nobody if absent.
    username: Option<Box<str>>,
    /// The password, or the token for XOAUTH2.
    password: Option<Secret>,
    /// How to log in. Default: the strongest of SCRAM-SHA-256, PLAIN and LOGIN that the server offers.
    mechanism: Option<Mechanism>,
    /// Whether a password may be sent over a connection that is not encrypted.
    allow_cleartext_login: bool,
    /// Sender that is named; by default the empty one, as in notices of non-delivery.
    mail_from: ReversePath,
    /// Recipients that are named, up to ten; by default `postmaster` at the target's domain. An empty list names none.
    #[schemars(extend("maxItems" = 10))]
    #[serde(deserialize_with = "recipients")]
    recipients: Option<Vec<Mailbox>>,
    /// Whether the servers of a domain may be asked about recipients elsewhere. Who logs in always may.
    allow_foreign_domains: bool,
    /// What a server is taken for that asks to come back later because it does not know the sender yet: `fail` or `pass`.
    greylisting: Greylisting,
    /// How long it may do so, over runs; afterwards it fails even where `greylisting` is `pass`.
    greylisting_max: Span,
    /// What the server must refuse. Nothing is tried unless it stands here.
    refuses: Refuses,
}

/// The port where nobody names one.
pub(crate) const fn port_of(protocol: Protocol, tls: bool, logs_in: bool) -> NonZeroU16 {
    match (protocol, tls, logs_in) {
        (Protocol::Lmtp, ..) => LMTP,
        (Protocol::Smtp, true, _) => SUBMISSIONS,
        (Protocol::Smtp, false, true) => SUBMISSION,
        (Protocol::Smtp, false, false) => SMTP,
    }
}

/// What a server must refuse.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Refuses {
    /// A recipient at the server's own domain who does not exist.
    pub(crate) recipient: Option<Mailbox>,
    /// A recipient elsewhere: a server that takes mail for anybody from anybody is used for spam.
    pub(crate) relay: Option<Mailbox>,
    /// A wrong password for `username`, made up for every run. Servers may lock out who tries that often.
    pub(crate) wrong_password: bool,
}

impl Refuses {
    /// Whether anything is tried.
    pub(crate) const fn names_any(&self) -> bool {
        let Self { recipient, relay, wrong_password } = self;
        recipient.is_some() || relay.is_some() || *wrong_password
    }
}

impl Default for Written {
    fn default() -> Self {
        Self {
            preferred_ip_protocol: IpProtocol::default(),
            ip_protocol_fallback: yes(),
            source_ip_address: SourceAddress::default(),
            protocol: Protocol::default(),
            port: None,
            addresses: Addresses::default(),
            require: Require::default(),
            tls: false,
            starttls: Starttls::default(),
            tls_config: Tls::new(TlsSettings::default(), &[]),
            tls_policy: tls_policy::Written::default(),
            ehlo_name: None,
            username: None,
            password: None,
            mechanism: None,
            allow_cleartext_login: false,
            mail_from: ReversePath::default(),
            recipients: None,
            allow_foreign_domains: false,
            greylisting: Greylisting::default(),
            greylisting_max: GREYLISTING_MAX,
            refuses: Refuses::default(),
        }
    }
}

impl Written {
    fn understood(self) -> Result<SmtpSettings, &'static str> {
        let account = Account::of_settings(self.username, self.password, self.mechanism, self.allow_cleartext_login)?;
        let encryption = match (self.tls, self.starttls) {
            (false, starttls) => Encryption::OnTheWay(starttls),
            (true, Starttls::Optional) => Encryption::FromTheStart,
            (true, _) => return Err("`tls` and `starttls` exclude each other"),
        };
        if self.refuses.wrong_password && account.is_none() {
            return Err("`refuses.wrong_password` needs `username` and `password`");
        }
        if self.refuses.relay.is_some() && account.is_some() {
            return Err("`refuses.relay` is asked by strangers: a server may relay for those who log in");
        }
        let port = port_of(self.protocol, self.tls, account.is_some());
        Ok(SmtpSettings {
            family: Family { preferred: self.preferred_ip_protocol, fallback: self.ip_protocol_fallback },
            source_ip_address: self.source_ip_address,
            protocol: self.protocol,
            port: self.port.unwrap_or(port),
            addresses: self.addresses,
            require: self.require,
            encryption,
            tls_policy: self.tls_policy.understood(encryption, &self.tls_config)?,
            tls_config: self.tls_config,
            ehlo_name: self.ehlo_name,
            account,
            mail_from: self.mail_from,
            recipients: self.recipients,
            allow_foreign_domains: self.allow_foreign_domains,
            greylisting: self.greylisting,
            greylisting_max: self.greylisting_max,
            refuses: self.refuses,
        })
    }
}

impl<'de> Deserialize<'de> for SmtpSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.understood().map_err(de::Error::custom)
    }
}

impl JsonSchema for SmtpSettings {
    fn schema_name() -> Cow<'static, str> {
        "smtp".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

/// When the dialogue becomes encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Before anything is said (RFC 8314 section 3.3).
    FromTheStart,
    /// After the server agreed to it (RFC 3207).
    OnTheWay(Starttls),
}

/// What the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Protocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033.
    Lmtp,
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
