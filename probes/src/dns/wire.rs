//! The wire format of DNS: header, fields, names (RFC 1035 section 4.1).
//!
//! Reads bytes of a peer that may be hostile: every read is checked, and a compressed name can only point backwards.
//! Knows no records.

use std::fmt;

use super::codes::ResponseCode;

/// Length of a message's header (RFC 1035 section 4.1.1).
pub(super) const HEADER_BYTES: usize = 12;

/// Longest name with its length bytes (RFC 1035 section 2.3.4).
pub(super) const NAME_BYTES_MAX: usize = 255;

/// Longest label (RFC 1035 section 2.3.4).
pub(super) const LABEL_BYTES_MAX: usize = 63;

/// Most pointers in one name. A name of the longest kind has 127 labels, and one before each would be needless.
const POINTERS_MAX: usize = 126;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    what: &'static str,
    at: usize,
}

impl Malformed {
    pub(super) const fn new(what: &'static str, at: usize) -> Self {
        Self { what, at }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

/// The first twelve bytes (RFC 1035 section 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u16,
    flags: u16,
    /// How many questions, answers, authority and additional records the message says it has.
    pub(super) counts: [u16; 4],
}

impl Header {
    /// The header of a message; `None` if it is too short for one.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let header = message.first_chunk::<HEADER_BYTES>()?;
        let short = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        Some(Self { id: short(0), flags: short(2), counts: [short(4), short(6), short(8), short(10)] })
    }

    pub(super) const fn is_response(self) -> bool {
        self.flags & 0x8000 != 0
    }

    pub(super) const fn opcode(self) -> u16 {
        self.flags >> 11 & 0xf
    }

    pub(super) const fn authoritative(self) -> bool {
        self.flags & 0x0400 != 0
    }

    pub(super) const fn truncated(self) -> bool {
        self.flags & 0x0200 != 0
    }

    pub(super) const fn recursion_available(self) -> bool {
        self.flags & 0x0080 != 0
    }

    /// RFC 4035 section 3.2.3.
    pub(super) const fn authenticated_data(self) -> bool {
        self.flags & 0x0020 != 0
    }

    /// The lower four bits of the response code.
    pub(super) const fn rcode(self) -> ResponseCode {
        ResponseCode(self.flags & 0xf)
    }

    /// The flags that are set, as dig names them.
    pub(super) fn flags(self) -> impl Iterator<Item = &'static str> {
        const NAMES: [(u16, &str); 7] = [
            (0x8000, "qr"),
            (0x0400, "aa"),
            (0x0200, "tc"),
            (0x0100, "rd"),
            (0x0080, "ra"),
            (0x0020, "ad"),
            (0x0010, "cd"),
        ];
        NAMES.into_iter().filter(move |(bit, _)| self.flags & bit != 0).map(|(_, name)| name)
    }
}

/// Reads a stretch of a message from left to right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'m> {
    message: &'m [u8],
    at: usize,
    end: usize,
}

impl<'m> Cursor<'m> {
    /// A cursor over these bytes of the message; the end is cut to the message's.
    pub(super) fn over(message: &'m [u8], at: usize, end: usize) -> Self {
        Self { message, at, end: end.min(message.len()) }
    }

    /// Where it stands.
    pub(super) const fn position(self) -> usize {
        self.at
    }

    pub(super) const fn is_at_end(self) -> bool {
        self.at >= self.end
    }

    pub(super) const fn malformed(self, what: &'static str) -> Malformed {
        Malformed::new(what, self.at)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'m [u8], Malformed> {
        let end = self.at.saturating_add(count);
        if end > self.end {
            return Err(self.malformed("the bytes end too early"));
        }
        let bytes = &self.message[self.at..end];
        self.at = end;
        Ok(bytes)
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'m [u8] {
        let bytes = &self.message[self.at.min(self.end)..self.end];
        self.at = self.end;
        bytes
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.bytes(N)?;
        Ok(<[u8; N]>::try_from(bytes).expect("as many bytes as were asked for"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn short(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A byte that says how many follow, and these (RFC 1035 section 3.3).
    pub(super) fn string(&mut self) -> Result<&'m [u8], Malformed> {
        let mut ahead = *self;
        let length = ahead.byte()?;
        let bytes = ahead.bytes(usize::from(length))?;
        *self = ahead;
        Ok(bytes)
    }

    /// A name, which may end in a pointer to an earlier place of the message (RFC 1035 section 4.1.4).
    pub(super) fn name(&mut self) -> Result<Name<'m>, Malformed> {
        let name = Name { message: self.message, at: self.at };
        let (mut length, mut pointers) = (1, 0);
        let mut walk = Walk { message: self.message, at: self.at, floor: self.at };
        loop {
            match walk.step()? {
                Step::End => break,
                Step::Label(label) => {
                    length += label.len() + 1;
                    if length > NAME_BYTES_MAX {
                        return Err(self.malformed("a name is longer than 255 bytes"));
                    }
                }
                Step::Pointer(after) => {
                    if pointers == 0 {
                        self.at = after;
                    }
                    pointers += 1;
                    if pointers > POINTERS_MAX {
                        return Err(self.malformed("a name has too many pointers"));
                    }
                }
            }
        }
        if pointers == 0 {
            self.at = walk.at;
        }
        if self.at > self.end { Err(self.malformed("a name reaches past its field")) } else { Ok(name) }
    }
}

/// A name in a message, checked when it was read.
#[derive(Clone, Copy)]
pub(super) struct Name<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Name<'m> {
    /// The name at this place, where one was read before.
    pub(super) const fn known(message: &'m [u8], at: usize) -> Self {
        Self { message, at }
    }

    /// The name's labels, without the empty one at its end.
    pub(super) fn labels(self) -> impl Iterator<Item = &'m [u8]> {
        let mut walk = Walk { message: self.message, at: self.at, floor: self.at };
        std::iter::from_fn(move || {
            loop {
                match walk.step() {
                    Ok(Step::Label(label)) => return Some(label),
                    Ok(Step::Pointer(_)) => {}
                    Ok(Step::End) | Err(_) => return None,
                }
            }
        })
    }

    /// Whether both are the same name; case does not count (RFC 1035 section 2.3.3).
    pub(super) fn is_same(self, other: Name<'_>) -> bool {
        let (mut ours, mut theirs) = (self.labels(), other.labels());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(our), Some(their)) if our.eq_ignore_ascii_case(their) => {}
                _ => return false,
            }
        }
    }
}

enum Step<'m> {
    Label(&'m [u8]),
    /// The name goes on elsewhere; the byte after the pointer.
    Pointer(usize),
    End,
}

/// Goes through a name label by label. Ends always: each pointer leads before the place where the last stretch began.
struct Walk<'m> {
    message: &'m [u8],
    at: usize,
    floor: usize,
}

impl<'m> Walk<'m> {
    fn step(&mut self) -> Result<Step<'m>, Malformed> {
        let early = Malformed::new("a name ends too early", self.at);
        let length = *self.message.get(self.at).ok_or(early)?;
        match length >> 6 {
            0 => {
                let start = self.at + 1;
                self.at = start + usize::from(length);
                let label = self.message.get(start..self.at).ok_or(early)?;
                Ok(if label.is_empty() { Step::End } else { Step::Label(label) })
            }
            3 => {
                let low = *self.message.get(self.at + 1).ok_or(early)?;
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                if target >= self.floor {
                    return Err(Malformed::new("a name points forwards or at itself", self.at));
                }
                let after = self.at + 2;
                (self.at, self.floor) = (target, target);
                Ok(Step::Pointer(after))
            }
            _ => Err(Malformed::new("a label of an unknown kind", self.at)),
        }
    }
}
