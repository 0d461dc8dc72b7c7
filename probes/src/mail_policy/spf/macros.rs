//! Macros in SPF's domains (RFC 7208 section 7).

use std::net::IpAddr;

/// Longest name in bytes: what is longer loses labels at its front (RFC 7208 section 7.3).
const NAME_BYTES_MAX: usize = 253;

/// What macros stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// The address that sends.
    pub(super) sender: IpAddr,
    /// The domain of the sender's address.
    pub(super) origin: &'a str,
    /// The domain whose record is being read.
    pub(super) domain: &'a str,
}

/// Whether a text's macros can be expanded. Only explanations may use all of them.
pub(super) fn check(text: &str, explains: bool) -> Result<(), String> {
    let context = Context { sender: IpAddr::from([127, 0, 0, 1]), origin: "x", domain: "x" };
    walk(text, &context, explains).map(drop)
}

/// Whether a text says the same for every sender.
pub(super) fn is_same_for_all(text: &str) -> bool {
    let mut rest = text.to_ascii_lowercase();
    for same in ["%{d", "%{o"] {
        rest = rest.replace(same, "");
    }
    !rest.contains("%{")
}

/// A domain with its macros expanded.
pub(super) fn expand(text: &str, context: &Context<'_>) -> Result<String, String> {
    let mut name = walk(text, context, false)?;
    while name.len() > NAME_BYTES_MAX {
        match name.split_once('.') {
            Some((_, rest)) => name = rest.to_owned(),
            None => return Err("a name that is too long".to_owned()),
        }
    }
    Ok(name)
}

fn walk(text: &str, context: &Context<'_>, explains: bool) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((plain, tail)) = rest.split_once('%') {
        expanded.push_str(visible(plain)?);
        let mut signs = tail.chars();
        match signs.next() {
            Some('%') => expanded.push('%'),
            Some('_') => expanded.push(' '),
            Some('-') => expanded.push_str("%20"),
            Some('{') => {
                let (inner, after) = signs.as_str().split_once('}').ok_or("a macro without an end")?;
                expanded.push_str(&one(inner, context, explains)?);
                rest = after;
                continue;
            }
            _ => return Err("a percent sign that begins no macro".to_owned()),
        }
        rest = signs.as_str();
    }
    expanded.push_str(visible(rest)?);
    Ok(expanded)
}

fn visible(text: &str) -> Result<&str, String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err("a sign that is not visible".to_owned())
    }
}

/// `macro-letter transformers *delimiter`.
fn one(inner: &str, context: &Context<'_>, explains: bool) -> Result<String, String> {
    let unknown = || format!("%{{{inner}}} is no macro");
    let mut signs = inner.chars();
    let value = match signs.next().ok_or_else(unknown)?.to_ascii_lowercase() {
        's' => format!("postmaster@{}", context.origin),
        'l' => "postmaster".to_owned(),
        'o' | 'h' => context.origin.to_owned(),
        'd' => context.domain.to_owned(),
        'i' => dotted(context.sender),
        // Expanding it would cost questions; the standard allows this word (RFC 7208 section 7.3).
        'p' => "unknown".to_owned(),
        'v' => if context.sender.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
        'c' if explains => context.sender.to_string(),
        'r' if explains => "unknown".to_owned(),
        't' if explains => "0".to_owned(),
        _ => return Err(unknown()),
    };
    let rest = signs.as_str();
    let digits = rest.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(digits);
    let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(delimiters) => (true, delimiters),
        None => (false, rest),
    };
    if !delimiters.bytes().all(|byte| matches!(byte, b'.' | b'-' | b'+' | b',' | b'/' | b'_' | b'=')) {
        return Err(unknown());
    }
    let keep = match digits {
        "" => usize::MAX,
        digits => digits.parse().ok().filter(|keep| *keep > 0).ok_or_else(unknown)?,
    };
    let is_delimiter = |sign: char| if delimiters.is_empty() { sign == '.' } else { delimiters.contains(sign) };
    let mut parts: Vec<&str> = value.split(is_delimiter).collect();
    if reversed {
        parts.reverse();
    }
    Ok(parts[parts.len().saturating_sub(keep)..].join("."))
}

/// An address as labels: octets, or the 32 digits of IPv6.
fn dotted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let digits = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            digits.map(|digit| format!("{digit:x}")).collect::<Vec<_>>().join(".")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_expand() {
        // RFC 7208 section 7.4, with the sender that a probe has.
        let context = |sender: &str| Context {
            sender: sender.parse().expect("an address"),
            origin: "email.example.com",
            domain: "email.example.com",
        };
        for (text, expanded) in [
            ("%{s}", "postmaster@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "postmaster.lp._spf.example.com"),
            ("%%%_%-", "% %20"),
        ] {
            assert_eq!(walk(text, &context("192.0.2.3"), false).as_deref(), Ok(expanded), "{text}");
        }
        assert_eq!(
            expand("%{ir}.%{v}._spf.%{d2}", &context("2001:db8::cb01")).as_deref(),
            Ok("1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com")
        );
        let long = format!("{}.%{{d}}", "a.".repeat(200));
        assert!(expand(&long, &context("192.0.2.3")).expect("a name").len() <= NAME_BYTES_MAX);
    }

    #[test]
    fn a_text_without_the_sender_in_it_is_told() {
        assert!(is_same_for_all("_spf.%{d2}"));
        assert!(!is_same_for_all("%{i}.%{d}"));
    }
}
