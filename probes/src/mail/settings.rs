//! What can be set of kind `mail`.

use std::borrow::Cow;
use std::num::NonZeroU16;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::mail::places::settings::{self as places, Fetch};
use crate::mail::sign::Dkim;
use crate::net::{Family, Tls, TlsSettings};
use crate::sasl::{Account, Mechanism};
use crate::secret::Secret;
use crate::settings::{IpProtocol, SourceAddress, Span, yes};
use crate::smtp::address::{EhloName, Mailbox, ReversePath};
use crate::smtp::settings as smtp;
use crate::smtp::tls_policy::TlsPolicy;

/// Most servers whose word on SPF, DKIM and DMARC is taken.
const AUTHSERV_IDS_MAX: usize = 10;
/// Longest text before the token in the subject, in bytes. Chosen: a line (RFC 5322 section 2.1.1).
const SUBJECT_BYTES_MAX: usize = 78;
/// Largest padding and largest attachment in bytes. Chosen: many servers take mails of ten times that.
const FILL_BYTES_MAX: u32 = 1 << 20;
/// Shortest key of tokens in bytes. Chosen: nobody guesses it.
const KEY_BYTES_MIN: usize = 16;
/// How many mails an hour a mailbox may get, unless set: one a minute.
const MAILS_PER_HOUR_MAX: u32 = 60;
/// The age from which mails that were left over are deleted, unless set.
const SWEEP_AFTER: Span = Span(std::time::Duration::from_secs(24 * 60 * 60));

/// How a mail is sent and looked for, and what is expected of it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(super) from: Mailbox,
    pub(super) to: Mailbox,
    pub(super) subject: Box<str>,
    pub(super) padding_bytes: u32,
    pub(super) attachment_bytes: u32,
    pub(super) content: Content,
    pub(super) token_key: Option<Secret>,
    pub(super) dkim: Option<Dkim>,
    pub(super) submit: smtp::SmtpSettings,
    pub(super) fetch: Fetch,
    pub(super) junk: Junk,
    pub(super) trusted_authserv_ids: Vec<Box<str>>,
    pub(super) check_authentication: Vec<Method>,
    pub(super) require_authentication: Vec<Method>,
    pub(super) fail_if_altered: bool,
    pub(super) sweep_after: Span,
    pub(super) max_mails_per_hour: u32,
}

/// What the mail holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Content {
    /// A few words.
    #[default]
    Plain,
    /// The test text of filters for unwanted mail.
    Gtube,
    /// The test file of virus scanners.
    Eicar,
}

/// What a mail among junk is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Junk {
    /// Not arrived as it should.
    #[default]
    Fail,
    /// Arrived.
    Pass,
}

/// How a receiver finds out whether a sender is genuine (RFC 8601 section 2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Method {
    /// RFC 7208.
    Spf,
    /// RFC 6376.
    Dkim,
    /// RFC 7489.
    Dmarc,
    /// RFC 8617.
    Arc,
}

impl Method {
    /// Every method.
    pub(super) const ALL: [Self; 4] = [Self::Spf, Self::Dkim, Self::Dmarc, Self::Arc];

    /// The method as it is written.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::Arc => "arc",
        }
    }
}

/// The settings as an operator writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Who sends the mail, in the header and to the server.
    from: Mailbox,
    /// Who receives it: the mailbox that `fetch` looks into. Notices of non-delivery go to `from`: they are seen only if they
    /// reach that mailbox too, because it is the same or they are forwarded.
    to: Mailbox,
    /// Whether `to` may be at another domain than `from`.
    #[serde(default)]
    allow_foreign_domains: bool,
    /// What stands in the subject before the token.
    #[serde(default)]
    subject: Box<str>,
    /// So many bytes more in the mail's text, up to 1 MiB.
    #[serde(default)]
    padding_bytes: u32,
    /// Size of a file that is attached, up to 1 MiB; 0: none.
    #[serde(default)]
    attachment_bytes: u32,
    /// What the mail holds: `plain`, or what filters must stop: `gtube` (the test for unwanted mail) or `eicar` (the test
    /// for viruses). A filter is tested by a mail that must be refused, lost or filed as junk: in the inbox it is a failure.
    #[serde(default)]
    content: Content,
    /// What seals the tokens in the mails, of at least 16 bytes. Without it a key is made up at every start: mails from
    /// before it are told from forged ones no more.
    token_key: Option<Secret>,
    /// How the mail is signed. Without it, it is not.
    dkim: Option<Dkim>,
    /// How the mail is handed in at the target.
    #[serde(default)]
    submit: Submit,
    /// Where the mail should arrive.
    fetch: places::Written,
    /// What a mail that was filed as junk is taken for: `fail` or `pass`.
    #[serde(default)]
    junk: Junk,
    /// Servers whose word is taken, in the header `Authentication-Results`, on whether the sender is genuine: the
    /// receiving side's own. Up to ten.
    #[serde(default)]
    #[schemars(extend("maxItems" = 10))]
    trusted_authserv_ids: Vec<Box<str>>,
    /// What the probe finds out by itself about the mail that arrived, with the module's name servers: any of `dkim`,
    /// `arc`, `dmarc` and `spf`. SPF is about the address that handed the mail in, which only tuermer's own receiver
    /// knows: with other places `spf` cannot be set, and `dmarc` goes by DKIM alone.
    #[serde(default)]
    check_authentication: Vec<Method>,
    /// What must pass, of `spf`, `dkim`, `dmarc` and `arc`: by the word of the trusted servers, if any are named, and by
    /// the probe's own finding, if `check_authentication` has it; if both, by both. Where name servers fail, the trusted
    /// servers' word is enough; without it the run is neither up nor down.
    #[serde(default)]
    require_authentication: Vec<Method>,
    /// Fail if the body, or a header of those that were sent, was changed on the way.
    #[serde(default)]
    fail_if_altered: bool,
    /// From which age mails of the check that no run knows any more are deleted.
    #[serde(default = "sweep_after")]
    sweep_after: Span,
    /// How many mails an hour `to` may get at most, from all checks together: more is an error in the configuration.
    #[serde(default = "mails_per_hour")]
    max_mails_per_hour: u32,
}

const fn mails_per_hour() -> u32 {
    MAILS_PER_HOUR_MAX
}

const fn sweep_after() -> Span {
    SWEEP_AFTER
}

/// How the mail is handed in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Submit {
    /// Port of the servers of a domain, and of a target that names none. Default: 25; 465 with `tls: true`; 587 with
    /// `username`.
    port: Option<NonZeroU16>,
    /// Whether the connection is encrypted from the start.
    tls: bool,
    /// Whether the dialogue goes on encrypted: `optional` (if offered, and then it must work), `required` or `never`.
    starttls: smtp::Starttls,
    /// How the encrypted channel is built.
    tls_config: TlsSettings,
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
    /// Address family tried first: `ip6` or `ip4`.
    preferred_ip_protocol: IpProtocol,
    /// Whether servers are asked at addresses of the other family too.
    ip_protocol_fallback: bool,
    /// Local address to speak from.
    source_ip_address: SourceAddress,
}

impl Default for Submit {
    fn default() -> Self {
        Self {
            port: None,
            tls: false,
            starttls: smtp::Starttls::default(),
            tls_config: TlsSettings::default(),
            ehlo_name: None,
            username: None,
            password: None,
            mechanism: None,
            allow_cleartext_login: false,
            preferred_ip_protocol: IpProtocol::default(),
            ip_protocol_fallback: yes(),
            source_ip_address: SourceAddress::default(),
        }
    }
}

impl Submit {
    fn understood(self, from: &Mailbox, to: &Mailbox) -> Result<smtp::SmtpSettings, &'static str> {
        let account = Account::of_settings(self.username, self.password, self.mechanism, self.allow_cleartext_login)?;
        let encryption = match (self.tls, self.starttls) {
            (false, starttls) => smtp::Encryption::OnTheWay(starttls),
            (true, smtp::Starttls::Optional) => smtp::Encryption::FromTheStart,
            (true, _) => return Err("`tls` and `starttls` exclude each other"),
        };
        Ok(smtp::SmtpSettings {
            family: Family { preferred: self.preferred_ip_protocol, fallback: self.ip_protocol_fallback },
            source_ip_address: self.source_ip_address,
            protocol: smtp::Protocol::Smtp,
            port: self.port.unwrap_or(smtp::port_of(smtp::Protocol::Smtp, self.tls, account.is_some())),
            addresses: smtp::Addresses::All,
            require: smtp::Require::Any,
            encryption,
            // SMTP has no application protocol name.
            tls_config: Tls::new(self.tls_config, &[]),
            tls_policy: TlsPolicy::plain(),
            ehlo_name: self.ehlo_name,
            account,
            mail_from: ReversePath::from(from),
            recipients: Some(vec![to.clone()]),
            allow_foreign_domains: true,
            greylisting: smtp::Greylisting::Fail,
            greylisting_max: smtp::GREYLISTING_MAX,
            refuses: smtp::Refuses::default(),
        })
    }
}

/// Text that can stand in a header and in a command: printable ASCII.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

impl Written {
    fn understood(self) -> Result<Settings, &'static str> {
        let domain = |mailbox: &Mailbox| mailbox.domain().map(str::to_ascii_lowercase);
        let (Some(from), Some(to)) = (domain(&self.from), domain(&self.to)) else {
            return Err("`from` and `to` have a domain each");
        };
        if from != to && !self.allow_foreign_domains {
            return Err("`from` and `to` are at different domains (allow_foreign_domains)");
        }
        if self.subject.len() > SUBJECT_BYTES_MAX || !is_printable(&self.subject) {
            return Err("`subject` is at most 78 printable ASCII characters");
        }
        if self.padding_bytes > FILL_BYTES_MAX || self.attachment_bytes > FILL_BYTES_MAX {
            return Err("`padding_bytes` and `attachment_bytes` are at most 1048576");
        }
        if let Some(Ok(key)) = self.token_key.as_ref().map(Secret::value)
            && key.len() < KEY_BYTES_MIN
        {
            return Err("`token_key` has less than 16 bytes");
        }
        if self.trusted_authserv_ids.len() > AUTHSERV_IDS_MAX {
            return Err("`trusted_authserv_ids` are at most ten");
        }
        let is_checked = |method: &Method| self.check_authentication.contains(method);
        if self.trusted_authserv_ids.is_empty() && !self.require_authentication.iter().all(is_checked) {
            return Err("`require_authentication` needs `trusted_authserv_ids`, or the same in `check_authentication`");
        }
        let mut check_authentication = self.check_authentication;
        check_authentication.sort_unstable();
        check_authentication.dedup();
        let fetch = self.fetch.understood()?;
        if check_authentication.contains(&Method::Spf) && !matches!(fetch, Fetch::Receiver) {
            return Err("`check_authentication` can have `spf` only with `fetch: { protocol: receiver }`");
        }
        Ok(Settings {
            submit: self.submit.understood(&self.from, &self.to)?,
            from: self.from,
            to: self.to,
            subject: self.subject,
            padding_bytes: self.padding_bytes,
            attachment_bytes: self.attachment_bytes,
            content: self.content,
            token_key: self.token_key,
            dkim: self.dkim,
            fetch,
            junk: self.junk,
            trusted_authserv_ids: self.trusted_authserv_ids,
            check_authentication,
            require_authentication: self.require_authentication,
            fail_if_altered: self.fail_if_altered,
            sweep_after: self.sweep_after,
            max_mails_per_hour: self.max_mails_per_hour,
        })
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Written::deserialize(deserializer)?.understood().map_err(de::Error::custom)
    }
}

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        "mail".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What must be set, with more.
    pub(in crate::mail) fn written(more: Value) -> Value {
        let mut settings = json!({"from": "watch@town.example", "to": "box@town.example",
            "fetch": {"host": "imap.town.example", "username": "box", "password": "pencil"}});
        settings.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        settings
    }

    pub(in crate::mail) fn settings(more: Value) -> Settings {
        serde_json::from_value(written(more)).expect("settings")
    }

    fn error(more: Value) -> Option<String> {
        serde_json::from_value::<Settings>(written(more)).err().map(|error| error.to_string())
    }

    #[test]
    fn settings_are_strict() {
        assert_eq!(error(json!({})), None);
        for wrong in [
            json!({"to": "box@elsewhere.example"}),
            json!({"from": "postmaster"}),
            json!({"from": "a\r\nRCPT TO:<x@y>@town.example"}),
            json!({"subject": "a\r\nBcc: <x@y>"}),
            json!({"subject": "a\0"}),
            json!({"padding_bytes": 1_048_577}),
            json!({"token_key": "short"}),
            json!({"submit": {"tls": true, "starttls": "required"}}),
            json!({"submit": {"username": "x"}}),
            json!({"fetch": {"host": "x:nowhere", "username": "u", "password": "p"}}),
            json!({"fetch": {"host": "x", "username": "u", "password": "p", "folders": ["a\r\nb"]}}),
            json!({"require_authentication": ["dkim"]}),
            json!({"check_authentication": ["spf"]}),
            json!({"check_authentication": ["dkim"], "require_authentication": ["dmarc"]}),
            json!({"recipient": "x@y"}),
        ] {
            assert!(error(wrong.clone()).is_some(), "{wrong}");
        }
        assert_eq!(error(json!({"to": "box@elsewhere.example", "allow_foreign_domains": true})), None);
        assert_eq!(error(json!({"to": "box@TOWN.example"})), None);
        assert_eq!(error(json!({"check_authentication": ["dkim"], "require_authentication": ["dkim"]})), None);
        assert_eq!(error(json!({"check_authentication": ["spf"], "fetch": {"protocol": "receiver"}})), None);
    }

    #[test]
    fn settings_carry_secrets() {
        assert!(crate::secret::shows_in(&settings(json!({}))));
    }
}
