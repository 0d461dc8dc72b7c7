//! What can be set of the place where a mail is looked for.

use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::failure::Failure;
use crate::mailbox::settings as store;
use crate::net::{Family, Net, Tls, TlsSettings};
use crate::sasl::{Account, Mechanism};
use crate::secret::Secret;
use crate::settings::{IpProtocol, SourceAddress, yes};
use crate::target::{HostPort, port_number};

/// Longest name of a folder in bytes. Chosen: deeper than anybody files.
const FOLDER_BYTES_MAX: usize = 200;
/// Most folders that are looked into besides the inbox and junk. Chosen: each is looked into at every round.
const FOLDERS_MAX: usize = 10;

/// Where the mail should arrive.
#[derive(Debug)]
pub(in crate::mail) enum Fetch {
    /// A mail store that is asked over the network.
    Store(Box<Store>),
}

impl Fetch {
    /// Whether the place can be gone to at all: a mail that could not be looked for is not sent.
    pub(in crate::mail) fn prepare(&self, net: &Net) -> Result<(), Failure> {
        match self {
            Self::Store(store) => match &store.settings.account {
                Some(account) => account.credentials(net).map(drop),
                None => Ok(()),
            },
        }
    }

    /// What tells this place from others: part of the check's identity.
    pub(in crate::mail) fn identity(&self) -> String {
        match self {
            Self::Store(store) => format!("{} {}:{}", store.username, store.host, store.port),
        }
    }
}

/// A mail store.
#[derive(Debug)]
pub(in crate::mail) struct Store {
    pub(super) host: Box<str>,
    pub(super) port: NonZeroU16,
    pub(super) username: Box<str>,
    pub(super) settings: store::Settings,
    /// Folders besides the inbox and junk.
    pub(super) folders: Vec<Box<str>>,
}

/// Where the mail should arrive: a mailbox that is read over IMAP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Fetch")]
pub(in crate::mail) struct Written {
    /// The mail store: `host` or `host:port`. Default port: 993, or 143.
    host: Box<str>,
    /// When the dialogue becomes encrypted: `tls` (from the start), `starttls` or `none`.
    #[serde(default = "from_the_start")]
    encryption: store::Encryption,
    /// Whose mailbox it is.
    username: Box<str>,
    /// The password, or the token for XOAUTH2.
    password: Secret,
    /// How to log in. Default: the strongest of SCRAM-SHA-256, PLAIN and LOGIN that the server offers.
    mechanism: Option<Mechanism>,
    /// Whether a password may be sent over a connection that is not encrypted.
    #[serde(default)]
    allow_cleartext_login: bool,
    /// Folders that are looked into besides the inbox and the folder for junk, up to ten.
    #[serde(default)]
    #[schemars(extend("maxItems" = 10))]
    folders: Vec<Box<str>>,
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

const fn from_the_start() -> store::Encryption {
    store::Encryption::Tls
}

impl Written {
    pub(in crate::mail) fn understood(self) -> Result<Fetch, &'static str> {
        let is_folder = |name: &str| !name.is_empty() && name.len() <= FOLDER_BYTES_MAX && is_printable(name);
        if self.folders.len() > FOLDERS_MAX || !self.folders.iter().all(|name| is_folder(name)) {
            return Err(
                "`folders` are at most ten names of at most 200 ASCII characters, others in IMAP's modified UTF-7",
            );
        }
        let (host, port) = place(&self.host, store::Protocol::Imap.port(self.encryption))?;
        let (username, password) = (Some(self.username.clone()), Some(self.password));
        let settings = store::Settings {
            protocol: store::Protocol::Imap,
            encryption: self.encryption,
            account: Account::of_settings(username, password, self.mechanism, self.allow_cleartext_login)?,
            folder: "INBOX".into(),
            fail_if_quota_above: None,
            fail_if_more_messages_than: None,
            tls: Tls::new(self.tls_config, &[]),
            family: Family { preferred: self.preferred_ip_protocol, fallback: self.ip_protocol_fallback },
            source_ip_address: self.source_ip_address,
        };
        let store = Store { host, port, username: self.username, settings, folders: self.folders };
        Ok(Fetch::Store(Box::new(store)))
    }
}

/// The host and the port.
fn place(text: &str, default: NonZeroU16) -> Result<(Box<str>, NonZeroU16), &'static str> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text.into(), default));
    }
    let HostPort { host, port } = HostPort::split(text)
        .filter(|found| !found.host.is_empty() && found.host.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or("`fetch.host` is neither host nor host:port")?;
    let port = match port {
        None => default,
        Some(port) => port_number(port).and_then(NonZeroU16::new).ok_or("`fetch.host` has an unknown port")?,
    };
    Ok((host.into(), port))
}

/// Text that can stand in a command: printable ASCII.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
