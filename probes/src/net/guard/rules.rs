//! The list of targets that may be asked on behalf of others, and what it says to one of them.

use std::fmt;
use std::net::IpAddr;
use std::path::{Component, Path};

use super::address::{Range, embedded, special};
use crate::net::network::ascii_name;

/// `probe_targets`: names, ranges of addresses and unix sockets, each of names and addresses with an optional port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetList(Vec<Rule>);

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    what: What,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    /// This name.
    Name(String),
    /// Every name below this one, which is kept with a dot before it.
    Below(String),
    Range(Range),
    /// This unix socket.
    Socket(String),
    /// Every unix socket in this folder, which is kept with a slash after it.
    Folder(String),
}

/// Why a target may not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The list does not name it.
    Unlisted,
    /// It is an address of this sort, or leads to one, and the list does not name it by itself.
    Special(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted => f.write_str("`probe_targets` does not name it"),
            Self::Special(what) => write!(f, "it is {what}, and `probe_targets` does not name that by itself"),
        }
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with(['/', '@']) {
            let what = match text.strip_suffix('*') {
                Some(folder) if folder.ends_with('/') => What::Folder(folder.to_owned()),
                _ => What::Socket(text.to_owned()),
            };
            return match &what {
                What::Folder(path) | What::Socket(path) if is_plain_path(path.trim_end_matches('/')) => {
                    Ok(Self { what, port: None })
                }
                _ => Err(format!("{text:?} is not the plain path of a unix socket")),
            };
        }
        let (host, port) = split_port(text)?;
        if host == "*" {
            return Err("`*` would be every name; write `any` instead of a list to allow everything".to_owned());
        }
        if host.contains('/') || host.parse::<IpAddr>().is_ok() {
            return Ok(Self { what: What::Range(Range::parse(host)?), port });
        }
        let (name, is_below) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
        let name = ascii_name(name)?;
        if !is_plain_name(&name) {
            return Err(format!("{text:?} is neither a name, an address nor a range of addresses"));
        }
        let what = if is_below { What::Below(format!(".{name}")) } else { What::Name(name) };
        Ok(Self { what, port })
    }

    fn has_port(&self, port: Option<u16>) -> bool {
        self.port.is_none() || self.port == port
    }

    fn is_name(&self, name: &str) -> bool {
        match &self.what {
            What::Name(own) => own == name,
            What::Below(parent) => name.len() > parent.len() && name.ends_with(parent.as_str()),
            _ => false,
        }
    }
}

/// Takes a port off the end: `name:443`, `192.0.2.0/24:443`, `[2001:db8::/32]:443`.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let number = |port: &str| match port.parse() {
        Ok(port) if port != 0 => Ok(Some(port)),
        _ => Err(format!("{text:?} ends in no port from 1 to 65535")),
    };
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, number(port)?)),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(format!("{text:?} has something else than a port after its bracket")),
        };
    }
    // The colons of IPv6 come before the length of the prefix.
    let from = text.rfind('/').unwrap_or(0);
    match text[from..].split_once(':') {
        Some((_, port)) if !port.contains(':') => Ok((&text[..text.len() - port.len() - 1], number(port)?)),
        _ => Ok((text, None)),
    }
}

/// Whether a path leads where it says: absolute, without detours. A socket without a file ("abstract") has no detours.
fn is_plain_path(path: &str) -> bool {
    if path.starts_with('@') {
        return path.len() > 1;
    }
    let mut rebuilt = std::path::PathBuf::new();
    for component in Path::new(path).components() {
        match component {
            Component::RootDir | Component::Normal(_) => rebuilt.push(component),
            Component::CurDir | Component::ParentDir | Component::Prefix(_) => return false,
        }
    }
    path.starts_with('/') && rebuilt.as_os_str() == path
}

/// Whether a name, in lower case and without the final dot, is one that a list can speak of: nothing in it reads as
/// something else, and it is no address in disguise (`0x7f.1`).
pub(super) fn is_plain_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    !is_number && name.split('.').all(|label| !label.is_empty() && label.bytes().all(is_plain))
}

impl TargetList {
    /// Reads one entry and adds it.
    pub fn push(&mut self, text: &str) -> Result<(), String> {
        self.0.push(Rule::parse(text)?);
        Ok(())
    }

    /// What the list says to an address, reached by one of these names. Without a port, any will do.
    pub(super) fn judge(&self, names: &[&str], address: IpAddr, port: Port) -> Result<(), Refusal> {
        let address = address.to_canonical();
        let rules = || self.0.iter().filter(|rule| port.fits(rule));
        let ranges = || rules().filter_map(|rule| if let What::Range(range) = rule.what { Some(range) } else { None });
        let embedded = embedded(address);
        let inner = embedded.as_ref().map_or(&[][..], |embedded| &embedded.addresses);
        for face in std::iter::once(address).chain(inner.iter().map(IpAddr::to_canonical)) {
            if let Some((class, what)) = special(face)
                && !ranges()
                    .any(|range| range == Range::single(address) || (range.contains(face) && class.covers(range)))
            {
                return Err(Refusal::Special(what));
            }
        }
        let is_listed = |address: IpAddr| ranges().any(|range| range.contains(address));
        let by_address = is_listed(address)
            && embedded.as_ref().is_none_or(|embedded| {
                let is_explicit = |range: Range| embedded.within.covers(range) && range.contains(address);
                ranges().any(is_explicit) || embedded.addresses.iter().all(|address| is_listed(*address))
            });
        if by_address || names.iter().any(|name| rules().any(|rule| rule.is_name(name))) {
            Ok(())
        } else {
            Err(Refusal::Unlisted)
        }
    }

    /// What the list says to a name that somebody else looks up.
    pub(super) fn judge_name(&self, name: &str, port: Port) -> Result<(), Refusal> {
        let is_listed = self.0.iter().any(|rule| port.fits(rule) && rule.is_name(name));
        if is_listed { Ok(()) } else { Err(Refusal::Unlisted) }
    }

    /// What the list says to a unix socket.
    pub(super) fn judge_socket(&self, path: &str) -> Result<(), Refusal> {
        let is_listed = is_plain_path(path)
            && self.0.iter().any(|rule| match &rule.what {
                What::Socket(own) => own == path,
                What::Folder(folder) => path.strip_prefix(folder.as_str()).is_some_and(|rest| !rest.contains('/')),
                _ => false,
            });
        if is_listed { Ok(()) } else { Err(Refusal::Special("a unix socket")) }
    }
}

/// The port that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// Not known yet: any will do.
    Unknown,
    /// The protocol has none.
    None,
    /// This one.
    Is(u16),
}

impl Port {
    fn fits(self, rule: &Rule) -> bool {
        match self {
            Self::Unknown => true,
            Self::None => rule.has_port(None),
            Self::Is(port) => rule.has_port(Some(port)),
        }
    }
}
