//! Distinguished names in the writing of Go's `crypto/x509`, which blackbox_exporter's users have in their queries.
//!
//! The order is not the certificate's: well-known attributes first, each kind once with its values joined by `+`, then
//! all others as `dotted.oid=#hex`, last one first.

use std::borrow::Cow;
use std::fmt::Write as _;

use x509_parser::prelude::X509Name;
use x509_parser::x509::AttributeTypeAndValue;

/// Longest name taken over from a certificate in bytes. Chosen: longer than honest names are.
const NAME_BYTES_MAX: usize = 2048;

/// Attributes below 2.5.4 (X.520) with names of their own, in Go's order.
const NAMED: [(u8, &str); 9] = [
    (5, "SERIALNUMBER"),
    (3, "CN"),
    (11, "OU"),
    (10, "O"),
    (17, "POSTALCODE"),
    (9, "STREET"),
    (7, "L"),
    (8, "ST"),
    (6, "C"),
];

/// Of these Go keeps the last value only.
const SINGLE: [u8; 2] = [5, 3];

/// Tags of the string types (X.680 section 8.6).
const UTF8_STRING: u8 = 12;
const NUMERIC_STRING: u8 = 18;
const PRINTABLE_STRING: u8 = 19;
const TELETEX_STRING: u8 = 20;
const IA5_STRING: u8 = 22;
const BMP_STRING: u8 = 30;

/// The name as Go writes it, cut at [`NAME_BYTES_MAX`].
pub(super) fn go_text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for (number, label) in NAMED {
        let values = || name.iter_attributes().filter(|attribute| named(attribute) == Some(number));
        let skipped = if SINGLE.contains(&number) { values().count().saturating_sub(1) } else { 0 };
        for (index, attribute) in values().skip(skipped).enumerate() {
            separate(&mut text, if index == 0 { ',' } else { '+' });
            text.push_str(label);
            text.push('=');
            escape_into(&mut text, &value(attribute));
        }
    }
    let others: Vec<_> = name.iter_attributes().filter(|attribute| named(attribute).is_none()).collect();
    for attribute in others.into_iter().rev() {
        separate(&mut text, ',');
        // Writing to a string cannot fail.
        let _ = write!(text, "{}=#", attribute.attr_type().to_id_string());
        hex_into(&mut text, &der(attribute));
    }
    text.truncate(text.floor_char_boundary(NAME_BYTES_MAX));
    text
}

/// Appends bytes in lower-case hexadecimal.
pub(super) fn hex_into(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// The attribute's number below 2.5.4 if Go has a name for it.
fn named(attribute: &AttributeTypeAndValue<'_>) -> Option<u8> {
    match attribute.attr_type().as_bytes() {
        [0x55, 0x04, number] if NAMED.iter().any(|(named, _)| named == number) => Some(*number),
        _ => None,
    }
}

fn separate(text: &mut String, separator: char) {
    if !text.is_empty() {
        text.push(separator);
    }
}

fn tag(attribute: &AttributeTypeAndValue<'_>) -> u8 {
    u8::try_from(attribute.attr_value().tag().0).unwrap_or(0)
}

fn value<'a>(attribute: &'a AttributeTypeAndValue<'_>) -> Cow<'a, str> {
    let bytes = attribute.attr_value().data;
    match tag(attribute) {
        TELETEX_STRING => bytes.iter().map(|byte| char::from(*byte)).collect(),
        BMP_STRING => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => String::from_utf8_lossy(bytes),
    }
}

/// Escapes as RFC 2253 section 2.4 wants it.
fn escape_into(text: &mut String, value: &str) {
    for (at, c) in value.char_indices() {
        let escaped = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => at == 0 || at == value.len() - 1,
            '#' => at == 0,
            _ => false,
        };
        if escaped {
            text.push('\\');
        }
        text.push(c);
    }
}

/// The value as Go encodes it anew: the narrowest of two string types; what is no string stays as it was.
fn der(attribute: &AttributeTypeAndValue<'_>) -> Vec<u8> {
    let tag = tag(attribute);
    let is_text =
        matches!(tag, UTF8_STRING | NUMERIC_STRING | PRINTABLE_STRING | TELETEX_STRING | IA5_STRING | BMP_STRING);
    if !is_text {
        return tag_length_value(tag, attribute.attr_value().data);
    }
    let text = value(attribute);
    let tag = if text.bytes().all(is_printable) { PRINTABLE_STRING } else { UTF8_STRING };
    tag_length_value(tag, text.as_bytes())
}

/// Whether a PrintableString may hold it (X.680 section 41.4).
const fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'\''..=b')' | b'+'..=b'/' | b':' | b'=' | b'?')
}

fn tag_length_value(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    match u8::try_from(value.len()) {
        Ok(length) if length < 0x80 => der.push(length),
        _ => {
            let length = value.len().to_be_bytes();
            let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
            der.push(0x80 | u8::try_from(length.len()).unwrap_or(0));
            der.extend_from_slice(length);
        }
    }
    der.extend_from_slice(value);
    der
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer as _;

    use super::*;

    /// A name of one attribute per set (RFC 5280 section 4.1.2.4): object identifier, tag, value.
    fn name(attributes: &[(&[u8], u8, &[u8])]) -> String {
        let sets = attributes.iter().flat_map(|(identifier, tag, value)| {
            let pair = [tag_length_value(6, identifier), tag_length_value(*tag, value)].concat();
            tag_length_value(0x31, &tag_length_value(0x30, &pair))
        });
        let der = tag_length_value(0x30, &sets.collect::<Vec<_>>());
        go_text(&X509Name::from_der(&der).expect("a name").1)
    }

    const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];

    #[test]
    fn a_full_name_is_written_as_go_writes_it() {
        let text = name(&[
            (&[0x55, 4, 6], 19, b"US"),
            (EMAIL, 22, b"a@b.c"),
            (&[0x55, 4, 8], 12, b"California"),
            (&[0x55, 4, 11], 12, b"Unit B"),
            (&[0x55, 4, 7], 12, b"SF"),
            (&[0x55, 4, 10], 12, b"Org One"),
            (&[0x55, 4, 3], 12, b"first"),
            (&[0x55, 4, 11], 12, b"Unit A"),
            (&[0x55, 4, 12], 12, b"Boss"),
            (&[0x55, 4, 3], 12, b"localhost"),
            (&[0x55, 4, 5], 19, b"77"),
        ]);
        assert_eq!(
            text,
            "SERIALNUMBER=77,CN=localhost,OU=Unit B+OU=Unit A,O=Org One,L=SF,ST=California,C=US,\
             2.5.4.12=#1304426f7373,1.2.840.113549.1.9.1=#0c056140622e63"
        );
    }

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(name(&[(&[0x55, 4, 3], 12, b"# a,+\"\\<>;= ")]), "CN=\\# a\\,\\+\\\"\\\\\\<\\>\\;=\\ ");
        assert_eq!(name(&[(&[0x55, 4, 3], 12, b" ")]), "CN=\\ ");
    }

    #[test]
    fn old_string_types_are_decoded() {
        assert_eq!(name(&[(&[0x55, 4, 3], 20, b"M\xfcller"), (&[0x55, 4, 10], 30, b"\0A\0\xe4")]), "CN=Müller,O=Aä");
    }

    #[test]
    fn a_name_is_bounded() {
        assert_eq!(name(&[(&[0x55, 4, 3], 12, "ä".repeat(5000).as_bytes())]).len(), NAME_BYTES_MAX - 1);
    }

    #[test]
    fn an_empty_name_is_empty() {
        assert_eq!(name(&[]), "");
    }
}
