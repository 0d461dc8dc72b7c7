//! Regular expressions as blackbox_exporter's users write them (RE2 syntax), matched against bytes as Go does it.
//!
//! Go reads a text as characters, and a byte that belongs to none as U+FFFD. The regex crate does so only with valid
//! UTF-8, so bytes that are none are replaced before they are searched. Knows nothing of the syntax.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::hybrid::dfa::DFA;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::pattern_scan::automaton;
use crate::pattern_syntax::{Translated, translate};

/// Largest compiled pattern in bytes. The regex crate's own default: room for a thousand times any character.
pub(crate) const PATTERN_BYTES_MAX: usize = 10 << 20;

/// A compiled pattern that matches bytes anywhere in a text, in time linear in its length.
#[derive(Clone)]
pub struct Pattern {
    source: Box<str>,
    compiled: Regex,
    names: Box<[(Box<str>, usize)]>,
    /// Whether an empty match may lie inside a character, where Go never looks.
    may_split_characters: bool,
    /// What texts are searched with that come in pieces: made when the first does.
    automaton: Arc<OnceLock<Option<DFA>>>,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(source: &str) -> Result<Self, String> {
        let invalid = |error: String| format!("invalid regular expression \"{source}\": {error}");
        let Translated { pattern, names, has_no_boundary } = translate(source).map_err(invalid)?;
        let compiled = RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES_MAX).build();
        Ok(Self {
            source: source.into(),
            compiled: compiled.map_err(|error| invalid(reason(&error)))?,
            names: names.into(),
            may_split_characters: has_no_boundary,
            automaton: Arc::default(),
        })
    }

    /// What texts are searched with that come in pieces; `None` if the pattern cannot be searched for in pieces.
    pub(crate) fn automaton(&self) -> Option<&DFA> {
        if self.may_split_characters {
            return None;
        }
        self.automaton.get_or_init(|| automaton(self.compiled.as_str())).as_ref()
    }

    /// Whether the pattern matches somewhere in the text.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let text = Characters::of(text);
        if self.may_split_characters { self.find(&text).is_some() } else { self.compiled.is_match(&text.valid) }
    }

    /// The first match and its groups.
    pub fn captures<'t>(&self, text: &'t [u8]) -> Option<Groups<'t>> {
        let characters = Characters::of(text);
        let start = if self.may_split_characters { self.find(&characters)? } else { 0 };
        let captures = self.compiled.captures_at(&characters.valid, start)?;
        let spans = captures.iter().map(|group| group.map(|group| characters.original(group.range())));
        Some(Groups { spans: spans.collect(), text })
    }

    /// Where the first match begins.
    fn find(&self, text: &Characters<'_>) -> Option<usize> {
        let mut from = 0;
        loop {
            let found = self.compiled.find_at(&text.valid, from)?;
            if !(self.may_split_characters && text.is_inside(found.start())) {
                return Some(found.start());
            }
            from = found.start() + 1;
        }
    }

    /// The numbers of the groups with this name. Go allows several; the first that took part in a match counts.
    pub fn groups_named(&self, name: &str) -> impl Iterator<Item = usize> {
        self.names.iter().filter(move |(known, _)| **known == *name).map(|(_, number)| *number)
    }

    /// The pattern as the operator wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// What is wrong, without the drawing of where: the operator has never seen the pattern that was compiled.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.rsplit("error: ").next().unwrap_or_default().trim().to_owned()
}

/// The groups of a match.
#[derive(Debug, Clone)]
pub struct Groups<'t> {
    text: &'t [u8],
    spans: Box<[Option<Range<usize>>]>,
}

impl<'t> Groups<'t> {
    /// What a group matched; group 0 is the whole match. `None`: it took no part in the match, or there is no such group.
    pub fn get(&self, number: usize) -> Option<&'t [u8]> {
        let span = self.spans.get(number)?.clone()?;
        Some(&self.text[span])
    }
}

/// A text made of characters only.
struct Characters<'t> {
    /// The text, every byte that belongs to no character replaced by U+FFFD.
    valid: Cow<'t, [u8]>,
    /// Where in it the replacements end.
    replaced: Vec<usize>,
}

impl<'t> Characters<'t> {
    fn of(text: &'t [u8]) -> Self {
        if std::str::from_utf8(text).is_ok() {
            return Self { valid: Cow::Borrowed(text), replaced: Vec::new() };
        }
        let (mut valid, mut replaced) = (Vec::with_capacity(text.len() + 64), Vec::new());
        for chunk in text.utf8_chunks() {
            valid.extend_from_slice(chunk.valid().as_bytes());
            for _ in chunk.invalid() {
                valid.extend_from_slice("\u{fffd}".as_bytes());
                replaced.push(valid.len());
            }
        }
        Self { valid: Cow::Owned(valid), replaced }
    }

    /// Whether a place lies inside a character.
    fn is_inside(&self, place: usize) -> bool {
        self.valid.get(place).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000)
    }

    /// Where a stretch lies in the text as it came.
    fn original(&self, stretch: Range<usize>) -> Range<usize> {
        let grown = '\u{fffd}'.len_utf8() - 1;
        let place = |place| place - grown * self.replaced.partition_point(|end| *end <= place);
        place(stretch.start)..place(stretch.end)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "regex".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "regex"})
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'t>(pattern: &str, text: &'t [u8]) -> Option<&'t [u8]> {
        let pattern = Pattern::new(pattern).expect("a good pattern");
        let found = pattern.captures(text).and_then(|groups| groups.get(0));
        assert_eq!(pattern.is_match(text), found.is_some(), "{pattern:?} in {text:?}");
        found
    }

    /// Pattern, text, and what Go finds.
    type Row = (&'static str, &'static [u8], Option<&'static [u8]>);

    /// Each row was asked of blackbox_exporter.
    #[test]
    fn the_same_is_found_as_in_go() {
        let table: &[Row] = &[
            // ASCII classes.
            (r"\d", "٣".as_bytes(), None),
            (r"\d", b"a5", Some(b"5")),
            (r"^\D$", "٣".as_bytes(), Some("٣".as_bytes())),
            (r"\w", "é".as_bytes(), None),
            (r"^\W$", "é".as_bytes(), Some("é".as_bytes())),
            (r"\s", b"\x0b", None),
            (r"\s", b"\x0c", Some(b"\x0c")),
            (r"[\s]", b"\x0b", None),
            ("[[:space:]]", b"\x0b", Some(b"\x0b")),
            ("[[:alpha:]]", "é".as_bytes(), None),
            ("[[:^alpha:]]", b"a5", Some(b"5")),
            ("[[:word:]]+", b"a_5-", Some(b"a_5")),
            (r"[^\S\d]", b"a5 ", Some(b" ")),
            (r"[\d-z]+", b"a5-z", Some(b"5-z")),
            (r"\bé\b", "é".as_bytes(), None),
            (r"\Bé\B", "é".as_bytes(), Some("é".as_bytes())),
            (r"\B", "aéb".as_bytes(), None),
            (r"a\B", "aé".as_bytes(), None),
            (r"\B", "éa".as_bytes(), Some(b"")),
            // Characters and bytes that are none.
            ("^.$", "é".as_bytes(), Some("é".as_bytes())),
            ("^..$", "é".as_bytes(), None),
            ("^.$", b"\xff", Some(b"\xff")),
            ("^..$", b"\xe2\x82", Some(b"\xe2\x82")),
            ("^...$", b"\xed\xa0\x80", Some(b"\xed\xa0\x80")),
            ("a.", b"a\xff", Some(b"a\xff")),
            ("[^a]", b"a\xff", Some(b"\xff")),
            (r"^\S+$", b"\xf0\x9f\x98", Some(b"\xf0\x9f\x98")),
            (r"\x{FFFD}", b"a\xff", Some(b"\xff")),
            (r"\xff", b"\xff", None),
            ("b$", b"\xff\xffb", Some(b"b")),
            // Classes that the regex crate reads in another way.
            ("[a&&b]", b"&", Some(b"&")),
            ("[x&&b]+", b"x&b", Some(b"x&b")),
            ("[a~~b]", b"~", Some(b"~")),
            ("[[x]", b"[", Some(b"[")),
            ("[a-]", b"-", Some(b"-")),
            ("[]a]+", b"]a", Some(b"]a")),
            ("[^]a]", b"]ab", Some(b"b")),
            ("[:alpha:]+", b"5alp:h", Some(b"alp:h")),
            ("[[:alpha]+", b"[:alph5", Some(b"[:alph")),
            ("a#b|a&b~c-d", b"a&b~c-d", Some(b"a&b~c-d")),
            // Escapes.
            (r"\Qa.b", b"axb", None),
            (r"\Qa.b\E+", b"a.bbb", Some(b"a.bbb")),
            (r"\Q\E", b"", Some(b"")),
            (r"\101\x42\x{43}\0", b"ABC\0", Some(b"ABC\0")),
            (r"\a\f\v\t\r\n", b"\x07\x0c\x0b\t\r\n", Some(b"\x07\x0c\x0b\t\r\n")),
            (r"\_\-\ \#\<", b"_- #<", Some(b"_- #<")),
            (r"\pN", "٣".as_bytes(), Some("٣".as_bytes())),
            (r"\p{Greek}", "aα".as_bytes(), Some("α".as_bytes())),
            (r"\p{^Greek}", "αa".as_bytes(), Some(b"a")),
            (r"\P{^Greek}", "aα".as_bytes(), Some("α".as_bytes())),
            (r"[\pN\PL]", b"a-", Some(b"-")),
            // Repetitions and braces.
            ("a{,2}", b"aa{,2}", Some(b"a{,2}")),
            ("a{x}", b"a{x}", Some(b"a{x}")),
            ("a{01}", b"a{01}", Some(b"a{01}")),
            ("{", b"{", Some(b"{")),
            ("a{2}", b"aaa", Some(b"aa")),
            ("a{2,}", b"aaa", Some(b"aaa")),
            ("a{0,1}b", b"aab", Some(b"ab")),
            ("(?U)a+", b"aaa", Some(b"a")),
            ("(?U)a+?", b"aaa", Some(b"aaa")),
            ("a+?", b"aaa", Some(b"a")),
            ("^+OK", b"+OK", None),
            ("^+OK", b"OK", Some(b"OK")),
            ("(|a)+", b"aa", Some(b"")),
            ("a|ab", b"ab", Some(b"a")),
            // Flags.
            ("a(?i)b|c", b"C", Some(b"C")),
            ("(?i:a)b", b"AB", None),
            ("(?i)k", "\u{212a}".as_bytes(), Some("\u{212a}".as_bytes())),
            ("(?i)[^k]", "\u{212a}".as_bytes(), None),
            (r"(?i)\W", "\u{212a}".as_bytes(), None),
            (r"(?i)[^\p{Lu}]", b"a", None),
            ("(?i-i)a", b"A", None),
            ("(?ii)a", b"A", Some(b"A")),
            ("(?)a", b"a", Some(b"a")),
            (".", b"\n", None),
            ("(?s).", b"\n", Some(b"\n")),
            ("[^a]", b"\n", Some(b"\n")),
            ("a$", b"a\n", None),
            (r"a\z", b"a\n", None),
            ("(?m)a$", b"a\n", Some(b"a")),
            ("(?m)a$", b"a\r\n", None),
            ("(?m)^b", b"a\nb", Some(b"b")),
            (r"(?m)\Ab", b"a\nb", None),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(found(pattern, text), *expected, "{pattern} in {text:?}");
        }
    }

    #[test]
    fn groups_are_of_the_text_as_it_came() {
        let pattern = Pattern::new(r"(?P<1st>\W)b(?<rest>.*)(x)?$").expect("a good pattern");
        let groups = pattern.captures(b"\xff\xffb\xc3\xa9\xfe!").expect("a match");
        let groups: Vec<_> = (0..5).map(|number| groups.get(number)).collect();
        assert_eq!(groups, [Some(&b"\xffb\xc3\xa9\xfe!"[..]), Some(b"\xff"), Some(b"\xc3\xa9\xfe!"), None, None]);
        assert_eq!(pattern.groups_named("1st").collect::<Vec<_>>(), [1]);
        assert_eq!(pattern.groups_named("rest").collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn groups_may_share_a_name() {
        let pattern = Pattern::new("(?P<n>a)|(?P<n>b)").expect("a good pattern");
        assert_eq!(pattern.groups_named("n").collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_pattern_that_grows_too_large_is_refused() {
        assert!(Pattern::new(".{1000}").is_ok());
        let error = Pattern::new(r"\pL{1000}").expect_err("too large");
        assert!(error.starts_with(r#"invalid regular expression "\pL{1000}": "#) && error.contains("size"), "{error}");
    }

    /// Pieces of patterns, whole and broken.
    fn piece() -> impl Strategy<Value = String> {
        let whole = "a|é|\\.|\\[|\\]|\\(|\\)|\\*|\\+\\?|\\{2\\}|\\{1,3\\}|\\{,2\\}|\\||\\^|\\$|\\\\[a-zA-Z0-9]";
        let more =
            "\\(\\?i\\)|\\(\\?P<n>|\\(\\?:|\\(\\?[a-z-]{0,3}|\\[\\^|\\[:alpha:\\]|\\\\p\\{\\^?L\\}|\\\\Q|\\\\E|-|&&|.";
        proptest::string::string_regex(&format!("({whole}|{more})")).expect("a strategy")
    }

    proptest! {
        #[test]
        fn no_pattern_is_mistranslated(pieces in proptest::collection::vec(piece(), 0..12), text: Vec<u8>) {
            let source = pieces.concat();
            match Pattern::new(&source) {
                Ok(pattern) => prop_assert_eq!(pattern.is_match(&text), pattern.captures(&text).is_some()),
                Err(error) => prop_assert!(!error.contains('\n') && error.starts_with("invalid regular"), "{}", error),
            }
        }

        #[test]
        fn plain_text_matches_itself(text in "\\PC*") {
            let pattern = Pattern::new(&format!(r"^\Q{}\E$", text.replace(r"\E", ""))).expect("a good pattern");
            prop_assert!(pattern.is_match(text.replace(r"\E", "").as_bytes()));
        }
    }
}
