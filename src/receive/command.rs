//! Lines of a client as commands (RFC 5321 section 4.1, RFC 2033 section 4, RFC 3207). Knows no state.

use std::borrow::Cow;

/// Longest address with its angle brackets (RFC 5321 section 4.5.3.1.3).
const PATH_BYTES_MAX: usize = 256;
/// Longest domain, or name of a client (RFC 5321 section 4.5.3.1.2).
const DOMAIN_BYTES_MAX: usize = 255;

/// What a client is told: one line, or several with CRLF between them.
pub(super) type Reply = Cow<'static, str>;

/// A command that can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'l> {
    /// `HELO`: no extensions.
    Helo(&'l str),
    /// `EHLO`.
    Ehlo(&'l str),
    /// `LHLO`: of LMTP.
    Lhlo(&'l str),
    /// `STARTTLS`.
    StartTls,
    /// `MAIL FROM`, and the size that the message will have if the client says so.
    Mail { sender: &'l str, size: Option<u64> },
    /// `RCPT TO`.
    Rcpt { recipient: &'l str },
    /// `DATA`.
    Data,
    /// `RSET`.
    Reset,
    /// `NOOP`.
    Noop,
    /// `VRFY`.
    Verify,
    /// `HELP`.
    Help,
    /// `QUIT`.
    Quit,
}

/// A line that is no command of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misread {
    /// The client is told and may go on.
    Told(&'static str),
    /// No mail client says this: the client speaks another protocol.
    Stranger,
}

/// Understands a line without its end.
pub(super) fn read(line: &[u8]) -> Result<Command<'_>, Misread> {
    use Misread::Told;
    let text = std::str::from_utf8(line).ok().filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    // Without SMTPUTF8 (RFC 6531) commands are ASCII, and control characters have no place in them.
    let Some(text) = text else { return Err(Told("500 5.5.2 only printable ASCII in commands")) };
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let alone = |command| if rest.trim_ascii().is_empty() { Ok(command) } else { Err(Told(NO_PARAMETERS)) };
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => name(rest).map(Command::Helo),
        "EHLO" => name(rest).map(Command::Ehlo),
        "LHLO" => name(rest).map(Command::Lhlo),
        "STARTTLS" => alone(Command::StartTls),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => alone(Command::Data),
        "RSET" => alone(Command::Reset),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Verify),
        "HELP" => Ok(Command::Help),
        "QUIT" => alone(Command::Quit),
        "EXPN" | "AUTH" | "BDAT" | "ETRN" | "TURN" => Err(Told("502 5.5.1 not offered here")),
        "GET" | "HEAD" | "POST" | "PUT" | "CONNECT" | "OPTIONS" => Err(Misread::Stranger),
        _ => Err(Told("500 5.5.1 no such command")),
    }
}

const NO_PARAMETERS: &str = "501 5.5.4 this command has no parameters";
const UNKNOWN_PARAMETER: &str = "555 5.5.4 no such parameter";

fn name(text: &str) -> Result<&str, Misread> {
    let text = text.trim_ascii();
    let is_name = (1..=DOMAIN_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    if is_name { Ok(text) } else { Err(Misread::Told("501 5.5.4 say who you are: a domain or an address in brackets")) }
}

fn mail(rest: &str) -> Result<Command<'_>, Misread> {
    let wrong = Misread::Told("501 5.1.7 write MAIL FROM:<address>");
    let Some((sender, parameters)) = keyword(rest, "FROM:").and_then(path) else { return Err(wrong) };
    if !(sender.is_empty() || is_mailbox(sender)) {
        return Err(wrong);
    }
    let mut size = None;
    for parameter in parameters.split_ascii_whitespace() {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match key.to_ascii_uppercase().as_str() {
            // At most twenty digits (RFC 1870 section 3).
            "SIZE" => match value.parse() {
                Ok(bytes) if value.bytes().all(|byte| byte.is_ascii_digit()) => size = Some(bytes),
                _ => return Err(Misread::Told("501 5.5.4 SIZE wants a number")),
            },
            // RFC 6152.
            "BODY" if value.eq_ignore_ascii_case("7BIT") || value.eq_ignore_ascii_case("8BITMIME") => {}
            _ => return Err(Misread::Told(UNKNOWN_PARAMETER)),
        }
    }
    Ok(Command::Mail { sender, size })
}

fn rcpt(rest: &str) -> Result<Command<'_>, Misread> {
    match keyword(rest, "TO:").and_then(path) {
        Some(("", _)) => Err(Misread::Told("501 5.1.3 nobody is no recipient")),
        Some((_, parameters)) if !parameters.trim_ascii().is_empty() => Err(Misread::Told(UNKNOWN_PARAMETER)),
        // "Postmaster" alone is an address too (RFC 5321 section 4.1.1.3).
        Some((recipient, _)) if is_mailbox(recipient) || recipient.eq_ignore_ascii_case("postmaster") => {
            Ok(Command::Rcpt { recipient })
        }
        _ => Err(Misread::Told("501 5.1.3 write RCPT TO:<address>")),
    }
}

fn keyword<'l>(text: &'l str, word: &str) -> Option<&'l str> {
    let (head, rest) = text.split_at_checked(word.len())?;
    head.eq_ignore_ascii_case(word).then_some(rest)
}

/// An address in angle brackets, and what follows it. A route before the address is left out (RFC 5321 appendix C).
fn path(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_start().strip_prefix('<')?;
    let mut quoted = Quoting::default();
    let end = text.bytes().position(|byte| !quoted.covers(byte) && byte == b'>')?;
    let (address, rest) = (&text[..end], &text[end + 1..]);
    if end + 2 > PATH_BYTES_MAX || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let address = if address.starts_with('@') { address.split_once(':')?.1 } else { address };
    Some((address, rest))
}

/// Whether a text is an address: a local part, plain or quoted, `@`, and a domain or an address in brackets.
pub(crate) fn is_mailbox(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_local = match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => {
            let mut quoted = Quoting { inside: true, escaped: false };
            inner.bytes().all(|byte| (b' '..=b'~').contains(&byte) && quoted.covers(byte)) && !quoted.escaped
        }
        None => local.split('.').all(|atom| {
            let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
            !atom.is_empty() && atom.bytes().all(is_atom)
        }),
    };
    let is_domain = match domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => {
            !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.-".contains(&byte))
        }
        None => tuermer_probes::host_name(domain).is_ok(),
    };
    // The local part's limit is 64 (RFC 5321 section 4.5.3.1.1).
    is_local && is_domain && local.len() <= 64 && text.is_ascii()
}

/// Where quotes are open.
#[derive(Default)]
struct Quoting {
    inside: bool,
    escaped: bool,
}

impl Quoting {
    /// Whether a byte is inside quotes; to be called for each in turn.
    fn covers(&mut self, byte: u8) -> bool {
        if std::mem::take(&mut self.escaped) {
            return true;
        }
        match byte {
            b'"' => {
                self.inside = !self.inside;
                false
            }
            b'\\' if self.inside => {
                self.escaped = true;
                true
            }
            _ => self.inside,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_understood() {
        for (line, command) in [
            ("helo mx.example.org", Command::Helo("mx.example.org")),
            ("EHLO [IPv6:2001:db8::1] ", Command::Ehlo("[IPv6:2001:db8::1]")),
            ("MAIL FROM:<>", Command::Mail { sender: "", size: None }),
            ("Mail From:<a@b.example> SIZE=12 BODY=8bitmime", Command::Mail { sender: "a@b.example", size: Some(12) }),
            ("MAIL FROM: <\"a > b\"@[192.0.2.1]>", Command::Mail { sender: "\"a > b\"@[192.0.2.1]", size: None }),
            ("RCPT TO:<@relay.example,@other.example:a@b.example>", Command::Rcpt { recipient: "a@b.example" }),
            ("RCPT TO:<Postmaster>", Command::Rcpt { recipient: "Postmaster" }),
            ("DATA ", Command::Data),
            ("NOOP with words", Command::Noop),
        ] {
            assert_eq!(read(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_told() {
        for (line, code) in [
            ("", "500 5.5.1"),
            ("HELO", "501 5.5.4"),
            ("EHLO a b", "501 5.5.4"),
            ("EHLO a\rb", "500 5.5.2"),
            ("MAIL FROM:a@b.example", "501 5.1.7"),
            ("MAIL FROM:<a@b.example", "501 5.1.7"),
            ("MAIL FROM:<a@b.example>SIZE=1", "501 5.1.7"),
            ("MAIL FROM:<a@b.example> SIZE=+1", "501 5.5.4"),
            ("MAIL FROM:<a@b.example> SIZE=99999999999999999999999", "501 5.5.4"),
            ("MAIL FROM:<a@b.example> SMTPUTF8", "555 5.5.4"),
            ("MAIL FROM:<a@b.example> AUTH=<>", "555 5.5.4"),
            ("MAIL FROM:<a b@b.example>", "501 5.1.7"),
            ("MAIL FROM:<\"a\"b\"@b.example>", "501 5.1.7"),
            ("MAIL FROM:<\"a\\\"@b.example>", "501 5.1.7"),
            ("RCPT TO:<>", "501 5.1.3"),
            ("RCPT TO:<a@b.example> NOTIFY=NEVER", "555 5.5.4"),
            ("RCPT TO:<a@b.example\0>", "500 5.5.2"),
            ("RCPT TO:<ä@b.example>", "500 5.5.2"),
            ("DATA now", "501 5.5.4"),
            ("BDAT 5 LAST", "502 5.5.1"),
            ("EXPN list", "502 5.5.1"),
        ] {
            let Err(Misread::Told(reply)) = read(line.as_bytes()) else { panic!("{line}") };
            assert_eq!(reply.get(..9), Some(code), "{line}");
        }
        assert_eq!(read(b"GET / HTTP/1.1"), Err(Misread::Stranger));
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line: Vec<u8>) {
            let _ = read(&line);
        }

        #[test]
        fn an_address_never_holds_what_ends_a_line(text in "\\PC{0,20}|[a\"\\\\<>@.: \r\n\0-]{0,20}") {
            if let Ok(Command::Rcpt { recipient }) = read(format!("RCPT TO:<{text}>").as_bytes()) {
                prop_assert!(recipient.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }
    }
}
