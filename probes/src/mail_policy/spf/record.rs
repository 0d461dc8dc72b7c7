//! An SPF record as text (RFC 7208 sections 4.6, 5 and 12). Knows no name server.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros;

/// Longest record in bytes. Chosen: a TXT record over UDP is shorter (RFC 7208 section 3.4 advises 450).
const RECORD_BYTES_MAX: usize = 8192;
/// Most terms of one record. Chosen: long lists of addresses have a hundred.
const TERMS_MAX: usize = 512;

/// What a record says of a sender that a mechanism names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

impl Qualifier {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
        }
    }
}

/// How many leading bits of an address count, for each family (RFC 7208 section 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    pub(super) ip4: u8,
    pub(super) ip6: u8,
}

/// Which senders are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(String),
    A(Option<String>, Bits),
    Mx(Option<String>, Bits),
    Ptr(Option<String>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(String),
}

/// A record that was understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    pub(super) directives: Vec<(Qualifier, Mechanism)>,
    /// The domain whose record decides if no mechanism does.
    pub(super) redirect: Option<String>,
}

impl Record {
    /// Reads the text of a record that begins with its version.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > RECORD_BYTES_MAX {
            return Err(format!("the record is longer than {RECORD_BYTES_MAX} bytes"));
        }
        if !text.is_ascii() {
            return Err("the record holds what is not ASCII".to_owned());
        }
        let mut record = Self::default();
        let mut explained = false;
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            if record.directives.len() >= TERMS_MAX {
                return Err(format!("more than {TERMS_MAX} terms"));
            }
            let wrong = |why: &str| format!("{term:?}: {why}");
            match modifier(term) {
                Some((name, value)) => {
                    macros::check(value, true).map_err(|why| wrong(&why))?;
                    if name.eq_ignore_ascii_case("redirect") {
                        let domain = domain(value).map_err(|why| wrong(&why))?;
                        if record.redirect.replace(domain).is_some() {
                            return Err(wrong("it stands there twice"));
                        }
                    } else if name.eq_ignore_ascii_case("exp") && std::mem::replace(&mut explained, true) {
                        return Err(wrong("it stands there twice"));
                    }
                }
                None => record.directives.push(directive(term).map_err(|why| wrong(&why))?),
            }
        }
        Ok(record)
    }
}

/// `name "=" macro-string`: what is no mechanism has its equals sign before any other sign.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    is_name.then_some((name, value))
}

fn directive(term: &str) -> Result<(Qualifier, Mechanism), String> {
    let (qualifier, rest) = match term.as_bytes().first() {
        Some(b'+') => (Qualifier::Pass, &term[1..]),
        Some(b'-') => (Qualifier::Fail, &term[1..]),
        Some(b'~') => (Qualifier::SoftFail, &term[1..]),
        Some(b'?') => (Qualifier::Neutral, &term[1..]),
        _ => (Qualifier::Pass, term),
    };
    let name_end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, argument) = rest.split_at(name_end);
    let given = argument.strip_prefix(':');
    let plain = |mechanism| if argument.is_empty() { Ok(mechanism) } else { Err("nothing may follow it".to_owned()) };
    let needed =
        || given.filter(|given| !given.is_empty()).ok_or_else(|| "its domain or address is missing".to_owned());
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" => plain(Mechanism::All)?,
        "include" => Mechanism::Include(domain(needed()?)?),
        "exists" => Mechanism::Exists(domain(needed()?)?),
        "ptr" => match given {
            Some(given) => Mechanism::Ptr(Some(domain(given)?)),
            None => plain(Mechanism::Ptr(None))?,
        },
        "a" => {
            let (domain, bits) = domain_and_bits(argument)?;
            Mechanism::A(domain, bits)
        }
        "mx" => {
            let (domain, bits) = domain_and_bits(argument)?;
            Mechanism::Mx(domain, bits)
        }
        "ip4" => {
            let (address, bits) =
                needed()?.split_once('/').map_or((needed()?, None), |(left, right)| (left, Some(right)));
            let address = address.parse().map_err(|_| format!("{address:?} is no IPv4 address"))?;
            Mechanism::Ip4(address, bits.map_or(Ok(32), |bits| prefix(bits, 32))?)
        }
        "ip6" => {
            let (address, bits) =
                needed()?.split_once('/').map_or((needed()?, None), |(left, right)| (left, Some(right)));
            let address = address.parse().map_err(|_| format!("{address:?} is no IPv6 address"))?;
            Mechanism::Ip6(address, bits.map_or(Ok(128), |bits| prefix(bits, 128))?)
        }
        _ => return Err("no such mechanism".to_owned()),
    };
    Ok((qualifier, mechanism))
}

/// `[ ":" domain-spec ] [ dual-cidr-length ]`.
fn domain_and_bits(argument: &str) -> Result<(Option<String>, Bits), String> {
    let mut braces = false;
    let cut = argument.bytes().position(|byte| {
        match byte {
            b'{' => braces = true,
            b'}' => braces = false,
            _ => {}
        }
        byte == b'/' && !braces
    });
    let (name, bits) = argument.split_at(cut.unwrap_or(argument.len()));
    let name = name.strip_prefix(':').map(domain).transpose()?;
    let (ip4, ip6) = match bits.split_once("//") {
        Some((ip4, ip6)) => (ip4, Some(ip6)),
        None => (bits, None),
    };
    let ip4 = ip4.strip_prefix('/').map_or(Ok(32), |ip4| prefix(ip4, 32))?;
    let ip6 = ip6.map_or(Ok(128), |ip6| prefix(ip6, 128))?;
    Ok((name, Bits { ip4, ip6 }))
}

fn prefix(text: &str, max: u8) -> Result<u8, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let number = if is_number { text.parse().ok() } else { None };
    number.filter(|number| *number <= max).ok_or_else(|| format!("{text:?} is no length of a prefix up to {max}"))
}

/// `domain-spec`: not empty, and of known macros.
fn domain(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("its domain is missing".to_owned());
    }
    macros::check(text, false)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: Bits = Bits { ip4: 32, ip6: 128 };

    #[test]
    fn every_mechanism_is_read() {
        let text = "v=spf1 +mx -a:x.test/24//64 ~ip4:192.0.2.0/24 ?ip6:2001:db8::/32  include:_spf.test \
                    exists:%{ir}.%{v}._spf.%{d2} ptr ptr:y.test a/16 a//48 unknown=x/y:z exp=e.test -all";
        let record = Record::read(text).expect("a record");
        let spec = |text: &str| Some(text.to_owned());
        let expected = vec![
            (Qualifier::Pass, Mechanism::Mx(None, WHOLE)),
            (Qualifier::Fail, Mechanism::A(spec("x.test"), Bits { ip4: 24, ip6: 64 })),
            (Qualifier::SoftFail, Mechanism::Ip4([192, 0, 2, 0].into(), 24)),
            (Qualifier::Neutral, Mechanism::Ip6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0].into(), 32)),
            (Qualifier::Pass, Mechanism::Include("_spf.test".to_owned())),
            (Qualifier::Pass, Mechanism::Exists("%{ir}.%{v}._spf.%{d2}".to_owned())),
            (Qualifier::Pass, Mechanism::Ptr(None)),
            (Qualifier::Pass, Mechanism::Ptr(spec("y.test"))),
            (Qualifier::Pass, Mechanism::A(None, Bits { ip4: 16, ip6: 128 })),
            (Qualifier::Pass, Mechanism::A(None, Bits { ip4: 32, ip6: 48 })),
            (Qualifier::Fail, Mechanism::All),
        ];
        assert_eq!(record, Record { directives: expected, redirect: None });
        let redirected = Record::read("v=spf1 redirect=_spf.test").expect("a record");
        assert_eq!(redirected.redirect.as_deref(), Some("_spf.test"));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for wrong in [
            "all:x",
            "all/8",
            "include",
            "include:",
            "exists",
            "ip4",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4/08",
            "ip6:1.2.3.4",
            "ip6:::1/129",
            "a/33",
            "a//129",
            "a:",
            "mx/x",
            "mxx",
            "all,",
            "-",
            "ptr:",
            "exists:%{x}",
            "exists:%{d",
            "exists:%x",
            "redirect=a redirect=b",
            "exp=a exp=b",
            "redirect=",
            "ä",
            "~~all",
            "a/1/2",
        ] {
            assert!(Record::read(&format!("v=spf1 {wrong}")).is_err(), "{wrong}");
        }
        assert!(Record::read(&format!("v=spf1{}", " a".repeat(TERMS_MAX + 1))).is_err());
        assert!(Record::read(&format!("v=spf1 {}", "a".repeat(RECORD_BYTES_MAX))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}", terms in "v=spf1( [-+~?]?(a|mx|ip4|ip6|exists|include|redirect=)[:/%{}a-z0-9.]{0,12}){0,6}") {
            let _ = Record::read(&text);
            let _ = Record::read(&terms);
        }
    }
}
