//! The operator's text for what is asked.

use std::borrow::Cow;
use std::fmt;

/// Longest host name in bytes (RFC 1035 section 2.3.4, without the final dot).
const HOST_BYTES_MAX: usize = 253;
/// Longest label in bytes (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// What a probe is pointed at: the operator's own text, which each kind parses in its own way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    text: Box<str>,
    hostname: Option<Box<str>>,
}

impl Target {
    /// A target as the operator wrote it.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into(), hostname: None }
    }

    /// The name to ask for, where it differs from the target's (blackbox_exporter's `hostname` parameter).
    #[must_use]
    pub fn with_hostname(mut self, hostname: impl Into<Box<str>>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The name to ask for, if it was given apart from the text.
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }
}

/// A host with an optional port, split from an operator's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// A name or an address, without brackets.
    pub host: &'a str,
    /// The port's text, which may be a service name.
    pub port: Option<&'a str>,
}

impl<'a> HostPort<'a> {
    /// Splits `host`, `host:port`, `[v6]`, `[v6]:port`; `None` if the text is none of these.
    pub fn split(text: &'a str) -> Option<Self> {
        if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']')?;
            let port = match rest {
                "" => None,
                _ => Some(rest.strip_prefix(':')?),
            };
            return Some(Self { host, port });
        }
        match text.split_once(':') {
            None => Some(Self { host: text, port: None }),
            Some((_, rest)) if rest.contains(':') => None,
            Some((host, port)) => Some(Self { host, port: Some(port) }),
        }
    }
}

/// Names that may stand for a port (IANA Service Name and Transport Protocol Port Number Registry). The system's
/// `/etc/services` is not read: a name must mean the same on every machine.
const SERVICES: &[(&str, u16)] = &[
    ("domain", 53),
    ("domain-s", 853),
    ("ftp", 21),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imap2", 143),
    ("imaps", 993),
    ("irc", 194),
    ("ldap", 389),
    ("ldaps", 636),
    ("mysql", 3306),
    ("nntp", 119),
    ("ntp", 123),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rsync", 873),
    ("sieve", 4190),
    ("sip", 5060),
    ("sips", 5061),
    ("smtp", 25),
    ("smtps", 465),
    ("ssh", 22),
    ("submission", 587),
    ("submissions", 465),
    ("telnet", 23),
];

/// The port that a number or a well-known service's name means.
pub fn port_number(text: &str) -> Option<u16> {
    let named = || SERVICES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, port)| *port);
    text.parse().ok().or_else(named)
}

/// Why a module cannot be bound to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// The target's text cannot be asked by this kind.
    Target(String),
    /// The `hostname` contradicts the module.
    Hostname(String),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It quotes the target.
            Self::Target(message) | Self::Hostname(message) => f.write_str(&hide_password(message)),
        }
    }
}

impl std::error::Error for Invalid {}

/// A text without the password of the URL in it, hidden as Go does it.
pub fn hide_password(text: &str) -> Cow<'_, str> {
    const MASK: &str = "xxxxx";
    let Some(scheme) = text.find("://") else { return Cow::Borrowed(text) };
    let (head, rest) = text.split_at(scheme + 3);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    match authority.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((name, host)) => Cow::Owned(format!("{head}{name}:{MASK}@{host}{}", &rest[authority.len()..])),
        None => Cow::Borrowed(text),
    }
}

/// Checks a host name and gives it in ASCII, without the final dot.
pub fn host_name(text: &str) -> Result<Box<str>, &'static str> {
    let name = if text.is_ascii() {
        text.to_owned()
    } else {
        match url::Host::parse(text) {
            Ok(url::Host::Domain(name)) => name,
            _ => return Err("is no host name"),
        }
    };
    let name = name.strip_suffix('.').unwrap_or(&name);
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label) { Ok(name.into()) } else { Err("is no host name") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_url_is_hidden() {
        for (text, shown) in [
            ("http://me:a@b@h:1/x?y#z", "http://me:xxxxx@h:1/x?y#z"),
            ("http://:pw@h", "http://:xxxxx@h"),
            ("http://me@h/a:b@c", "http://me@h/a:b@c"),
            ("\"x://me:pw@h\" is wrong", "\"x://me:xxxxx@h\" is wrong"),
            ("me:pw@h", "me:pw@h"),
        ] {
            assert_eq!(hide_password(text), shown);
        }
    }

    #[test]
    fn host_and_port_are_split() {
        let split = |text| HostPort::split(text).map(|HostPort { host, port }| (host, port));
        assert_eq!(split("mx.example:25"), Some(("mx.example", Some("25"))));
        assert_eq!(split("mx.example"), Some(("mx.example", None)));
        assert_eq!(split("[::1]:53"), Some(("::1", Some("53"))));
        assert_eq!(split("[::1]"), Some(("::1", None)));
        assert_eq!(split("::1"), None);
        assert_eq!(split("[::1"), None);
        assert_eq!(split("[::1]x"), None);
    }

    #[test]
    fn ports_are_numbers_or_names() {
        assert_eq!(port_number("0"), Some(0));
        assert_eq!(port_number("65535"), Some(65535));
        assert_eq!(port_number("ssh"), Some(22));
        assert_eq!(port_number("HTTPS"), Some(443));
        for wrong in ["", "65536", "-1", "//host", "nosuchservice"] {
            assert_eq!(port_number(wrong), None, "{wrong}");
        }
    }
}
