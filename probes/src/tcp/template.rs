//! Text with holes: groups of a match in Go's notation (`$1`, `${name}`), and secrets (`${env:NAME}`, `${file:PATH}`).
//!
//! Split once when the configuration is loaded. Knows no connection.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use crate::failure::{Failure, Reason, shown};
use crate::net::Net;
use crate::pattern::{Groups, Pattern};
use crate::recorder::NOTE_BYTES_MAX;
use crate::secret::Secret;

/// Longest text that may be made of what the peer sent, in bytes. Chosen: sixteen of the longest lines.
const FILLED_BYTES_MAX: usize = 1024 * 1024;

/// Text with holes.
#[derive(Debug, Default)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Box<[u8]>),
    /// The first of these groups that took part in the match.
    Group(Box<[usize]>),
    Secret(Secret),
}

impl Template {
    /// Text in which only secrets are replaced.
    pub(crate) fn literal(text: &[u8]) -> Result<Self, String> {
        Split { holes: Holes::Secrets, parts: Vec::new(), text: Vec::new() }.run(text)
    }

    /// Text in which secrets and groups of the pattern are replaced.
    pub(crate) fn of_match(text: &[u8], pattern: &Pattern) -> Result<Self, String> {
        Split { holes: Holes::SecretsAndGroups(pattern), parts: Vec::new(), text: Vec::new() }.run(text)
    }

    /// Text in which only groups of the pattern are replaced.
    pub(crate) fn of_groups(text: &[u8], pattern: &Pattern) -> Result<Self, String> {
        Split { holes: Holes::Groups(pattern), parts: Vec::new(), text: Vec::new() }.run(text)
    }

    /// Whether a match is needed to fill it.
    pub(crate) fn has_groups(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Group(_)))
    }

    /// The text without holes. Secrets in it are known to the veil afterwards.
    pub(crate) fn fill(&self, net: &Net, groups: Option<&Groups<'_>>, veil: &mut Veil) -> Result<Vec<u8>, Failure> {
        let mut filled = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.extend_from_slice(text),
                Part::Group(numbers) => {
                    let group = groups.and_then(|groups| numbers.iter().find_map(|number| groups.get(*number)));
                    let group = group.unwrap_or_default();
                    if filled.len() + group.len() > FILLED_BYTES_MAX {
                        let message = format_args!("the answer makes a text longer than {FILLED_BYTES_MAX} bytes");
                        return Err(Failure::new(Reason::TooLong, message));
                    }
                    filled.extend_from_slice(group);
                }
                Part::Secret(secret) => {
                    let value = net.secret(secret)?;
                    filled.extend_from_slice(value.as_bytes());
                    veil.hide(value);
                }
            }
        }
        Ok(filled)
    }
}

/// What is replaced.
#[derive(Clone, Copy)]
enum Holes<'a> {
    Secrets,
    Groups(&'a Pattern),
    SecretsAndGroups(&'a Pattern),
}

struct Split<'a> {
    holes: Holes<'a>,
    parts: Vec<Part>,
    /// Text since the last hole.
    text: Vec<u8>,
}

impl Split<'_> {
    fn run(mut self, mut rest: &[u8]) -> Result<Template, String> {
        while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
            self.text.extend_from_slice(&rest[..at]);
            rest = self.hole(&rest[at..])?;
        }
        self.text.extend_from_slice(rest);
        self.end_text();
        Ok(Template(self.parts))
    }

    /// Reads what begins with a dollar and returns what follows.
    fn hole<'t>(&mut self, text: &'t [u8]) -> Result<&'t [u8], String> {
        if !matches!(self.holes, Holes::Groups(_))
            && let Some((reference, after)) = secret_reference(text)
        {
            self.end_text();
            self.parts.push(Part::Secret(Secret::parse(reference)?));
            return Ok(after);
        }
        let rest = &text[1..];
        let (Holes::Groups(pattern) | Holes::SecretsAndGroups(pattern)) = self.holes else {
            self.text.push(b'$');
            return Ok(rest);
        };
        if let Some(after) = rest.strip_prefix(b"$") {
            self.text.push(b'$');
            return Ok(after);
        }
        let Some((name, after)) = group_name(rest) else {
            // A lone dollar stays.
            self.text.push(b'$');
            return Ok(rest);
        };
        // A group that the pattern does not have is empty.
        let numbers = match group_number(name) {
            Some(number) => Box::from([number]),
            None => pattern.groups_named(name).collect(),
        };
        self.end_text();
        self.parts.push(Part::Group(numbers));
        Ok(after)
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.text).into()));
        }
    }
}

/// The `${env:NAME}` or `${file:PATH}` that the text begins with, and what follows it.
fn secret_reference(text: &[u8]) -> Option<(&str, &[u8])> {
    if !text.starts_with(b"${env:") && !text.starts_with(b"${file:") {
        return None;
    }
    let end = text.iter().position(|byte| *byte == b'}')?;
    let reference = std::str::from_utf8(&text[..=end]).ok()?;
    Some((reference, &text[end + 1..]))
}

/// Letters, digits and underscores, as Go tells them: of digits only the decimal ones, of letters no marks.
static NAME: LazyLock<regex::Regex> =
    LazyLock::new(|| regex::Regex::new(r"^[\p{L}\p{Nd}_]+").expect("the pattern is right"));

/// The name after a dollar and what follows it: `name` or `{name}`, of letters, digits and underscores.
fn group_name(rest: &[u8]) -> Option<(&str, &[u8])> {
    let (braced, rest) = match rest.strip_prefix(b"{") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let text = rest.utf8_chunks().next()?.valid();
    let name = NAME.find(text)?.as_str();
    let after = &rest[name.len()..];
    Some((name, if braced { after.strip_prefix(b"}")? } else { after }))
}

/// The number a group's name is, unless it is spelt with leading zeros.
fn group_number(name: &str) -> Option<usize> {
    let canonical = name == "0" || !name.starts_with('0');
    name.parse().ok().filter(|_| canonical && name.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The secrets that were sent, so that a peer that repeats them does not bring them to light.
#[derive(Debug, Default)]
pub(crate) struct Veil(Vec<Box<str>>);

impl Veil {
    fn hide(&mut self, secret: String) {
        if !secret.is_empty() {
            self.0.push(secret.into());
        }
    }

    /// The bytes with every secret replaced.
    pub(crate) fn over<'b>(&self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        let mut veiled = Cow::Borrowed(bytes);
        for secret in &self.0 {
            let mut rest: &[u8] = &veiled;
            let mut kept = Vec::new();
            while let Some(at) = rest.windows(secret.len()).position(|window| window == secret.as_bytes()) {
                kept.extend_from_slice(&rest[..at]);
                kept.extend_from_slice(b"<secret>");
                rest = &rest[at + secret.len()..];
            }
            if !kept.is_empty() {
                kept.extend_from_slice(rest);
                veiled = Cow::Owned(kept);
            }
        }
        veiled
    }

    /// The bytes as a note may show them; nothing is done before the note is written.
    pub(crate) fn shown<'v>(&'v self, bytes: &'v [u8]) -> impl fmt::Display + 'v {
        fmt::from_fn(move |f| f.write_str(&shown(&self.over(bytes), NOTE_BYTES_MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    fn filled(template: &Template, groups: Option<&Groups<'_>>) -> String {
        let bytes = template.fill(&testkit::net(), groups, &mut Veil::default()).expect("short");
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn expanded(template: &str) -> String {
        let pattern = Pattern::new("^(?P<proto>[A-Z]+)-(?P<v>[0-9.]+)(-x)?").expect("a pattern");
        let groups = pattern.captures(b"SSH-2.0-OpenSSH").expect("a match");
        filled(&Template::of_match(template.as_bytes(), &pattern).expect("a template"), Some(&groups))
    }

    #[test]
    fn groups_are_written_as_in_go() {
        assert_eq!(expanded("$proto ${v} $v_x ${v}x $"), "SSH 2.0  2.0x $");
        assert_eq!(expanded("$0|$1|${2}|$3|$4|$1x|${1}x"), "SSH-2.0|SSH|2.0||||SSHx");
        assert_eq!(expanded("$$1 $ {1} ${1 ${} $-"), "$1 $ {1} ${1 ${} $-");
        assert_eq!(expanded("$1² $1\u{301} $1é $1٣ ${1²}"), "SSH² SSH\u{301}   ${1²}");
        assert_eq!(expanded("${01} ${00} $99999999999999999999 ${v-} äö"), "   ${v-} äö");
    }

    #[test]
    fn a_text_without_a_match_is_literal() {
        let template = Template::literal(b"$1 ${name} $$ $").expect("a template");
        assert!(!template.has_groups());
        assert_eq!(filled(&template, None), "$1 ${name} $$ $");
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let template = Template::literal(b"\x00\xd2$\xff").expect("a template");
        assert_eq!(template.fill(&testkit::net(), None, &mut Veil::default()), Ok(b"\x00\xd2$\xff".to_vec()));
    }

    #[test]
    fn a_secret_is_filled_in_and_hidden() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tcp/template.rs");
        let text = format!("PASS ${{file:{}}}\r", path.display());
        let template = Template::literal(text.as_bytes()).expect("a template");
        let mut veil = Veil::default();
        let sent = template.fill(&testkit::net(), None, &mut veil).expect("a file");
        assert!(sent.starts_with(b"PASS //! Text with holes") && sent.ends_with(b"\r"));
        assert_eq!(veil.shown(&sent).to_string(), "PASS <secret>\\r");
    }

    #[test]
    fn a_missing_variable_is_an_error_at_load() {
        let error = Template::literal(b"PASS ${env:TUERMER_NO_SUCH_VARIABLE}").expect_err("not set");
        assert!(error.contains("TUERMER_NO_SUCH_VARIABLE"), "{error}");
    }

    #[test]
    fn every_repetition_of_a_secret_is_veiled() {
        let veil = Veil(vec!["hunter2".into()]);
        assert_eq!(veil.shown(b"hunter2 xhunter2x hunter").to_string(), "<secret> x<secret>x hunter");
    }

    #[test]
    fn what_is_filled_is_bounded() {
        let pattern = Pattern::new("(.*)").expect("a pattern");
        let line = vec![b'x'; 64 * 1024];
        let template = Template::of_match("$1".repeat(17).as_bytes(), &pattern).expect("a template");
        let filled = template.fill(&testkit::net(), pattern.captures(&line).as_ref(), &mut Veil::default());
        assert_eq!(filled.map_err(|failure| failure.reason()), Err(Reason::TooLong));
    }
}
