//! What an IMAP server says: responses and the tokens in them (RFC 9051 sections 4 and 9).
//!
//! Knows no command. Everything is bounded before it is kept.

use crate::failure::{Failure, Reason, shown};
use crate::net::Channel;

/// Longest line in bytes. RFC 9051 section 4 names no limit; RFC 7162 section 4 asks clients to take 8 KiB.
pub(crate) const LINE_BYTES_MAX: usize = 8 * 1024;
/// Longest response in bytes, literals included. Chosen: a test mail with its padding.
pub(crate) const RESPONSE_BYTES_MAX: usize = 4 << 20;
/// Most tokens of a response. Chosen: ids of a full search.
const TOKENS_MAX: usize = 100_000;
/// How much of a response goes into a sentence, in bytes. Chosen: a line on a page.
const QUOTE_BYTES_MAX: usize = 300;

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// An atom, a number, a flag, or an atom with a section in brackets.
    Word(Vec<u8>),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    Open,
    Close,
}

impl Token {
    /// Whether this is the word, in any case.
    pub(crate) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(bytes) if bytes.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The number it is.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Word(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// What it says, if it says anything.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Word(bytes) | Self::Text(bytes) => Some(bytes),
            Self::Open | Self::Close => None,
        }
    }
}

/// How a command or a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// The end of the command with this tag, or news without one.
    Status { tag: Option<Vec<u8>>, state: State, text: Vec<u8> },
    /// Data.
    Data(Vec<Token>),
    /// The server waits for more.
    Continue(Vec<u8>),
}

impl Response {
    /// The code in brackets with which a status begins (RFC 9051 section 7.1), in upper case.
    pub(crate) fn code(text: &[u8]) -> Option<String> {
        let code = text.strip_prefix(b"[")?.split(|byte| matches!(byte, b']' | b' ')).next()?;
        Some(std::str::from_utf8(code).ok()?.to_ascii_uppercase())
    }

    /// The number that follows this code, if the status begins with it.
    pub(crate) fn number(text: &[u8], code: &str) -> Option<u32> {
        let (word, rest) = text.strip_prefix(b"[")?.split_at_checked(code.len())?;
        let number = rest.strip_prefix(b" ")?.split(|byte| *byte == b']').next()?;
        word.eq_ignore_ascii_case(code.as_bytes()).then(|| std::str::from_utf8(number).ok()?.parse().ok())?
    }
}

/// Reads one response, literals and all.
pub(crate) async fn read(channel: &mut Channel) -> Result<Response, Failure> {
    let line = channel.line(LINE_BYTES_MAX).await?;
    let (head, rest) = split_word(&line);
    if head == b"+" {
        return Ok(Response::Continue(rest.to_vec()));
    }
    let (second, text) = split_word(rest);
    if let Some(state) = state_of(second) {
        let tag = (head != b"*").then(|| head.to_vec());
        return Ok(Response::Status { tag, state, text: text.to_vec() });
    }
    if head != b"*" {
        return Err(broken(&line));
    }
    tokens(channel, rest).await.map(Response::Data)
}

/// The tokens of a line, and of what follows it where it ends with the length of a literal.
pub(crate) async fn tokens(channel: &mut Channel, line: &[u8]) -> Result<Vec<Token>, Failure> {
    let mut tokens = Tokens::default();
    let mut literal = tokens.take(line)?;
    let mut bytes = line.len();
    while let Some(count) = literal {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        bytes = bytes.saturating_add(count);
        if bytes > RESPONSE_BYTES_MAX {
            return Err(too_long());
        }
        tokens.list.push(Token::Text(channel.bytes(count).await?));
        let line = channel.line(LINE_BYTES_MAX).await?;
        bytes += line.len();
        literal = tokens.take(&line)?;
    }
    tokens.end(line)
}

fn broken(line: &[u8]) -> Failure {
    let text = shown(line, QUOTE_BYTES_MAX);
    Failure::new(Reason::ProtocolError, format_args!("not a response of a mail store: {text}"))
}

fn too_long() -> Failure {
    Failure::new(Reason::TooLong, format_args!("a response of more than {RESPONSE_BYTES_MAX} bytes"))
}

fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte == b' ');
    end.map_or((line, &[]), |end| (&line[..end], &line[end + 1..]))
}

fn state_of(word: &[u8]) -> Option<State> {
    [("OK", State::Ok), ("NO", State::No), ("BAD", State::Bad), ("BYE", State::Bye), ("PREAUTH", State::Preauth)]
        .into_iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, state)| state)
}

/// The tokens read until now.
#[derive(Debug, Default)]
struct Tokens {
    list: Vec<Token>,
    /// How deep lists stand within lists.
    depth: usize,
}

impl Tokens {
    /// Takes a line, or a part of one between literals. Says how long the literal is that follows.
    fn take(&mut self, line: &[u8]) -> Result<Option<u64>, Failure> {
        let mut rest = line;
        while let [first, after @ ..] = rest {
            if self.list.len() >= TOKENS_MAX {
                return Err(Failure::new(Reason::TooLong, format_args!("more than {TOKENS_MAX} parts in a response")));
            }
            match first {
                b' ' => rest = after,
                b'(' => {
                    self.depth += 1;
                    self.list.push(Token::Open);
                    rest = after;
                }
                b')' => {
                    self.depth = self.depth.checked_sub(1).ok_or_else(|| broken(line))?;
                    self.list.push(Token::Close);
                    rest = after;
                }
                b'"' => {
                    let (text, after) = quoted(after).ok_or_else(|| broken(line))?;
                    self.list.push(Token::Text(text));
                    rest = after;
                }
                b'{' => return literal_length(after).map(Some).ok_or_else(|| broken(line)),
                b'~' if after.first() == Some(&b'{') => rest = after,
                _ => {
                    let length = word_length(rest);
                    self.list.push(Token::Word(rest[..length].to_vec()));
                    rest = &rest[length..];
                }
            }
        }
        Ok(None)
    }

    /// All tokens, if every list is closed.
    fn end(self, line: &[u8]) -> Result<Vec<Token>, Failure> {
        if self.depth == 0 { Ok(self.list) } else { Err(broken(line)) }
    }
}

/// The text up to the closing quote, and what follows.
fn quoted(rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    let mut bytes = rest.iter().enumerate();
    loop {
        match bytes.next()? {
            (end, b'"') => return Some((text, &rest[end + 1..])),
            (_, b'\\') => text.push(*bytes.next()?.1),
            (_, byte) => text.push(*byte),
        }
    }
}

/// The number in `{123}` or `{123+}` at the end of a line.
fn literal_length(rest: &[u8]) -> Option<u64> {
    let digits = rest.strip_suffix(b"}")?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// How long a word is: a section in brackets belongs to it, blanks and all.
fn word_length(rest: &[u8]) -> usize {
    let mut in_section = false;
    let end = rest.iter().position(|byte| {
        match byte {
            b'[' => in_section = true,
            b']' => in_section = false,
            _ => {}
        }
        !in_section && matches!(byte, b' ' | b'(' | b')' | b'"')
    });
    end.unwrap_or(rest.len()).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(line: &str) -> Result<Vec<Token>, Reason> {
        let mut tokens = Tokens::default();
        tokens.take(line.as_bytes()).and_then(|_| tokens.end(line.as_bytes())).map_err(|failure| failure.reason())
    }

    fn word(text: &str) -> Token {
        Token::Word(text.as_bytes().to_vec())
    }

    fn text(text: &str) -> Token {
        Token::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn words_texts_and_lists_are_told_apart() {
        assert_eq!(
            tokens(r#"STATUS "a \"b\\" (MESSAGES 17 UNSEEN 2)"#),
            Ok(vec![
                word("STATUS"),
                text(r#"a "b\"#),
                Token::Open,
                word("MESSAGES"),
                word("17"),
                word("UNSEEN"),
                word("2"),
                Token::Close
            ])
        );
        assert_eq!(
            tokens(r"1 FETCH (BODY[HEADER.FIELDS (DATE FROM)] NIL FLAGS (\Seen))"),
            Ok(vec![
                word("1"),
                word("FETCH"),
                Token::Open,
                word("BODY[HEADER.FIELDS (DATE FROM)]"),
                word("NIL"),
                word("FLAGS"),
                Token::Open,
                word(r"\Seen"),
                Token::Close,
                Token::Close
            ])
        );
    }

    #[test]
    fn what_is_not_closed_is_no_response() {
        for line in ["LIST (", "LIST )", "LIST \"x", "LIST \"x\\", "X {12", "X {-1}", "X {x}"] {
            assert_eq!(tokens(line), Err(Reason::ProtocolError), "{line}");
        }
    }

    #[test]
    fn a_literal_is_announced_by_its_length() {
        let length = |line: &str| Tokens::default().take(line.as_bytes()).ok().flatten();
        assert_eq!(length("1 FETCH (BODY[] {12}"), Some(12));
        assert_eq!(length("1 FETCH (BODY[] ~{12+}"), Some(12));
        assert_eq!(length("1 FETCH (BODY[] {99999999999}"), Some(99_999_999_999));
    }

    #[test]
    fn a_status_begins_with_its_code() {
        let code = |text: &str| Response::code(text.as_bytes());
        assert_eq!(code("[AUTHENTICATIONFAILED] no").as_deref(), Some("AUTHENTICATIONFAILED"));
        assert_eq!(code("[capability IMAP4rev1] ok").as_deref(), Some("CAPABILITY"));
        assert_eq!(code("no [ALERT]"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_taken_or_refused(line in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Tokens::default().take(&line);
        }
    }
}
