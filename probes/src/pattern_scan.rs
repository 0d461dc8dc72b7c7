//! Patterns searched in a text that comes in pieces, which are not kept.
//!
//! The search steps through the pattern's automaton byte by byte, so it can stop and go on anywhere. It says whether there
//! is a match, not where. Knows nothing of the syntax.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::start;
use regex_automata::util::syntax;

use crate::pattern::{PATTERN_BYTES_MAX, Pattern};

/// Most bytes of states that one search remembers. Chosen: as the regex crate does.
const STATES_BYTES_MAX: usize = 2 << 20;

/// The automaton of a translated pattern; `None` if it has none that can be stepped through.
pub(crate) fn automaton(translated: &str) -> Option<DFA> {
    DFA::builder()
        .configure(DFA::config().cache_capacity(STATES_BYTES_MAX).skip_cache_capacity_check(true))
        .syntax(syntax::Config::new().utf8(false))
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(PATTERN_BYTES_MAX)))
        .build(translated)
        .ok()
}

/// Searches for several patterns in one text.
#[derive(Debug)]
pub(crate) struct Scans<'p> {
    scans: Vec<Scan<'p>>,
    /// The beginning of a character that has not come whole yet.
    begun: Vec<u8>,
}

#[derive(Debug)]
struct Scan<'p> {
    automaton: &'p DFA,
    cache: Cache,
    at: LazyStateID,
    /// Known before the end of the text.
    found: Option<bool>,
}

impl<'p> Scans<'p> {
    /// Begins to search; `None` if one of the patterns cannot be searched for in pieces.
    pub(crate) fn of(patterns: impl Iterator<Item = &'p Pattern>) -> Option<Self> {
        let scans: Option<_> = patterns.map(|pattern| Scan::begin(pattern.automaton()?)).collect();
        Some(Self { scans: scans?, begun: Vec::new() })
    }

    /// Takes the next piece of the text.
    pub(crate) fn feed(&mut self, piece: &[u8]) {
        if self.begun.is_empty() {
            self.characters(piece);
        } else {
            let mut joined = std::mem::take(&mut self.begun);
            joined.extend_from_slice(piece);
            self.characters(&joined);
        }
    }

    /// Reads bytes as characters, those that belong to none as U+FFFD: so Go reads them.
    fn characters(&mut self, bytes: &[u8]) {
        let mut left = bytes.len();
        for chunk in bytes.utf8_chunks() {
            self.step(chunk.valid().as_bytes());
            let invalid = chunk.invalid();
            left -= chunk.valid().len() + invalid.len();
            let is_begun = left == 0 && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if is_begun {
                self.begun.extend_from_slice(invalid);
            } else {
                self.replaced(invalid.len());
            }
        }
    }

    fn replaced(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.step("\u{fffd}".as_bytes());
        }
    }

    fn step(&mut self, bytes: &[u8]) {
        for scan in &mut self.scans {
            scan.step(bytes);
        }
    }

    /// The text is over: whether each pattern matched somewhere in it.
    pub(crate) fn finish(mut self) -> Vec<bool> {
        self.replaced(self.begun.len());
        self.scans.into_iter().map(Scan::finish).collect()
    }
}

impl<'p> Scan<'p> {
    fn begin(automaton: &'p DFA) -> Option<Self> {
        let mut cache = automaton.create_cache();
        let at = automaton.start_state(&mut cache, &start::Config::new()).ok()?;
        Some(Self { automaton, cache, at, found: None })
    }

    fn step(&mut self, bytes: &[u8]) {
        if self.found.is_some() {
            return;
        }
        for byte in bytes {
            // The cache is cleared when it is full; it never gives up, as nothing was said of when it should.
            let Ok(next) = self.automaton.next_state(&mut self.cache, self.at, *byte) else { return };
            self.at = next;
            if next.is_tagged() && (next.is_match() || next.is_dead()) {
                self.found = Some(next.is_match());
                return;
            }
        }
    }

    fn finish(mut self) -> bool {
        self.found.unwrap_or_else(|| {
            self.automaton.next_eoi_state(&mut self.cache, self.at).is_ok_and(|last| last.is_match())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanned(pattern: &Pattern, pieces: &[&[u8]]) -> bool {
        let mut scans = Scans::of(std::iter::once(pattern)).expect("a pattern with an automaton");
        pieces.iter().for_each(|piece| scans.feed(piece));
        scans.finish() == [true]
    }

    #[test]
    fn what_lies_across_pieces_is_found() {
        for (pattern, pieces, due) in [
            ("needle", &[&b"a nee"[..], b"", b"dle in"][..], true),
            ("needle", &[b"a nee", b"dl"], false),
            ("^x", &[b"a", b"x"], false),
            ("^$", &[], true),
            ("x$", &[b"a", b"x"], true),
            ("x$", &[b"x", b"a"], false),
            (r"(?m)^b$", &[b"a\n", b"b", b"\nc"], true),
            (r"\bab\b", &[b"-a", b"b", b"-"], true),
            (r"\bab\b", &[b"-a", b"b", b"c"], false),
            (r"^.$", &[b"\xc3", b"\xa9"], true),
            (r"^..$", &[b"\xc3", b"\x28"], true),
            (r"^.$", &[b"\xe2\x82"], false),
            (r"^..$", &[b"\xe2", b"\x82"], true),
        ] {
            assert_eq!(scanned(&Pattern::new(pattern).expect("a pattern"), pieces), due, "{pattern} in {pieces:?}");
        }
    }

    #[test]
    fn a_pattern_with_many_states_is_still_found() {
        let pattern = Pattern::new("(?s)a.{200}b.{200}c").expect("a pattern");
        let mut text: Vec<u8> =
            (0_u32..200_000).map(|n| b"abx\xff"[(n.wrapping_mul(2_654_435_761) >> 30) as usize]).collect();
        assert!(!scanned(&pattern, &[&text]));
        text.extend([b"a".as_slice(), &[b'x'; 200], b"b", &[b'x'; 200], b"c"].concat());
        assert!(scanned(&pattern, &[&text]));
    }

    proptest! {
        #[test]
        fn pieces_and_the_whole_agree(
            pattern in r"(\^|\(\?m\)|\(\?i\))?([a-c.é]|\\b|\\s|\\d|\[\^a\]|a\*|b\+|\$|\|){0,6}",
            text in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'\n'), Just(0xc3), Just(0xa9), any::<u8>()], 0..24),
            cut in 0_usize..24,
        ) {
            let Ok(pattern) = Pattern::new(&pattern) else { return Ok(()) };
            let (head, tail) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(scanned(&pattern, &[head, tail]), pattern.is_match(&text));
        }
    }
}
