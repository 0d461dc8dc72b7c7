//! What can be set of the place where a mail is looked for.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::mail::places::receiver;
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
    /// A folder of files.
    Maildir(Maildir),
    /// The agent's own receiver.
    Receiver,
}

impl Fetch {
    /// Whether the place can be gone to at all: a mail that could not be looked for is not sent.
    pub(in crate::mail) fn prepare(&self, net: &Net, recipient: &str) -> Result<(), Failure> {
        match self {
            Self::Store(store) => match &store.settings.account {
                Some(account) => account.credentials(net).map(drop),
                None => Ok(()),
            },
            Self::Maildir(_) => Ok(()),
            Self::Receiver => receiver::inbox(net, recipient).map(drop),
        }
    }

    /// What tells this place from others: part of the check's identity.
    pub(in crate::mail) fn identity(&self) -> String {
        match self {
            Self::Store(store) => format!("{} {}:{}", store.username, store.host, store.port),
            Self::Maildir(maildir) => maildir.path.display().to_string(),
            Self::Receiver => "receiver".to_owned(),
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

/// A folder of files.
#[derive(Debug)]
pub(in crate::mail) struct Maildir {
    pub(super) path: PathBuf,
    /// Folders besides the inbox and junk.
    pub(super) folders: Vec<Box<str>>,
}

/// What a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Protocol {
    /// A mail store, RFC 9051 and before.
    #[default]
    Imap,
    /// A mail store, RFC 1939.
    Pop3,
    /// A folder of files.
    Maildir,
    /// The agent's own receiver.
    Receiver,
}

/// Where the mail should arrive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename = "Fetch")]
pub(in crate::mail) struct Written {
    /// What is looked into: a mailbox over `imap` or `pop3`, a `maildir` on this machine, or what arrived at the agent's own
    /// `receiver` (section `receive`, where `to` must be among the recipients).
    #[serde(default)]
    protocol: Protocol,
    /// The mail store of `imap` and `pop3`: `host` or `host:port`. Default port: 993 or 143, for `pop3` 995 or 110.
    host: Option<Box<str>>,
    /// When the dialogue becomes encrypted: `tls` (from the start, the default), `starttls` or `none`.
    encryption: Option<store::Encryption>,
    /// Whose mailbox it is.
    username: Option<Box<str>>,
    /// The password, or the token for XOAUTH2.
    password: Option<Secret>,
    /// How to log in. Default: the strongest of SCRAM-SHA-256, PLAIN and LOGIN that the server offers.
    mechanism: Option<Mechanism>,
    /// Whether a password may be sent over a connection that is not encrypted.
    #[serde(default)]
    allow_cleartext_login: bool,
    /// The folder of `maildir`, with `new` and `cur` in it. Maildir++ folders in it are looked into too: `.Junk`, `.Spam` and
    /// those of `folders`.
    path: Option<PathBuf>,
    /// Folders of `imap` and `maildir` that are looked into besides the inbox and the folder for junk, up to ten.
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

impl Written {
    pub(in crate::mail) fn understood(self) -> Result<Fetch, &'static str> {
        let is_folder = |name: &str| !name.is_empty() && name.len() <= FOLDER_BYTES_MAX && is_printable(name);
        if self.folders.len() > FOLDERS_MAX || !self.folders.iter().all(|name| is_folder(name)) {
            return Err(
                "`folders` are at most ten names of at most 200 ASCII characters, others in IMAP's modified UTF-7",
            );
        }
        let is_of_store = self.host.is_some()
            || self.encryption.is_some()
            || self.username.is_some()
            || self.password.is_some()
            || self.mechanism.is_some()
            || self.allow_cleartext_login;
        match self.protocol {
            Protocol::Imap | Protocol::Pop3 if self.path.is_some() => {
                Err("`path` is for `protocol: maildir`; a mail store has `host`, `username` and `password`")
            }
            Protocol::Imap => self.store(store::Protocol::Imap),
            Protocol::Pop3 if !self.folders.is_empty() => {
                Err("a mailbox over `pop3` has no `folders`: what is filed elsewhere is not seen")
            }
            Protocol::Pop3 => self.store(store::Protocol::Pop3),
            Protocol::Maildir if is_of_store => {
                Err("`protocol: maildir` has `path` and `folders`, and nothing of a mail store")
            }
            Protocol::Maildir => {
                if self.folders.iter().any(|name| name.contains('/') || name.starts_with('.')) {
                    return Err("`folders` of `maildir` are without the dot in front and without slashes");
                }
                match self.path {
                    Some(path) if path.is_absolute() => Ok(Fetch::Maildir(Maildir { path, folders: self.folders })),
                    _ => Err("`protocol: maildir` needs `path`, an absolute path"),
                }
            }
            Protocol::Receiver if is_of_store || self.path.is_some() || !self.folders.is_empty() => {
                Err("`protocol: receiver` has no other settings: mail for `to` is looked for")
            }
            Protocol::Receiver => Ok(Fetch::Receiver),
        }
    }

    fn store(self, protocol: store::Protocol) -> Result<Fetch, &'static str> {
        let (Some(host), Some(username), Some(password)) = (self.host, self.username, self.password) else {
            return Err("`fetch` needs `host`, `username` and `password`, or `protocol: maildir` or `receiver`");
        };
        let encryption = self.encryption.unwrap_or(store::Encryption::Tls);
        let (host, port) = place(&host, protocol.port(encryption))?;
        let (who, mechanism) = (Some(username.clone()), self.mechanism);
        let settings = store::Settings {
            protocol,
            encryption,
            account: Account::of_settings(who, Some(password), mechanism, self.allow_cleartext_login)?,
            folder: "INBOX".into(),
            fail_if_quota_above: None,
            fail_if_more_messages_than: None,
            tls: Tls::new(self.tls_config, &[]),
            family: Family { preferred: self.preferred_ip_protocol, fallback: self.ip_protocol_fallback },
            source_ip_address: self.source_ip_address,
        };
        let store = Store { host, port, username, settings, folders: self.folders };
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(settings: Value) -> Result<String, String> {
        let written: Written = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        written.understood().map(|fetch| fetch.identity()).map_err(ToOwned::to_owned)
    }

    #[test]
    fn each_place_has_its_own_settings_and_no_others() {
        let store = json!({"host": "x", "username": "u", "password": "p"});
        let with = |more: Value| {
            let mut settings = store.clone();
            settings.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
            settings
        };
        for (settings, expected) in [
            (store.clone(), "u x:993"),
            (with(json!({"encryption": "starttls"})), "u x:143"),
            (with(json!({"protocol": "pop3"})), "u x:995"),
            (with(json!({"protocol": "pop3", "encryption": "none"})), "u x:110"),
            (json!({"protocol": "maildir", "path": "/var/mail/box", "folders": ["Lists"]}), "/var/mail/box"),
            (json!({"protocol": "receiver"}), "receiver"),
        ] {
            assert_eq!(read(settings.clone()), Ok(expected.to_owned()), "{settings}");
        }
        for (settings, expected) in [
            (json!({}), "needs `host`"),
            (json!({"protocol": "pop3", "host": "x"}), "needs `host`"),
            (with(json!({"path": "/x"})), "`path` is for"),
            (with(json!({"protocol": "pop3", "folders": ["a"]})), "has no `folders`"),
            (with(json!({"protocol": "maildir", "path": "/x"})), "nothing of a mail store"),
            (json!({"protocol": "maildir"}), "absolute path"),
            (json!({"protocol": "maildir", "path": "mail"}), "absolute path"),
            (json!({"protocol": "maildir", "path": "/x", "folders": ["../y"]}), "without slashes"),
            (json!({"protocol": "receiver", "path": "/x"}), "no other settings"),
            (with(json!({"protocol": "receiver"})), "no other settings"),
        ] {
            let error = read(settings.clone()).expect_err("an error");
            assert!(error.contains(expected), "{settings}: {error}");
        }
    }
}
