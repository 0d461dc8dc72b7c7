//! Patterns and texts, and what Go finds. The first table was asked of blackbox_exporter, the second follows from Go's
//! regexp/syntax and the RE2 wiki; tests/e2e/patterns.rs asks blackbox_exporter about random ones.

use crate::pattern::Pattern;

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

/// Each row is reasoned.
#[test]
fn the_same_is_found_as_gos_documents_say() {
    let table: &[Row] = &[
        // Case folding goes over orbits: k, K and the Kelvin sign; s, S and the long s.
        ("(?i)K", b"k", Some(b"k")),
        ("(?i)\u{212a}", b"k", Some(b"k")),
        (r"(?i)\x{212A}", b"K", Some(b"K")),
        ("(?i)s", "ſ".as_bytes(), Some("ſ".as_bytes())),
        ("(?i)ſ", b"S", Some(b"S")),
        ("(?i)[a-z]", "\u{212a}".as_bytes(), Some("\u{212a}".as_bytes())),
        ("(?i)[a-z]", "ſ".as_bytes(), Some("ſ".as_bytes())),
        ("(?i)[[:lower:]]", "ſ".as_bytes(), Some("ſ".as_bytes())),
        ("(?i)[[:upper:]]", b"a", Some(b"a")),
        ("(?i)[[:^lower:]]", b"A", None),
        (r"(?i)\w", "\u{212a}".as_bytes(), Some("\u{212a}".as_bytes())),
        (r"\w", "\u{212a}".as_bytes(), None),
        ("(?i)[^K]", b"k", None),
        ("(?i)straße", "STRAẞE".as_bytes(), Some("STRAẞE".as_bytes())),
        ("(?i)ss", "ß".as_bytes(), None),
        ("(?i)σ", "ς".as_bytes(), Some("ς".as_bytes())),
        ("(?i)É", "é".as_bytes(), Some("é".as_bytes())),
        ("(?i)i", "İ".as_bytes(), None),
        ("(?i)ı", b"I", None),
        ("[k]", "\u{212a}".as_bytes(), None),
        // Flags and their scopes.
        ("(?i:a)(?-i:b)", b"Ab", Some(b"Ab")),
        ("(?i:a)(?-i:b)", b"AB", None),
        ("(?i)a(?-i)b", b"Ab", Some(b"Ab")),
        ("(?i)a(?-i)b", b"AB", None),
        ("(?:a(?i)b)c", b"aBc", Some(b"aBc")),
        ("(?:a(?i)b)c", b"aBC", None),
        ("(?i-s:a.)", b"A\n", None),
        ("(?is:a.)", b"A\n", Some(b"A\n")),
        ("(?s-i:a.)b", b"a\nb", Some(b"a\nb")),
        ("(?s)(?-s).", b"\n", None),
        ("(?ims)^A.$", b"x\na\n", Some(b"a\n")),
        ("(?U:a+)a", b"aaa", Some(b"aa")),
        ("(?U)a*?b", b"aab", Some(b"aab")),
        ("(?U)(?-U)a+", b"aaa", Some(b"aaa")),
        ("(?U)a{1,3}", b"aaa", Some(b"a")),
        ("(?U)a??", b"a", Some(b"a")),
        // Empty things.
        ("", b"", Some(b"")),
        ("", b"abc", Some(b"")),
        ("|a", b"a", Some(b"")),
        ("a|", b"a", Some(b"a")),
        ("(|)", b"a", Some(b"")),
        ("a||b", b"b", Some(b"")),
        ("(?:)", b"", Some(b"")),
        ("()", b"a", Some(b"")),
        ("(?:|a)*", b"aa", Some(b"")),
        ("(?:a|)*", b"aab", Some(b"aa")),
        ("(?:a*)*b", b"aab", Some(b"aab")),
        ("(a*)+$", b"aa", Some(b"aa")),
        ("x*", "é".as_bytes(), Some(b"")),
        ("^*", b"a", Some(b"")),
        ("$+", b"", Some(b"")),
        (r"\b+a", b"a", Some(b"a")),
        (r"(?:\b)*a", b"a", Some(b"a")),
        // Lines and ends.
        ("^$", b"", Some(b"")),
        ("^$", b"\n", None),
        ("(?m)^$", b"a\n", Some(b"")),
        ("(?m)^$", b"a\nb", None),
        ("(?m)$", b"a\nb", Some(b"")),
        ("(?m)^b$", b"a\nb\nc", Some(b"b")),
        ("(?m)a$", b"a\rb", None),
        (r"\Aa\z", b"a", Some(b"a")),
        (r"(?m)a\z", b"a\nb", None),
        (r"(?m)\z", b"a\n", Some(b"")),
        ("a^", b"a^", None),
        ("$a", b"$a", None),
        (r"\$a\^", b"$a^", Some(b"$a^")),
        ("(?m)a\n^b", b"a\nb", Some(b"a\nb")),
        // Words.
        (r"\bfoo\b", b"a foo!", Some(b"foo")),
        (r"\bfoo\b", b"_foo", None),
        (r"\bfoo\b", "éfooé".as_bytes(), Some(b"foo")),
        (r"\bfoo\b", b"\xfffoo\xff", Some(b"foo")),
        (r"foo\B", "fooé".as_bytes(), None),
        (r"foo\B", b"foox", Some(b"foo")),
        (r"\B\xff", b"\xff", None),
        (r"^\B.\B$", b"\xff", Some(b"\xff")),
        (r"\B\B", b"", Some(b"")),
        (r"\b{start}", b"{start}", None),
        (r"a\b{start}", b"a{start}", Some(b"a{start}")),
        // Characters, and bytes that are none.
        ("^.{3}$", b"\xff\xc3\xa9\xfe", Some(b"\xff\xc3\xa9\xfe")),
        ("^(?:.)$", b"\xc3", Some(b"\xc3")),
        ("\u{fffd}", b"\xff", Some(b"\xff")),
        (r"[\x{FFFD}]", b"\xff", Some(b"\xff")),
        (r"[^\x{FFFD}]", b"\xff", None),
        (r"[[:^ascii:]]", b"\xff", Some(b"\xff")),
        (r"[[:ascii:]]", b"\xff", None),
        (r"[\x80-\xff]", "é".as_bytes(), Some("é".as_bytes())),
        (r"\xe9", "é".as_bytes(), Some("é".as_bytes())),
        (r"\xc3\xa9", "é".as_bytes(), None),
        (r"\P{L}", b"\xff", Some(b"\xff")),
        (r"\0", b"\x00", Some(b"\x00")),
        (r"\07", b"\x07", Some(b"\x07")),
        (r"\08", b"\x008", Some(b"\x008")),
        (r"\1234", b"S4", Some(b"S4")),
        (r"\777", "ǿ".as_bytes(), Some("ǿ".as_bytes())),
        (r"\x{0041}", b"A", Some(b"A")),
        (r"\x{10ffff}", "\u{10ffff}".as_bytes(), Some("\u{10ffff}".as_bytes())),
        // Classes.
        ("[a-b-c]+", b"a-c", Some(b"a-c")),
        ("[-a]+", b"a-", Some(b"a-")),
        ("[a-b--c]+", b"-.a", Some(b"-.a")),
        ("[[:alpha:]-z]+", b"a-z", Some(b"a-z")),
        ("[[=a=]]", b"=]", Some(b"=]")),
        ("[[.a.]]", b".]", Some(b".]")),
        ("[a||b]+", b"|b", Some(b"|b")),
        ("[^^]", b"^a", Some(b"a")),
        (r"[\]]", b"]", Some(b"]")),
        (r"[\^a]+", b"^a", Some(b"^a")),
        (r"[\-\.]+", b"-.", Some(b"-.")),
        (r"[^\d]", b"5a", Some(b"a")),
        (r"[^\D]", b"a5", Some(b"5")),
        (r"[^\s\S]", b"a", None),
        (r"[\s\S]", b"\xff", Some(b"\xff")),
        (r"[^\x00-\x{10FFFF}]", b"a", None),
        ("[[:word:][:space:]]+", b"a 5_-", Some(b"a 5_")),
        ("[[:xdigit:]]+", b"xBe5", Some(b"Be5")),
        ("[[:punct:]]+", b"a~!b", Some(b"~!")),
        ("[[:blank:]]+", b"\n\t ", Some(b"\t ")),
        ("[[:graph:]]+", b" a! ", Some(b"a!")),
        ("[[:cntrl:]]", b"\x7f", Some(b"\x7f")),
        (r"\p{Lu}+", "aÉÀ".as_bytes(), Some("ÉÀ".as_bytes())),
        (r"\p{Nd}", "²٣".as_bytes(), Some("٣".as_bytes())),
        (r"\p{N}", "a²".as_bytes(), Some("²".as_bytes())),
        (r"\pLa", "éa".as_bytes(), Some("éa".as_bytes())),
        (r"\p{Han}", "a水".as_bytes(), Some("水".as_bytes())),
        (r"\p{Any}", b"\xff", Some(b"\xff")),
        (r"\p{Zs}", "a\u{a0}".as_bytes(), Some("\u{a0}".as_bytes())),
        (r"\p{Cs}", b"\xed\xa0\x80", None),
        (r"\P{Cs}", b"a", Some(b"a")),
        (r"\p{Cc}", b"a\x01", Some(b"\x01")),
        (r"[^\pL\pN]", "aé5-".as_bytes(), Some(b"-")),
        (r"\p{Old_Italic}", "\u{10300}".as_bytes(), Some("\u{10300}".as_bytes())),
        // Quotes.
        (r"\Q[a]\E", b"[a]", Some(b"[a]")),
        (r"\Qab\E+", b"abb", Some(b"abb")),
        (r"a\Q\E*b", b"aab", Some(b"aab")),
        (r"\Qa\Eb\Qc\E", b"abc", Some(b"abc")),
        (r"\Qa\\E", b"a\\", Some(b"a\\")),
        (r"\Q\b", b"\\b", Some(b"\\b")),
        // Counts.
        ("a{0}b", b"ab", Some(b"b")),
        ("a{0,0}", b"a", Some(b"")),
        ("a{1}", b"aa", Some(b"a")),
        ("a{2,3}", b"aaaa", Some(b"aaa")),
        ("a{2,3}?", b"aaaa", Some(b"aa")),
        ("a{,3}", b"aaa", None),
        ("a{1,2", b"a{1,2", Some(b"a{1,2")),
        ("a{ 1}", b"a{ 1}", Some(b"a{ 1}")),
        ("a{1, 2}", b"a{1, 2}", Some(b"a{1, 2}")),
        ("a{-1}", b"a{-1}", Some(b"a{-1}")),
        ("a}", b"a}", Some(b"a}")),
        ("a]", b"a]", Some(b"a]")),
        ("(?:ab){2}", b"ababab", Some(b"abab")),
        // Choices: the first that leads on, not the longest.
        ("a|ab|abc", b"abc", Some(b"a")),
        ("(?:a|ab)(?:c|bcd)", b"abcd", Some(b"abcd")),
        ("(?:a|ab)$", b"ab", Some(b"ab")),
        ("a*?", b"aa", Some(b"")),
        ("a*?$", b"aa", Some(b"aa")),
        ("a??b", b"ab", Some(b"ab")),
        ("(?:a+|b+)+", b"abab-", Some(b"abab")),
        ("x|y|z", b"-z", Some(b"z")),
    ];
    for (pattern, text, expected) in table {
        assert_eq!(found(pattern, text), *expected, "{pattern} in {text:?}");
    }
    assert!(table.len() > 150, "{} rows", table.len());
}

#[test]
fn properties_that_go_does_not_have_are_refused() {
    for source in [r"\p{Alphabetic}", r"\p{White_Space}", r"\p{Emoji}", r"\p{sc=Greek}", r"\p{gc=L}", r"\p{}", r"\p{L"]
    {
        let error = Pattern::new(source).expect_err(source);
        assert!(error.contains(r"\p without a known name"), "{error}");
    }
}

#[test]
fn groups_nest_as_deep_as_in_go() {
    let nested = |depth: usize| format!("{}a{}", "(?:".repeat(depth), ")".repeat(depth));
    assert!(Pattern::new(&nested(900)).is_ok());
    assert!(Pattern::new(&nested(1100)).is_err());
}
