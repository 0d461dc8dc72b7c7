//! A message as it comes after `DATA` (RFC 5321 sections 4.1.1.4 and 4.5.2): where it ends, and what it was.
//!
//! Only `<CRLF>.<CRLF>` ends a message. A CR or LF by itself ends nothing, and a message that has one is not taken: two
//! servers that disagree about it can be made to disagree about where a message ends (SMTP smuggling).

/// How much more than the limit is read of a message that is too large, so that the client can be told, as a multiple.
/// Chosen: clients that were told the limit seldom send more than that.
const OVERRUN_MULTIPLE: u64 = 4;

/// Takes a message in pieces.
#[derive(Debug)]
pub(super) struct Decoder {
    text: Vec<u8>,
    bytes_max: usize,
    taken: u64,
    at: At,
    has_bare_ends: bool,
    is_too_large: bool,
}

/// Where in a line the last byte was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// A line begins.
    Start,
    /// Within a line.
    Text,
    /// After a CR within a line.
    Cr,
    /// After a dot that began the line.
    Dot,
    /// After a dot that began the line, and a CR.
    DotCr,
}

/// What a message was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Its bytes, without what was added for the way.
    Whole(Vec<u8>),
    /// It was larger than allowed.
    TooLarge,
    /// It had a CR or an LF by itself.
    BareEnds,
}

impl Decoder {
    /// Takes a message of at most so many bytes. What is in `head` stands before it and does not count.
    pub(super) fn new(head: Vec<u8>, bytes_max: usize) -> Self {
        let bytes_max = bytes_max + head.len();
        Self { text: head, bytes_max, taken: 0, at: At::Start, has_bare_ends: false, is_too_large: false }
    }

    /// Takes the next bytes: how many of them belong to the message, and whether it is over.
    pub(super) fn push(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            if self.at == At::Text {
                let rest = &bytes[used..];
                let plain = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
                if plain > 0 {
                    self.keep(&rest[..plain]);
                    used += plain;
                    continue;
                }
            }
            used += 1;
            if self.step(byte) {
                self.taken += used as u64;
                return (used, true);
            }
        }
        self.taken += used as u64;
        (used, false)
    }

    /// Whether so much has come that the end is not waited for.
    pub(super) fn is_hopeless(&self) -> bool {
        self.taken > self.bytes_max as u64 * OVERRUN_MULTIPLE
    }

    /// What the message was, once it is over.
    pub(super) fn message(self) -> Message {
        if self.is_too_large {
            Message::TooLarge
        } else if self.has_bare_ends {
            Message::BareEnds
        } else {
            Message::Whole(self.text)
        }
    }

    fn step(&mut self, byte: u8) -> bool {
        self.at = match (self.at, byte) {
            (At::DotCr, b'\n') => return true,
            (At::Start, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (At::Start | At::Text, b'\r') => At::Cr,
            (At::Cr, b'\n') => {
                self.keep(b"\r\n");
                At::Start
            }
            (At::Cr | At::DotCr, other) => {
                self.has_bare_ends = true;
                if other == b'\r' { At::Cr } else { At::Text }
            }
            (At::Start | At::Text | At::Dot, b'\n') => {
                self.has_bare_ends = true;
                At::Text
            }
            // A dot before anything else was added for the way (RFC 5321 section 4.5.2).
            (At::Start | At::Text | At::Dot, other) => {
                self.keep(&[other]);
                At::Text
            }
        };
        false
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.is_too_large || self.has_bare_ends {
            return;
        }
        if self.text.len() + bytes.len() > self.bytes_max {
            self.is_too_large = true;
            self.text = Vec::new();
            return;
        }
        self.text.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message as it is sent: dots that begin a line are doubled, and the end follows.
    fn stuffed(message: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            sent.extend(line.starts_with(b".").then_some(b'.'));
            sent.extend_from_slice(line);
        }
        sent.extend_from_slice(b".\r\n");
        sent
    }

    /// What is taken of bytes that come in pieces of this length, and how many bytes that needs; `None`: it never ends.
    fn taken(sent: &[u8], piece: usize, bytes_max: usize) -> Option<(usize, Message)> {
        let mut decoder = Decoder::new(Vec::new(), bytes_max);
        let mut total = 0;
        for piece in sent.chunks(piece) {
            let (used, over) = decoder.push(piece);
            total += used;
            if over {
                return Some((total, decoder.message()));
            }
        }
        None
    }

    #[test]
    fn only_the_right_end_ends_a_message() {
        for sent in
            ["a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r", "a\r\n.\r", "a\r\n.\r\r\n", "\n.\r\n", ".\n", "a\r\n. \r\n"]
        {
            for piece in [1, 2, 100] {
                assert_eq!(taken(sent.as_bytes(), piece, 100), None, "{sent:?}");
                let then = format!("{sent}\r\n.\r\n");
                let expected =
                    if sent == "a\r\n. \r\n" { Message::Whole(b"a\r\n \r\n\r\n".to_vec()) } else { Message::BareEnds };
                assert_eq!(taken(then.as_bytes(), piece, 100), Some((then.len(), expected)), "{then:?}");
            }
        }
    }

    #[test]
    fn a_message_may_be_empty_and_what_follows_is_left() {
        assert_eq!(taken(b".\r\nQUIT\r\n", 100, 0), Some((3, Message::Whole(Vec::new()))));
    }

    #[test]
    fn a_message_that_is_too_large_is_read_to_its_end_and_not_without_end() {
        assert_eq!(taken(b"abc\r\n.\r\n", 1, 5), Some((8, Message::Whole(b"abc\r\n".to_vec()))));
        assert_eq!(taken(b"abcd\r\n.\r\n", 1, 5), Some((9, Message::TooLarge)));
        let mut decoder = Decoder::new(b"head".to_vec(), 6);
        let pushed: Vec<bool> = (0..5).map(|_| (decoder.push(&[b'x'; 10]), decoder.is_hopeless()).1).collect();
        assert_eq!(pushed, [false, false, false, false, true]);
        assert_eq!(decoder.text.capacity(), 0);
    }

    proptest! {
        #[test]
        fn a_message_comes_out_as_it_went_in(
            lines in proptest::collection::vec("[a.]{0,4}|\\PC{0,10}", 0..8), piece in 1_usize..20, more: Vec<u8>,
        ) {
            let message: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\r\n").into_bytes()).collect();
            let mut sent = stuffed(&message);
            let length = sent.len();
            sent.extend(more);
            let mut decoder = Decoder::new(Vec::new(), message.len());
            let mut total = 0;
            for piece in sent.chunks(piece) {
                let (used, over) = decoder.push(piece);
                total += used;
                if over {
                    break;
                }
            }
            prop_assert_eq!(total, length);
            prop_assert_eq!(decoder.message(), Message::Whole(message));
        }

        #[test]
        fn pieces_make_no_difference(sent in "[.\r\na]{0,30}", piece in 1_usize..10) {
            prop_assert_eq!(taken(sent.as_bytes(), piece, 20), taken(sent.as_bytes(), 100, 20));
        }

        #[test]
        fn what_is_kept_is_bounded(sent: Vec<u8>, bytes_max in 0_usize..50) {
            let mut decoder = Decoder::new(Vec::new(), bytes_max);
            decoder.push(&sent);
            prop_assert!(decoder.text.len() <= bytes_max);
        }
    }
}
