//! The words of an IMAP command (RFC 9051 section 4).

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// An atom or a quoted string.
    Text(String),
    Open,
    Close,
}

/// The words of a line; nothing if a quoted string has no end. Literals are not understood.
pub(super) fn words(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '(' | ')' => {
                words.push(if first == '(' { Word::Open } else { Word::Close });
                &rest[1..]
            }
            '"' => {
                let (text, after) = quoted(&rest[1..])?;
                words.push(Word::Text(text));
                after
            }
            _ => {
                let end = rest.find([' ', '(', ')']).unwrap_or(rest.len());
                words.push(Word::Text(rest[..end].to_owned()));
                &rest[end..]
            }
        }
        .trim_start();
    }
    Some(words)
}

/// The text up to the closing quote, and what follows.
fn quoted(rest: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = rest.char_indices();
    loop {
        match characters.next()? {
            (end, '"') => return Some((text, &rest[end + 1..])),
            (_, '\\') => text.push(characters.next()?.1),
            (_, character) => text.push(character),
        }
    }
}

impl Word {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Open | Self::Close => None,
        }
    }
}

/// Whether a number is in a set (RFC 9051 section 9, `sequence-set`): `1,3:5,7:*`. `last` is the largest there is.
pub(super) fn is_in(set: &str, number: u32, last: u32) -> bool {
    let of = |text: &str| if text == "*" { Some(last) } else { text.parse().ok() };
    set.split(',').any(|range| {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        match (of(from), of(to)) {
            (Some(from), Some(to)) => (from.min(to)..=from.max(to)).contains(&number),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_into_words() {
        let text = |text: &str| Word::Text(text.to_owned());
        assert_eq!(
            words(r#"FETCH 1 (UID BODY[]) "a \"b" "#),
            Some(vec![text("FETCH"), text("1"), Word::Open, text("UID"), text("BODY[]"), Word::Close, text("a \"b")])
        );
        assert_eq!(words(r#"LOGIN "a"#), None);
        assert_eq!(words(""), Some(Vec::new()));
    }

    #[test]
    fn sets_have_numbers_and_ranges() {
        let inside: Vec<u32> = (0..10).filter(|number| is_in("1,3:4,8:*", *number, 9)).collect();
        assert_eq!(inside, [1, 3, 4, 8, 9]);
        assert!(!is_in("x", 1, 9) && is_in("*:3", 4, 5));
    }
}
