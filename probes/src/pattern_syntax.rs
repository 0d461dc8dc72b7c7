//! RE2's pattern syntax, as Go reads it, rewritten for the regex crate (RE2 wiki "Syntax"; Go package regexp/syntax).
//!
//! One walk over the pattern with a stack of open groups. What RE2 refuses is refused here, with the reason; what the
//! regex crate reads in another way is spelt so that both mean the same. Flags and their scopes are alike in both and
//! are passed on. Knows nothing of matching.

use std::fmt::Write as _;

use crate::pattern_class::Rewrite;

/// Largest repetition count, also multiplied over nested repetitions (RE2 wiki "Syntax", Go `repeatIsValid`).
const REPEAT_MAX: u32 = 1000;

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
        text: Rewrite::of(source),
        names: Vec::new(),
        has_no_boundary: false,
        groups: 0,
        open: Vec::new(),
        alternative: Alternative::default(),
        follows_repeat: false,
    }
    .run()
}

struct Translator<'s> {
    source: &'s str,
    text: Rewrite<'s>,
    names: Vec<(Box<str>, usize)>,
    has_no_boundary: bool,
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
        while let Some(c) = self.text.next() {
            let follows_repeat = std::mem::take(&mut self.follows_repeat);
            match c {
                '(' => self.open_group()?,
                ')' => self.close_group()?,
                '|' => {
                    self.text.done.push('|');
                    self.alternative.last = None;
                }
                '^' => self.atom("^"),
                '$' => self.atom("$"),
                '.' => self.atom("."),
                '[' => {
                    self.text.class()?;
                    self.item(1);
                }
                '*' | '+' | '?' => self.repeat(c.encode_utf8(&mut [0; 4]), None, follows_repeat)?,
                '{' => match self.counts() {
                    Some(counts) => self.repeat(counts.text, Some(counts), follows_repeat)?,
                    None => self.literal('{'),
                },
                '\\' => self.escape()?,
                c => self.literal(c),
            }
        }
        if !self.open.is_empty() {
            return Err("missing closing )".to_owned());
        }
        Ok(Translated { pattern: self.text.done, names: self.names, has_no_boundary: self.has_no_boundary })
    }

    /// Writes something that a repetition can follow.
    fn atom(&mut self, text: &str) {
        self.text.done.push_str(text);
        self.item(1);
    }

    fn literal(&mut self, c: char) {
        self.text.literal(c);
        self.item(1);
    }

    fn item(&mut self, repeats: u32) {
        self.alternative.last = Some(repeats);
        self.alternative.largest = self.alternative.largest.max(repeats);
    }

    // Groups.

    fn open_group(&mut self) -> Result<(), String> {
        if !self.text.skip("?") {
            self.groups += 1;
            return self.begin_group("(");
        }
        if self.text.skip("P<") || self.text.skip("<") {
            let name = self.text.rest.split('>').next().filter(|name| name.len() < self.text.rest.len());
            let name = name.filter(|name| is_group_name(name)).ok_or("invalid group name, or look-behind")?;
            self.text.rest = &self.text.rest[name.len() + 1..];
            self.groups += 1;
            self.names.push((name.into(), self.groups));
            return self.begin_group("(");
        }
        self.flags()
    }

    /// `(?flags)` or `(?flags:`, behind the question mark.
    fn flags(&mut self) -> Result<(), String> {
        let (mut on, mut off, mut minus) = (String::new(), String::new(), false);
        loop {
            let c = self.text.next().ok_or("missing closing )")?;
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
                        let _ = write!(self.text.done, "(?{on}{minus}{off})");
                    }
                    self.alternative.last = None;
                    return Ok(());
                }
                c => return Err(format!("{c:?} after (?: RE2 has the flags i, m, s and U, and no look-around")),
            }
        }
    }

    fn begin_group(&mut self, text: &str) -> Result<(), String> {
        self.text.done.push_str(text);
        self.open.push(std::mem::take(&mut self.alternative));
        Ok(())
    }

    fn close_group(&mut self) -> Result<(), String> {
        let around = self.open.pop().ok_or("unexpected )")?;
        let inside = std::mem::replace(&mut self.alternative, around);
        self.text.done.push(')');
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
        self.text.done.push_str(operator);
        if self.text.skip("?") {
            self.text.done.push('?');
        }
        self.follows_repeat = true;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`, behind the brace. Anything else is no repetition but a brace.
    fn counts(&mut self) -> Option<Counts<'s>> {
        let (min, rest) = number(self.text.rest)?;
        let (max, rest) = match rest.strip_prefix(',') {
            None => (Some(min), rest),
            Some(rest) if rest.starts_with('}') => (None, rest),
            Some(rest) => number(rest).map(|(max, rest)| (Some(max), rest))?,
        };
        let rest = rest.strip_prefix('}')?;
        let start = self.source.len() - self.text.rest.len() - 1;
        self.text.rest = rest;
        Some(Counts { min, max, text: &self.source[start..self.source.len() - rest.len()] })
    }

    // Escapes.

    /// An escape outside a class, behind the backslash.
    fn escape(&mut self) -> Result<(), String> {
        let mut after = self.text.rest.chars();
        match after.next() {
            Some('A') => self.atom(r"\A"),
            Some('z') => self.atom(r"\z"),
            Some('b') => self.atom(r"(?-u:\b)"),
            Some('B') => {
                self.has_no_boundary = true;
                self.atom(r"(?-u:\B)");
            }
            Some('Q') => {
                let quoted = &self.text.rest[1..];
                let (quoted, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
                self.text.rest = rest;
                quoted.chars().for_each(|c| self.literal(c));
                return Ok(());
            }
            _ => {
                if self.text.class_escape()? {
                    self.item(1);
                } else {
                    let c = self.text.char_escape()?;
                    self.literal(c);
                }
                return Ok(());
            }
        }
        self.text.rest = after.as_str();
        Ok(())
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
        assert_eq!(translated(r"[^\W[:alpha:]\pL-]"), r"[^[^0-9A-Za-z_][A-Za-z]\p{gc=L}\x2D]");
        assert_eq!(translated("(?P<a>x{2})(?:y)(?<b>z)"), "(x{2})(?:y)(z)");
        assert_eq!(translate("(?P<a>x)(?<b>z)").expect("good").names, [("a".into(), 1), ("b".into(), 2)]);
        assert_eq!(translated("(?)(?ii-s:a)(?i-i)"), "(?i-s:a)(?-i)");
        assert_eq!(translated("a{,2}{x"), r"a\x7B\x2C2\x7D\x7Bx");
    }
}
