//! What can be set of kind `mailbox`.

use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::{Family, Tls, TlsSettings};
use crate::sasl::{Account, Mechanism};
use crate::secret::Secret;
use crate::settings::{IpProtocol, SourceAddress, yes};

/// Longest name of a folder in bytes. Chosen: deeper than anybody files.
const FOLDER_BYTES_MAX: usize = 200;

/// How a mail store is asked, and what is expected of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written", rename = "mailbox")]
pub(crate) struct Settings {
    pub(crate) protocol: Protocol,
    pub(crate) encryption: Encryption,
    pub(crate) account: Option<Account>,
    pub(crate) folder: Box<str>,
    pub(crate) fail_if_quota_above: Option<f64>,
    pub(crate) fail_if_more_messages_than: Option<u64>,
    pub(crate) tls: Tls,
    pub(crate) family: Family,
    pub(crate) source_ip_address: SourceAddress,
}

/// What the store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Protocol {
    /// RFC 9051 and before.
    #[default]
    Imap,
    /// RFC 1939.
    Pop3,
    /// RFC 5804.
    Managesieve,
}

impl Protocol {
    /// The registered port.
    pub(crate) const fn port(self, encryption: Encryption) -> NonZeroU16 {
        let port = match (self, encryption) {
            (Self::Imap, Encryption::Tls) => 993,
            (Self::Imap, _) => 143,
            (Self::Pop3, Encryption::Tls) => 995,
            (Self::Pop3, _) => 110,
            (Self::Managesieve, _) => 4190,
        };
        NonZeroU16::new(port).expect("no registered port is zero")
    }
}

/// When the dialogue becomes encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Encryption {
    /// From the start.
    Tls,
    /// After the server agreed to it.
    Starttls,
    /// Never.
    None,
}

/// The settings as an operator writes them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// What the store speaks: `imap`, `pop3` or `managesieve`.
    #[serde(default)]
    protocol: Protocol,
    /// When the dialogue becomes encrypted: `tls` (from the start), `starttls` or `none`. Default: `tls`, for
    /// `managesieve` `starttls`.
    encryption: Option<Encryption>,
    /// Who logs in; nobody if absent.
    username: Option<Box<str>>,
    /// The password, or the token for XOAUTH2.
    password: Option<Secret>,
    /// How to log in. Default: the strongest of SCRAM-SHA-256, PLAIN and LOGIN that the server offers.
    mechanism: Option<Mechanism>,
    /// Whether a password may be sent over a connection that is not encrypted.
    #[serde(default)]
    allow_cleartext_login: bool,
    /// The folder whose messages are counted, for `imap`.
    #[serde(default = "inbox")]
    folder: Box<str>,
    /// Fail if more of the quota is used than this ratio, as 0.9; for `imap`.
    fail_if_quota_above: Option<f64>,
    /// Fail if the folder, or the mailbox of `pop3`, holds more messages.
    fail_if_more_messages_than: Option<u64>,
    /// How the encrypted channel is built.
    #[serde(default)]
    tls_config: TlsSettings,
    /// Address family to try first.
    #[serde(default)]
    preferred_ip_protocol: IpProtocol,
    /// Whether the other address family will do.
    #[serde(default = "yes")]
    ip_protocol_fallback: bool,
    /// Local address to speak from.
    #[serde(default)]
    source_ip_address: SourceAddress,
}

fn inbox() -> Box<str> {
    "INBOX".into()
}

impl TryFrom<Written> for Settings {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let default = match written.protocol {
            Protocol::Managesieve => Encryption::Starttls,
            Protocol::Imap | Protocol::Pop3 => Encryption::Tls,
        };
        let account =
            Account::of_settings(written.username, written.password, written.mechanism, written.allow_cleartext_login)?;
        let counts = written.fail_if_quota_above.is_some() || written.fail_if_more_messages_than.is_some();
        if counts && account.is_none() {
            return Err("without `username` and `password` nothing can be counted");
        }
        if written.fail_if_quota_above.is_some() && written.protocol != Protocol::Imap {
            return Err("`fail_if_quota_above` needs `protocol: imap`");
        }
        if written.fail_if_quota_above.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            return Err("`fail_if_quota_above` is a ratio from 0 to 1");
        }
        if written.fail_if_more_messages_than.is_some() && written.protocol == Protocol::Managesieve {
            return Err("`managesieve` holds no messages");
        }
        let is_plain = |c: char| c.is_ascii() && !c.is_ascii_control();
        if written.folder.is_empty() || written.folder.len() > FOLDER_BYTES_MAX || !written.folder.chars().all(is_plain)
        {
            return Err("`folder` is a name of at most 200 ASCII characters, others in IMAP's modified UTF-7");
        }
        Ok(Self {
            protocol: written.protocol,
            encryption: written.encryption.unwrap_or(default),
            account,
            folder: written.folder,
            fail_if_quota_above: written.fail_if_quota_above,
            fail_if_more_messages_than: written.fail_if_more_messages_than,
            // None of these protocols has an application protocol name in use.
            tls: Tls::new(written.tls_config, &[]),
            family: Family { preferred: written.preferred_ip_protocol, fallback: written.ip_protocol_fallback },
            source_ip_address: written.source_ip_address,
        })
    }
}
