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

/// Deepest nesting of groups (Go `maxHeight`).
const NESTING_MAX: u32 = 1000;

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
        let compiled = RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES_MAX).nest_limit(NESTING_MAX).build();
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
