//! RE2's pattern syntax, as Go reads it, rewritten for the regex crate (RE2 wiki "Syntax"; Go package regexp/syntax).
//!
//! One walk over the pattern with a stack of open groups. What RE2 refuses is refused here, with the reason; what the
//! regex crate reads in another way is spelt so that both mean the same. Flags and their scopes are alike in both and
//! are passed on. Knows nothing of matching.

use std::fmt::Write as _;

/// Largest repetition count, also multiplied over nested repetitions (RE2 wiki "Syntax", Go `repeatIsValid`).
const REPEAT_MAX: u32 = 1000;

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

/// A pattern in the regex crate's syntax.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Translated {
    /// The pattern; its groups have numbers only.
    pub(crate) pattern: String,
    /// The groups' names with their numbers. Several groups may have one name.
    pub(crate) names: Vec<(Box<str>, usize)>,
    /// Whether it has `\B`, which the regex crate also finds inside a character of several bytes.
    pub(crate) has_no_boundary: bool,
}

/// Rewrites a pattern.
pub(crate) fn translate(source: &str) -> Result<Translated, String> {
    Translator {
        source,
        rest: source,
        done: Translated { pattern: String::with_capacity(source.len() * 2), ..Translated::default() },
        groups: 0,
        open: Vec::new(),
        alternative: Alternative::default(),
        follows_repeat: false,
    }
    .run()
}

struct Translator<'s> {
    source: &'s str,
    rest: &'s str,
    done: Translated,
    /// How many groups have numbers.
    groups: usize,
    /// What was going on when each of the open groups began.
    open: Vec<Alternative>,
    alternative: Alternative,
    /// Whether a repetition stands before.
    follows_repeat: bool,
}

/// The part of a group that is being read.
#[derive(Default)]
struct Alternative {
    /// What a repetition would repeat, told by the nested repetitions in it, multiplied.
    last: Option<u32>,
    /// The largest of them in the group.
    largest: u32,
}

impl<'s> Translator<'s> {
    fn run(mut self) -> Result<Translated, String> {
        while let Some(c) = self.next() {
            let follows_repeat = std::mem::take(&mut self.follows_repeat);
            match c {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.done.pattern.push('|');
                    self.alternative.last = None;
                }
                '^' => self.atom("^"),
                '$' => self.atom("$"),
                '.' => self.atom("."),
                '[' => self.class()?,
                '*' | '+' | '?' => self.repeat(c.encode_utf8(&mut [0; 4]), None, follows_repeat)?,
                '{' => match self.counts() {
                    Some(counts) => self.repeat(counts.text, Some(counts), follows_repeat)?,
                    None => self.literal('{'),
                },
                '\\' => self.escape()?,
                c => self.literal(c),
            }
        }
        if self.open.is_empty() { Ok(self.done) } else { Err("missing closing )".to_owned()) }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Goes on behind the prefix, if the rest has it.
    fn skip(&mut self, prefix: &str) -> bool {
        self.rest.strip_prefix(prefix).inspect(|rest| self.rest = rest).is_some()
    }

    /// Writes something that a repetition can follow.
    fn atom(&mut self, text: &str) {
        self.done.pattern.push_str(text);
        self.item(1);
    }

    fn literal(&mut self, c: char) {
        push_char(&mut self.done.pattern, c);
        self.item(1);
    }

    fn item(&mut self, repeats: u32) {
        self.alternative.last = Some(repeats);
        self.alternative.largest = self.alternative.largest.max(repeats);
    }

    // Groups.

    fn open_group(&mut self) -> Result<(), String> {
        if !self.skip("?") {
            self.groups += 1;
            return self.begin_group("(");
        }
        if self.skip("P<") || self.skip("<") {
            let name = self.rest.split('>').next().filter(|name| name.len() < self.rest.len());
            let name = name.filter(|name| is_group_name(name)).ok_or("invalid group name, or look-behind")?;
            self.rest = &self.rest[name.len() + 1..];
            self.groups += 1;
            self.done.names.push((name.into(), self.groups));
            return self.begin_group("(");
        }
        self.flags()
    }

    /// `(?flags)` or `(?flags:`, behind the question mark.
    fn flags(&mut self) -> Result<(), String> {
        let (mut on, mut off, mut minus) = (String::new(), String::new(), false);
        loop {
            let c = self.next().ok_or("missing closing )")?;
            match c {
                'i' | 'm' | 's' | 'U' => {
                    let flags = if minus { &mut off } else { &mut on };
                    if !flags.contains(c) {
                        flags.push(c);
                    }
                }
                '-' if !minus => minus = true,
                ':' | ')' if !(minus && off.is_empty()) => {
                    on.retain(|flag| !off.contains(flag));
                    let minus = if minus { "-" } else { "" };
                    if c == ':' {
                        return self.begin_group(&format!("(?{on}{minus}{off}:"));
                    }
                    if !(on.is_empty() && off.is_empty()) {
                        let _ = write!(self.done.pattern, "(?{on}{minus}{off})");
                    }
                    self.alternative.last = None;
                    return Ok(());
                }
                c => return Err(format!("{c:?} after (?: RE2 has the flags i, m, s and U, and no look-around")),
            }
        }
    }

    fn begin_group(&mut self, text: &str) -> Result<(), String> {
        self.done.pattern.push_str(text);
        self.open.push(std::mem::take(&mut self.alternative));
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), String> {
        let around = self.open.pop().ok_or("unexpected )")?;
        let inside = std::mem::replace(&mut self.alternative, around);
        self.done.pattern.push(')');
        self.item(inside.largest.max(1));
        Ok(())
    }

    // Repetitions.

    /// A repetition operator, behind itself.
    fn repeat(&mut self, operator: &str, counts: Option<Counts<'_>>, follows_repeat: bool) -> Result<(), String> {
        if follows_repeat {
            return Err(format!("a repetition cannot be repeated: {operator} follows another"));
        }
        let last = self.alternative.last.ok_or_else(|| format!("{operator} has nothing to repeat"))?;
        if let Some(Counts { min, max, .. }) = counts {
            let most = max.unwrap_or(min);
            let repeats = match max {
                Some(0) => 1,
                _ => last.saturating_mul(most.max(1)),
            };
            if most < min {
                return Err(format!("{operator} ends before it begins"));
            }
            if most > REPEAT_MAX || repeats > REPEAT_MAX {
                return Err(format!("{operator} makes more than {REPEAT_MAX} repetitions in all"));
            }
            self.item(repeats);
        }
        self.done.pattern.push_str(operator);
        if self.skip("?") {
            self.done.pattern.push('?');
        }
        self.follows_repeat = true;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`, behind the brace. Anything else is no repetition but a brace.
    fn counts(&mut self) -> Option<Counts<'s>> {
        let (min, rest) = number(self.rest)?;
        let (max, rest) = match rest.strip_prefix(',') {
            None => (Some(min), rest),
            Some(rest) if rest.starts_with('}') => (None, rest),
            Some(rest) => number(rest).map(|(max, rest)| (Some(max), rest))?,
        };
        let rest = rest.strip_prefix('}')?;
        let start = self.source.len() - self.rest.len() - 1;
        self.rest = rest;
        Some(Counts { min, max, text: &self.source[start..self.source.len() - rest.len()] })
    }

    // Escapes.

    /// An escape outside a class, behind the backslash.
    fn escape(&mut self) -> Result<(), String> {
        let mut after = self.rest.chars();
        match after.next() {
            Some('A') => self.atom(r"\A"),
            Some('z') => self.atom(r"\z"),
            Some('b') => self.atom(r"(?-u:\b)"),
            Some('B') => {
                self.done.has_no_boundary = true;
                self.atom(r"(?-u:\B)");
            }
            Some('Q') => {
                let quoted = &self.rest[1..];
                let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
                self.rest = rest;
                quoted.chars().for_each(|c| self.literal(c));
                return Ok(());
            }
            _ => {
                if self.class_escape()? {
                    self.item(1);
                } else {
                    let c = self.char_escape()?;
                    self.literal(c);
                }
                return Ok(());
            }
        }
        self.rest = after.as_str();
        Ok(())
    }

    /// `\d`, `\pN` and their like, behind the backslash, which mean the same inside and outside of a class. False if the
    /// escape is another.
    fn class_escape(&mut self) -> Result<bool, String> {
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
        let _ = write!(self.done.pattern, "[{caret}{ranges}]");
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
        // The regex crate would also take `\p{sc=Greek}` and other spellings that are not RE2's.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ')) {
            return Err(unknown());
        }
        let letter = if negated { 'P' } else { 'p' };
        let _ = write!(self.done.pattern, r"\{letter}{{{name}}}");
        Ok(())
    }

    /// The character that an escape stands for, behind the backslash.
    fn char_escape(&mut self) -> Result<char, String> {
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

    // Classes.

    /// A class in brackets, behind the opening one.
    fn class(&mut self) -> Result<(), String> {
        self.done.pattern.push('[');
        if self.skip("^") {
            self.done.pattern.push('^');
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
            push_char(&mut self.done.pattern, low);
            if self.rest.starts_with('-') && !self.rest[1..].starts_with(']') && self.rest.len() > 1 {
                self.rest = &self.rest[1..];
                let high = self.class_char()?;
                if high < low {
                    return Err(format!("invalid character class range: {low}-{high}"));
                }
                self.done.pattern.push('-');
                push_char(&mut self.done.pattern, high);
            }
        }
        self.rest = &self.rest[1..];
        self.done.pattern.push(']');
        self.item(1);
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

/// How often something is repeated.
#[derive(Clone, Copy)]
struct Counts<'s> {
    min: u32,
    max: Option<u32>,
    /// As it is written, with the braces.
    text: &'s str,
}

/// A decimal number without leading zeros, and what follows it. A number too large to be meant is larger than any limit.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), rest))
}

fn is_group_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Writes a character so that it stands for itself, inside and outside of a class.
fn push_char(pattern: &mut String, c: char) {
    if c.is_ascii() && !c.is_ascii_alphanumeric() {
        let _ = write!(pattern, r"\x{:02X}", u32::from(c));
    } else {
        pattern.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(source: &str) -> String {
        translate(source).expect("a good pattern").pattern
    }

    fn refused(source: &str) -> String {
        translate(source).expect_err(source)
    }

    #[test]
    fn what_go_refuses_is_refused() {
        let look_around = ["(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)"];
        let groups = ["(?P<n", "(?P<>a)", "(?P<a-b>a)", "(?P=n)", "(?'n'a)", "(?#a)", "(?", "(", "(a", "a)", ")"];
        let flags = ["(?x)a", "(?u)a", "(?-)a", "(?i-)a", "(?i"];
        let repeats = ["a++", "a**", "a???", "a{2}{3}", "*a", "(*a)", "a|*", "{2}", "(?i)*", "a{1001}", "a{2,1}"];
        let nested = ["a{99999999999}", "a{0,1001}", "(?:a{32}){32}", "((a{100}){10}){2}", "(?:(?:a{500})?){3}"];
        let escapes = [r"\Z", r"\y", r"\1", r"\8", r"\18", r"(a)\1", r"\C", r"\X", r"\R", r"\K", r"\G", r"\h", r"\E"];
        let more =
            [r"\é", r"\u0041", r"\x4", r"\xg1", r"\x{}", r"\x{110000}", r"\x{41", "\\", r"\p", r"\p{L", r"\p{sc=L}"];
        let classes =
            ["[", "[a", "[]", "[^]", "[z-a]", "[a--b]", r"[a-\d]", r"[\b]", r"[\Qa\E]", "[[:foo:]]", "[[:a]b:]"];
        let lists: [&[&str]; 8] = [&look_around, &groups, &flags, &repeats, &nested, &escapes, &more, &classes];
        for source in lists.concat() {
            assert!(!refused(source).is_empty(), "{source}");
        }
    }

    #[test]
    fn p21_what_go_takes_is_taken() {
        let sources = ["a{1000}", "[a&&b]", "a{,2}", r"\Q.\E", "(?U)a+", "^*", r"\b+", "()*", "(?P<1a>x)"];
        let nested = ["(?:a{31}){32}", "(a{100}){10}", "(?:a{1000})*", "(?:a{1000}){0}", "(?:a{1000}){1}"];
        for source in sources.iter().chain(&nested) {
            assert!(translate(source).is_ok(), "{source}");
        }
    }

    #[test]
    fn reasons_name_what_is_wrong() {
        assert_eq!(refused(":["), "missing closing ]");
        assert_eq!(refused("(?=a)"), "'=' after (?: RE2 has the flags i, m, s and U, and no look-around");
        assert_eq!(refused("(?<=a)"), "invalid group name, or look-behind");
        assert_eq!(refused(r"(a)\1"), r"invalid escape sequence: \1 (RE2 has no back-references)");
        assert_eq!(refused("a++"), "a repetition cannot be repeated: + follows another");
        assert_eq!(refused("(?:a{501}){2}"), "{2} makes more than 1000 repetitions in all");
        assert_eq!(refused(r"\Z"), r"invalid escape sequence: \Z");
    }

    #[test]
    fn patterns_are_spelt_for_the_regex_crate() {
        assert_eq!(translated(r"^\d+\s"), r"^[0-9]+[\t\n\x0C\r\x20]");
        assert_eq!(translated(r"\bé.\B"), r"(?-u:\b)é.(?-u:\B)");
        assert_eq!(translated("[a&&[^]"), r"[a\x26\x26\x5B\x5E]");
        assert_eq!(translated(r"[^\W[:alpha:]\pL-]"), r"[^[^0-9A-Za-z_][A-Za-z]\p{L}\x2D]");
        assert_eq!(translated("(?P<a>x{2})(?:y)(?<b>z)"), "(x{2})(?:y)(z)");
        assert_eq!(translate("(?P<a>x)(?<b>z)").expect("good").names, [("a".into(), 1), ("b".into(), 2)]);
        assert_eq!(translated("(?)(?ii-s:a)(?i-i)"), "(?i-s:a)(?-i)");
        assert_eq!(translated("a{,2}{x"), r"a\x7B\x2C2\x7D\x7Bx");
    }
}
