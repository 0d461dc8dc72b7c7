//! The text of a configuration file as people see it: lines, columns, excerpts without secrets.
//!
//! Knows no YAML beyond what it takes to find the key in front of a value: an excerpt must be free of secrets also where
//! the text is so broken that no parser understands it.

use std::fmt::Write as _;

/// Widest excerpt in characters. Chosen: fits a terminal beside the line number.
const EXCERPT_CHARS_MAX: usize = 110;
/// Characters kept in front of the marked place where a line is too long. Chosen: enough to recognise the place.
const EXCERPT_CHARS_BEFORE: usize = 60;
/// Most lines looked at upwards for the key that a line belongs to. Chosen: longer than a private key in PEM.
const ANCESTOR_LINES_MAX: usize = 400;
/// What stands in the place of a secret.
pub(super) const MASK: &str = "<secret>";

/// A stretch of the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Place {
    /// The beginning of the text.
    pub(super) const TOP: Self = Self { start: 0, end: 0 };
}

/// Line and column of a place, both counted from one, the column in characters.
pub(super) fn line_and_column(text: &str, place: Place) -> (usize, usize) {
    let start = text.floor_char_boundary(place.start as usize);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, text[line_start..start].chars().count() + 1)
}

/// The line of a place with a mark under it, in the style of a compiler.
pub(super) fn write_excerpt(out: &mut String, text: &str, place: Place) {
    let (number, column) = line_and_column(text, place);
    let start = text.floor_char_boundary(place.start as usize);
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let end =
        text.floor_char_boundary(place.end as usize).clamp(start, line_start + line.len().max(start - line_start));
    let width = text[start..end].chars().count().max(1);

    let shown = masked(text, line_start, line);
    let is_masked = shown != line;
    // Behind a mask the columns of the source mean nothing: the mark ends where the line does.
    let line_chars: Vec<char> = shown.chars().map(printable).collect();
    let skipped = if line_chars.len() > EXCERPT_CHARS_MAX { column.saturating_sub(EXCERPT_CHARS_BEFORE) } else { 0 };
    let window: String = line_chars.iter().skip(skipped).take(EXCERPT_CHARS_MAX).collect();
    let offset = (column - 1 - skipped.min(column - 1)).min(window.chars().count());
    let room = window.chars().count().saturating_sub(offset).max(1);
    let width = if is_masked { width.min(room) } else { width.min(room.max(1)) };

    let gutter = number.to_string().len();
    let _ = writeln!(out, "{:gutter$} |", "");
    let _ = writeln!(out, "{number} | {}", window.trim_end());
    let _ = writeln!(out, "{:gutter$} | {:offset$}{}", "", "", "^".repeat(width));
}

/// A character as an excerpt shows it: one column wide, never a control character.
fn printable(c: char) -> char {
    match c {
        '\t' => '→',
        c if c.is_control() => '\u{fffd}',
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        c => c,
    }
}

/// Whether the value of a key of this name must not be seen.
pub(super) fn is_secret_key(key: &str) -> bool {
    const NAMES: [&str; 6] =
        ["key", "proxy_connect_header", "client_certificate_key", "basic_auth", "basic_auth_users", "apikey"];
    const PARTS: [&str; 9] =
        ["password", "passwd", "secret", "token", "credential", "authorization", "cookie", "api-key", "api_key"];
    let key = key.to_ascii_lowercase();
    if ["_file", "_ref", "_url", "_files"].iter().any(|suffix| key.ends_with(suffix)) {
        return false;
    }
    NAMES.contains(&key.as_str()) || PARTS.iter().any(|part| key.contains(part))
}

/// The line without secrets: of its own keys, and of the key that it continues.
fn masked(text: &str, line_start: usize, line: &str) -> String {
    let hidden = match secret_above(text, line_start, line) {
        Above::None => hide_values(line),
        Above::Key => match line.find(": ") {
            Some(colon) => format!("{}: {MASK}", &line[..colon]),
            None => hide_all(line),
        },
        Above::Value => hide_all(line),
    };
    hide_userinfo(&hidden)
}

/// What of a secret stands above a line that belongs to it.
#[derive(PartialEq)]
enum Above {
    /// Nothing.
    None,
    /// Its key alone: the line may have keys of its own.
    Key,
    /// The beginning of its value: the line is the rest.
    Value,
}

/// Hides what stands behind each secret key of a line, to its end: where the value ends, a broken text does not say.
fn hide_values(line: &str) -> String {
    let mut from = 0;
    while let Some(colon) = line[from..].find(':').map(|colon| from + colon) {
        let rest = &line[colon + 1..];
        from = colon + 1;
        if !(rest.is_empty() || rest.starts_with([' ', '\t', '"', '\'', '[', '{'])) || rest.trim().is_empty() {
            continue;
        }
        let name = line[..colon].trim_end().trim_end_matches(['"', '\'']);
        let name_start = name.rfind([' ', '\t', '"', '\'', '{', ',', '-', '?']).map_or(0, |before| before + 1);
        // A dash may be part of the name (X-Api-Key): look at the whole word too.
        let word_start = name.rfind([' ', '\t', '"', '\'', '{', ',']).map_or(0, |before| before + 1);
        if is_secret_key(&name[name_start..]) || is_secret_key(&name[word_start..]) {
            return format!("{} {MASK}", &line[..=colon]);
        }
    }
    line.to_owned()
}

/// Hides everything but the indentation.
fn hide_all(line: &str) -> String {
    let content = line.trim_start_matches([' ', '\t', '-']);
    let indentation = &line[..line.len() - content.len()];
    format!("{indentation}{MASK}")
}

/// Whether a line lies inside the value of a secret key of a line above it.
fn secret_above(text: &str, line_start: usize, line: &str) -> Above {
    // An item of a list belongs to the key above it also where both are indented alike.
    let indentation_of = |line: &str| {
        let content = line.trim_start_matches([' ', '\t']);
        line.len() - content.len() + usize::from(content.starts_with("- "))
    };
    let mut indentation = indentation_of(line);
    let mut is_next = true;
    for above in text[..line_start].lines().rev().take(ANCESTOR_LINES_MAX) {
        let content = above.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let is_parent = indentation_of(above) < indentation;
        // Inside `{}` a value may begin on the next line at any indentation; `key:` alone says that it does.
        if is_parent || (is_next && content.ends_with(':')) {
            match open_secret(content) {
                Above::None => {}
                found => return found,
            }
        }
        if is_parent {
            indentation = indentation_of(above);
        }
        if indentation == 0 {
            break;
        }
        is_next = false;
    }
    Above::None
}

/// Whether a line has a secret's key, and whether its value begins there too.
fn open_secret(content: &str) -> Above {
    let mut found = Above::None;
    let mut from = 0;
    while let Some(colon) = content[from..].find(':').map(|colon| from + colon) {
        let word = content[from..colon].trim_end_matches(['"', '\'', ' ']);
        let start = word.rfind([' ', '"', '\'', '{', '[', ',']).map_or(0, |before| before + 1);
        if is_secret_key(&word[start..]) {
            found = if content[colon + 1..].trim().is_empty() { Above::Key } else { Above::Value };
        }
        from = colon + 1;
    }
    found
}

/// Hides user name and password of URLs.
pub(super) fn hide_userinfo(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(scheme) = rest.find("://") {
        let (head, tail) = rest.split_at(scheme + 3);
        out.push_str(head);
        let end = tail.find(['/', '?', '#', ' ', '"', '\'', '`', ',']).unwrap_or(tail.len());
        match tail[..end].rfind('@') {
            Some(at) if tail[..at].contains(':') => {
                out.push_str(MASK);
                rest = &tail[at..];
            }
            _ => rest = tail,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str, found: &str) -> String {
        let start = u32::try_from(text.find(found).expect("the place is in the text")).expect("short");
        let place = Place { start, end: start + u32::try_from(found.len()).expect("short") };
        let mut out = String::new();
        write_excerpt(&mut out, text, place);
        out
    }

    #[test]
    fn the_line_is_shown_with_a_mark_under_the_place() {
        assert_eq!(excerpt("a: 1\nbö: two\n", "two"), "  |\n2 | bö: two\n  |     ^^^\n");
    }

    #[test]
    fn the_value_of_a_secret_key_is_not_shown() {
        for text in [
            "password: hunter2",
            "x: {user: a, \"password\": \"hunter2\"}",
            "- bearer_token: hunter2",
            "Authorization: Basic hunter2",
            "X-Api-Key: hunter2",
            "password: |\n  abc\n  hunter2",
            "secrets:\n  - abc\n  - hunter2",
            "secrets:\n- abc\n- hunter2",
            "{ password:\nhunter2 }",
            "password: \"abc\n  hunter2\"",
            "proxy_url: http://me:hunter2@proxy/",
        ] {
            let shown = excerpt(text, "hunter2");
            assert!(!shown.contains("hunter2") && shown.contains(MASK), "{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in ["password_file: /run/pw", "token_url: https://a/b", "keys: 5", "targets: [http://h:80/@x]"] {
            assert!(excerpt(text, text).contains(text), "{text}");
        }
    }

    #[test]
    fn long_lines_and_control_characters_are_bounded() {
        let text = format!("{}\u{1b}[31m\tx{}", "a".repeat(500), "b".repeat(500));
        let shown = excerpt(&text, "x");
        assert!(shown.contains("\u{fffd}[31m→x"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
    }
}
