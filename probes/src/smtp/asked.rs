//! What the operator points the probe at: a domain that receives mail, or one server.

use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::target::{HostPort, Invalid, Target, host_name, port_number};

/// A target that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A domain: its mail servers are found by MX. In ASCII, without the final dot.
    Domain(Box<str>),
    /// One mail host: no MX is looked up.
    Host {
        /// Its name or address.
        host: Box<str>,
        /// Its port.
        port: NonZeroU16,
        /// The name its certificate is verified for.
        certificate_name: Box<str>,
    },
}

impl Asked {
    /// Reads a target: text with a port or with brackets, or an address, is one host; anything else a domain.
    pub(crate) fn of_target(target: &Target, port: NonZeroU16) -> Result<Self, Invalid> {
        let text = target.text();
        let invalid = |why: &str| Invalid::Target(format!("{text:?} {why}"));
        let host_port = match text.parse::<IpAddr>() {
            Ok(_) => HostPort { host: text, port: None },
            Err(_) => HostPort::split(text).ok_or_else(|| invalid("is neither a domain nor a host with a port"))?,
        };
        let is_address = host_port.host.parse::<IpAddr>().is_ok();
        if text.starts_with('[') && !is_address {
            return Err(invalid("has no address in its brackets"));
        }
        let host = if is_address { host_port.host.into() } else { host_name(host_port.host).map_err(invalid)? };
        let port = match host_port.port {
            None if !is_address => {
                return match target.hostname() {
                    None => Ok(Self::Domain(host)),
                    Some(_) => Err(Invalid::Hostname("a domain's mail servers have names of their own".to_owned())),
                };
            }
            None => port,
            Some(text) => {
                let number = port_number(text).and_then(NonZeroU16::new);
                number.ok_or_else(|| invalid("has no port after the colon"))?
            }
        };
        let certificate_name = match target.hostname() {
            None => host.clone(),
            Some(name) => host_name(name).map_err(|why| Invalid::Hostname(format!("hostname {name:?} {why}")))?,
        };
        Ok(Self::Host { host, port, certificate_name })
    }

    /// The domain, if it is one.
    pub(crate) fn domain(&self) -> Option<&str> {
        match self {
            Self::Domain(domain) => Some(domain),
            Self::Host { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn port(number: u16) -> NonZeroU16 {
        NonZeroU16::new(number).expect("a port")
    }

    fn asked(text: &str) -> Option<Asked> {
        Asked::of_target(&Target::new(text), port(25)).ok()
    }

    fn host(host: &str, number: u16) -> Option<Asked> {
        Some(Asked::Host { host: host.into(), port: port(number), certificate_name: host.into() })
    }

    #[test]
    fn a_domain_is_told_from_a_host() {
        assert_eq!(asked("example.org"), Some(Asked::Domain("example.org".into())));
        assert_eq!(asked("example.org."), Some(Asked::Domain("example.org".into())));
        assert_eq!(asked("müllheim.example"), Some(Asked::Domain("xn--mllheim-n2a.example".into())));
        assert_eq!(asked("mx.example.org:2525"), host("mx.example.org", 2525));
        assert_eq!(asked("mx.example.org:submission"), host("mx.example.org", 587));
        assert_eq!(asked("192.0.2.1"), host("192.0.2.1", 25));
        assert_eq!(asked("192.0.2.1:26"), host("192.0.2.1", 26));
        assert_eq!(asked("[192.0.2.1]:26"), host("192.0.2.1", 26));
        assert_eq!(asked("[2001:db8::1]:26"), host("2001:db8::1", 26));
        assert_eq!(asked("[::1]"), host("::1", 25));
        assert_eq!(asked("::1"), host("::1", 25));
    }

    #[test]
    fn hostile_targets_are_refused() {
        let long = format!("{}.example", "a".repeat(64));
        for bad in [
            "",
            ".",
            "a..b",
            "a b",
            "a\r\nQUIT",
            "a\0",
            "a@b",
            "x:",
            "x:0",
            "x:65536",
            "x:mail",
            "[x]:25",
            "[::1",
            "[mx.example.org]",
            "http://x",
            "<x>",
            "a\u{202e}b",
            "ex%0d.org",
            &long,
        ] {
            assert_eq!(asked(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_hostname_is_for_one_server_only() {
        let named = |text: &str| Asked::of_target(&Target::new(text).with_hostname("mx.example.org"), port(25));
        let server =
            Asked::Host { host: "192.0.2.1".into(), port: port(25), certificate_name: "mx.example.org".into() };
        assert_eq!(named("192.0.2.1:25"), Ok(server));
        assert!(matches!(named("example.org"), Err(Invalid::Hostname(_))));
    }

    proptest! {
        #[test]
        fn whatever_is_understood_is_safe_to_send(text in r"(?s).{0,40}", hostname in prop::option::of(r"(?s).{0,20}")) {
            let mut target = Target::new(text);
            if let Some(hostname) = hostname {
                target = target.with_hostname(hostname);
            }
            let names = match Asked::of_target(&target, port(25)) {
                Ok(Asked::Domain(domain)) => vec![domain],
                Ok(Asked::Host { host, certificate_name, .. }) => vec![host, certificate_name],
                Err(_) => Vec::new(),
            };
            for name in names {
                prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-_".contains(&byte)), "{name:?}");
            }
        }
    }
}
