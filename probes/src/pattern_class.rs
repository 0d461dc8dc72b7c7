//! Characters of a pattern and classes of them, as Go reads them, rewritten for the regex crate.
//!
//! Knows what matches one character; groups and repetitions are [`crate::pattern_syntax`]'s.

use std::fmt::Write as _;

/// ASCII classes by the letter after the backslash; the upper-case letter is the opposite. Unlike the regex crate's,
/// `\s` has no vertical tab.
const PERL_CLASSES: &[(char, &str)] = &[('d', "0-9"), ('s', r"\t\n\x0C\r\x20"), ('w', "0-9A-Za-z_")];

/// ASCII classes by the name inside `[: :]`.
const POSIX_CLASSES: &[(&str, &str)] = &[
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7F"),
    ("blank", r"\t\x20"),
    ("cntrl", r"\x00-\x1F\x7F"),
    ("digit", "0-9"),
    ("graph", r"\x21-\x7E"),
    ("lower", "a-z"),
    ("print", r"\x20-\x7E"),
    ("punct", r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E"),
    ("space", r"\t\n\x0B\x0C\r\x20"),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// The class of this name: a general category or a script, as in Go. The regex crate would also take other properties
/// and spellings (`\p{sc=Greek}`, `\p{Alphabetic}`).
fn unicode_class(name: &str, negated: bool) -> Option<String> {
    let letter = if negated { 'P' } else { 'p' };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ')) {
        return None;
    }
    // Surrogates are no characters: no text has one.
    if matches!(name.to_ascii_lowercase().replace(['_', '-', ' '], "").as_str(), "cs" | "surrogate") {
        return Some(if negated { r"[\x{0}-\x{10FFFF}]" } else { r"[^\x{0}-\x{10FFFF}]" }.to_owned());
    }
    let classes = ["gc", "sc"].map(|property| format!(r"\{letter}{{{property}={name}}}"));
    classes.into_iter().find(|class| regex::bytes::Regex::new(class).is_ok())
}

/// A pattern that is being rewritten.
pub(crate) struct Rewrite<'s> {
    /// What is left to read.
    pub(crate) rest: &'s str,
    /// What is written.
    pub(crate) done: String,
}

impl<'s> Rewrite<'s> {
    pub(crate) fn of(source: &'s str) -> Self {
        Self { rest: source, done: String::with_capacity(source.len() * 2) }
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Goes on behind the prefix, if the rest has it.
    pub(crate) fn skip(&mut self, prefix: &str) -> bool {
        self.rest.strip_prefix(prefix).inspect(|rest| self.rest = rest).is_some()
    }

    /// Writes a character so that it stands for itself, inside and outside of a class.
    pub(crate) fn literal(&mut self, c: char) {
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            let _ = write!(self.done, r"\x{:02X}", u32::from(c));
        } else {
            self.done.push(c);
        }
    }

    /// `\d`, `\pN` and their like, behind the backslash, which mean the same inside and outside of a class. False if the
    /// escape is another.
    pub(crate) fn class_escape(&mut self) -> Result<bool, String> {
        let mut after = self.rest.chars();
        let letter = after.next().unwrap_or_default();
        if let 'p' | 'P' = letter {
            self.rest = after.as_str();
            self.unicode_class(letter == 'P')?;
            return Ok(true);
        }
        let Some((_, ranges)) = PERL_CLASSES.iter().find(|(name, _)| *name == letter.to_ascii_lowercase()) else {
            return Ok(false);
        };
        self.rest = after.as_str();
        self.ranges(ranges, letter.is_ascii_uppercase());
        Ok(true)
    }

    fn ranges(&mut self, ranges: &str, negated: bool) {
        let caret = if negated { "^" } else { "" };
        let _ = write!(self.done, "[{caret}{ranges}]");
    }

    /// `N` or `{name}`, behind `\p` or `\P`.
    fn unicode_class(&mut self, mut negated: bool) -> Result<(), String> {
        let unknown = || "invalid character class range: \\p without a known name".to_owned();
        let name = match self.next().ok_or_else(unknown)? {
            '{' => {
                let (name, rest) = self.rest.split_once('}').ok_or_else(unknown)?;
                self.rest = rest;
                let opposite = name.strip_prefix('^');
                negated ^= opposite.is_some();
                opposite.unwrap_or(name).to_owned()
            }
            letter => letter.to_string(),
        };
        let class = unicode_class(&name, negated).ok_or_else(unknown)?;
        self.done.push_str(&class);
        Ok(())
    }

    /// The character that an escape stands for, behind the backslash.
    pub(crate) fn char_escape(&mut self) -> Result<char, String> {
        let c = self.next().ok_or("trailing backslash at end of expression")?;
        let unknown = || format!("invalid escape sequence: \\{c}");
        match c {
            'a' => Ok('\x07'),
            'f' => Ok('\x0C'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\x0B'),
            'x' => self.hex().ok_or_else(unknown),
            '0'..='7' => {
                let is_octal = |c: &char| matches!(c, '0'..='7');
                let digits = self.rest.chars().take(2).take_while(is_octal).count();
                if c != '0' && digits == 0 {
                    return Err(format!("invalid escape sequence: \\{c} (RE2 has no back-references)"));
                }
                let (octal, rest) = self.rest.split_at(digits);
                self.rest = rest;
                let value = octal.bytes().fold(u32::from(c) - 0x30, |value, digit| value * 8 + u32::from(digit) - 0x30);
                char::from_u32(value).ok_or_else(unknown)
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(c),
            _ => Err(unknown()),
        }
    }

    /// `41` or `{1F600}`, behind `\x`.
    fn hex(&mut self) -> Option<char> {
        let (digits, rest) = match self.rest.strip_prefix('{') {
            Some(rest) => rest.split_once('}')?,
            None => self.rest.split_at_checked(2)?,
        };
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        let digits = digits.trim_start_matches('0');
        char::from_u32(if digits.is_empty() { 0 } else { u32::from_str_radix(digits, 16).ok()? })
    }

    /// A class in brackets, behind the opening one.
    pub(crate) fn class(&mut self) -> Result<(), String> {
        self.done.push('[');
        if self.skip("^") {
            self.done.push('^');
        }
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.posix_class()? {
                continue;
            }
            if let Some(rest) = self.rest.strip_prefix('\\') {
                let before = std::mem::replace(&mut self.rest, rest);
                if self.class_escape()? {
                    continue;
                }
                self.rest = before;
            }
            let low = self.class_char()?;
            self.literal(low);
            if self.rest.starts_with('-') && !self.rest[1..].starts_with(']') && self.rest.len() > 1 {
                self.rest = &self.rest[1..];
                let high = self.class_char()?;
                if high < low {
                    return Err(format!("invalid character class range: {low}-{high}"));
                }
                self.done.push('-');
                self.literal(high);
            }
        }
        self.rest = &self.rest[1..];
        self.done.push(']');
        Ok(())
    }

    fn class_char(&mut self) -> Result<char, String> {
        match self.next().ok_or("missing closing ]")? {
            '\\' => self.char_escape(),
            c => Ok(c),
        }
    }

    /// `[:name:]` or `[:^name:]`. False if the rest begins with neither.
    fn posix_class(&mut self) -> Result<bool, String> {
        let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) else {
            return Ok(false);
        };
        let opposite = name.strip_prefix('^');
        let wanted = opposite.unwrap_or(name);
        let Some((_, ranges)) = POSIX_CLASSES.iter().find(|(known, _)| *known == wanted) else {
            return Err(format!("invalid character class range: [:{name}:]"));
        };
        self.rest = rest;
        self.ranges(ranges, opposite.is_some());
        Ok(true)
    }
}
