//! Parameters of SVCB and HTTPS records (RFC 9460 section 2.2) and their text (section 2.1, appendix A).

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::text::{Base64, write_escaped};
use super::wire::{Cursor, Malformed};

/// One parameter: its key and its value, checked when it was read.
#[derive(Clone, Copy)]
pub(super) struct Parameter<'m> {
    key: u16,
    value: &'m [u8],
}

/// RFC 9460 section 14.3.2, RFC 9461, RFC 9540.
const KEYS: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

/// Reserved for ever (RFC 9460 section 14.3.2).
const KEY_RESERVED: u16 = u16::MAX;

struct Key(u16);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match KEYS.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "key{}", self.0),
        }
    }
}

/// Reads parameters until the end; keys must rise.
pub(super) fn parameters<'m>(cursor: &mut Cursor<'m>, visit: &mut impl FnMut(Parameter<'m>)) -> Result<(), Malformed> {
    let mut last = None;
    while !cursor.is_at_end() {
        let key = cursor.short()?;
        let length = cursor.short()?;
        let parameter = Parameter { key, value: cursor.bytes(usize::from(length))? };
        if last.is_some_and(|last| last >= key) || key == KEY_RESERVED || !parameter.is_sound() {
            return Err(cursor.malformed("a service parameter is out of order or has an impossible value"));
        }
        last = Some(key);
        visit(parameter);
    }
    Ok(())
}

impl<'m> Parameter<'m> {
    fn is_sound(self) -> bool {
        let length = self.value.len();
        match self.key {
            0 => length.is_multiple_of(2),
            1 => {
                let mut strings = self.strings();
                strings.by_ref().for_each(drop);
                strings.is_at_end()
            }
            2 | 8 => length == 0,
            3 => length == 2,
            4 => length > 0 && length.is_multiple_of(4),
            6 => length > 0 && length.is_multiple_of(16),
            _ => true,
        }
    }

    fn strings(self) -> Strings<'m> {
        Strings(Cursor::over(self.value, 0, self.value.len()))
    }
}

struct Strings<'m>(Cursor<'m>);

impl Strings<'_> {
    fn is_at_end(&self) -> bool {
        self.0.is_at_end()
    }
}

impl<'m> Iterator for Strings<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.0.string().ok()
    }
}

impl fmt::Display for Parameter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=\"", Key(self.key))?;
        match self.key {
            0 => list(f, self.value.as_chunks().0.iter().map(|key| Key(u16::from_be_bytes(*key))))?,
            1 => list(f, self.strings().map(Protocol))?,
            3 => list(f, self.value.as_chunks().0.iter().map(|port| u16::from_be_bytes(*port)))?,
            4 => list(f, self.value.as_chunks::<4>().0.iter().map(|address| Ipv4Addr::from(*address)))?,
            5 => Base64(self.value).fmt(f)?,
            6 => list(f, self.value.as_chunks::<16>().0.iter().map(|address| Ipv6Addr::from(*address)))?,
            _ => write_escaped(f, self.value, |byte| matches!(byte, b'"' | b';' | b' ' | b'\\'))?,
        }
        f.write_char('"')
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: impl Iterator<Item = impl fmt::Display>) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

/// An application protocol. Comma and backslash are escaped twice (RFC 9460 appendix A.1).
struct Protocol<'m>(&'m [u8]);

impl fmt::Display for Protocol<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            match byte {
                b',' => f.write_str(r"\\\044")?,
                b'\\' => f.write_str(r"\\\092")?,
                byte => write_escaped(f, &[*byte], |byte| matches!(byte, b'"' | b';' | b' '))?,
            }
        }
        Ok(())
    }
}
