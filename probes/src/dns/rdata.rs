//! What lies inside a record, type by type: a table of parts, and a walk that turns bytes into values.
//!
//! Knows no text form. A type that is not in the table is opaque bytes (RFC 3597).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::codes::RecordType;
use super::message::Record;
use super::service;
use super::wire::{Cursor, Malformed, Name};

/// One part of a record's data.
#[derive(Debug, Clone, Copy)]
enum Part {
    Name,
    Byte,
    Short,
    Long,
    /// Seconds since 1970, modulo 2^32 (RFC 4034 section 3.1.5).
    Time,
    Type,
    /// RFC 4398 section 2.1.
    CertificateType,
    /// A signature algorithm that is shown by name.
    Algorithm,
    Ip4,
    Ip6,
    /// A string, shown with quotes.
    Quoted,
    /// As `Quoted`, may be missing; shown empty then.
    QuotedOrNone,
    /// A string, shown without quotes.
    Plain,
    /// Strings until the end, at least one.
    Strings,
    /// All that is left, as one text.
    Octets,
    /// All that is left.
    Hex,
    /// All that is left.
    UpperHex,
    /// All that is left.
    Base64,
    /// A length and as many bytes; `-` if none (RFC 5155 section 3.3).
    Salt,
    /// A length and as many bytes (RFC 5155 section 3.3).
    Base32,
    /// The types that exist at a name (RFC 4034 section 4.1.2).
    Types,
    /// Service parameters (RFC 9460 section 2.2).
    Parameters,
    /// Eight bytes in four groups (RFC 6742 section 2.1.1).
    Node,
    /// As `Node`, with capitals (RFC 6742 section 2.3.1).
    Locator,
    /// This many bytes with dashes between them (RFC 7043).
    Eui(usize),
}

/// One value of a record's data.
#[derive(Clone, Copy)]
pub(super) enum Value<'m> {
    Name(Name<'m>),
    Number(u32),
    Word(&'static str),
    Time(u32),
    Type(RecordType),
    Ip4(Ipv4Addr),
    Ip6(Ipv6Addr),
    Quoted(&'m [u8]),
    Plain(&'m [u8]),
    Hex(&'m [u8]),
    UpperHex(&'m [u8]),
    Base64(&'m [u8]),
    Base32(&'m [u8]),
    Parameter(service::Parameter<'m>),
    Node(&'m [u8]),
    Locator(&'m [u8]),
    Eui(&'m [u8]),
}

/// The parts of a type that is known, in their order.
fn parts(kind: RecordType) -> Option<&'static [Part]> {
    use Part::{
        Algorithm, Base32, Base64, Byte, CertificateType, Eui, Hex, Ip4, Ip6, Locator, Long, Name, Node, Octets,
        Parameters, Plain, Quoted, QuotedOrNone, Salt, Short, Strings, Time, Type, Types, UpperHex,
    };
    Some(match kind.0 {
        // A, RFC 1035 section 3.4.1.
        1 => &[Ip4],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, NSAP-PTR, DNAME: RFC 1035 section 3.3, RFC 1348, RFC 6672.
        2..=5 | 7..=9 | 12 | 23 | 39 => &[Name],
        // SOA, RFC 1035 section 3.3.13.
        6 => &[Name, Name, Long, Long, Long, Long, Long],
        // HINFO, RFC 1035 section 3.3.2.
        13 => &[Quoted, Quoted],
        // MINFO, RP, TALINK: RFC 1035 section 3.3.7, RFC 1183.
        14 | 17 | 58 => &[Name, Name],
        // MX, AFSDB, RT, KX, LP: RFC 1035 section 3.3.9, RFC 1183, RFC 2230, RFC 6742.
        15 | 18 | 21 | 36 | 107 => &[Short, Name],
        // TXT, NINFO, SPF, AVC, RESINFO: RFC 1035 section 3.3.14, RFC 7208, RFC 9606.
        16 | 56 | 99 | 258 | 261 => &[Strings],
        // X25, RFC 1183.
        19 => &[Plain],
        // ISDN, RFC 1183.
        20 => &[Quoted, QuotedOrNone],
        // SIG, RRSIG: RFC 4034 section 3.1.
        24 | 46 => &[Type, Byte, Byte, Long, Time, Time, Short, Name, Base64],
        // KEY, DNSKEY, RKEY, CDNSKEY: RFC 4034 section 2.1.
        25 | 48 | 57 | 60 => &[Short, Byte, Byte, Base64],
        // PX, RFC 2163.
        26 => &[Short, Name, Name],
        // GPOS, RFC 1712.
        27 => &[Plain, Plain, Plain],
        // AAAA, RFC 3596 section 2.2.
        28 => &[Ip6],
        // NXT, NSEC: RFC 4034 section 4.1.
        30 | 47 => &[Name, Types],
        // EID, NIMLOC.
        31 | 32 => &[UpperHex],
        // SRV, RFC 2782.
        33 => &[Short, Short, Short, Name],
        // NAPTR, RFC 3403 section 4.1.
        35 => &[Short, Short, Quoted, Quoted, Quoted, Name],
        // CERT, RFC 4398 section 2.
        37 => &[CertificateType, Short, Algorithm, Base64],
        // DS, CDS, TA, DLV: RFC 4034 section 5.1.
        43 | 59 | 32768 | 32769 => &[Short, Byte, Byte, UpperHex],
        // SSHFP, RFC 4255 section 3.1.
        44 => &[Byte, Byte, UpperHex],
        // DHCID, OPENPGPKEY: RFC 4701, RFC 7929.
        49 | 61 => &[Base64],
        // NSEC3, RFC 5155 section 3.2.
        50 => &[Byte, Byte, Short, Salt, Base32, Types],
        // NSEC3PARAM, RFC 5155 section 4.2.
        51 => &[Byte, Byte, Short, Salt],
        // TLSA, SMIMEA: RFC 6698 section 2.1, RFC 8162.
        52 | 53 => &[Byte, Byte, Byte, Hex],
        // CSYNC, RFC 7477 section 2.1.
        62 => &[Long, Short, Types],
        // ZONEMD, RFC 8976 section 2.2.
        63 => &[Long, Byte, Byte, Hex],
        // SVCB, HTTPS: RFC 9460 section 2.2.
        64 | 65 => &[Short, Name, Parameters],
        // UINFO, UID, GID.
        100 => &[Quoted],
        101 | 102 => &[Long],
        // NID, L32, L64: RFC 6742 section 2.
        104 => &[Short, Node],
        105 => &[Short, Ip4],
        106 => &[Short, Locator],
        // EUI48, EUI64: RFC 7043.
        108 => &[Eui(6)],
        109 => &[Eui(8)],
        // URI, RFC 7553 section 4.
        256 => &[Short, Short, Octets],
        // CAA, RFC 8659 section 4.1.
        257 => &[Byte, Plain, Octets],
        _ => return None,
    })
}

/// Whether the type's parts are known.
pub(super) fn is_known(kind: RecordType) -> bool {
    parts(kind).is_some()
}

/// Whether a record holds what its type says.
pub(super) fn check(message: &[u8], record: &Record) -> Result<(), Malformed> {
    values(message, record, |_| {})
}

/// Shows each value of a record of a known type. A record without data has none (RFC 2136 section 2.4).
pub(super) fn values<'m>(
    message: &'m [u8],
    record: &Record,
    mut visit: impl FnMut(Value<'m>),
) -> Result<(), Malformed> {
    let mut cursor = record.data(message);
    let Some(parts) = parts(record.kind) else { return Ok(()) };
    if cursor.is_at_end() {
        return Ok(());
    }
    for part in parts {
        read(*part, &mut cursor, &mut visit)?;
    }
    if cursor.is_at_end() { Ok(()) } else { Err(cursor.malformed("a record has bytes after its data")) }
}

fn read<'m>(part: Part, cursor: &mut Cursor<'m>, visit: &mut impl FnMut(Value<'m>)) -> Result<(), Malformed> {
    visit(match part {
        Part::Name => Value::Name(cursor.name()?),
        Part::Byte => Value::Number(cursor.byte()?.into()),
        Part::Short => Value::Number(cursor.short()?.into()),
        Part::Long => Value::Number(cursor.long()?),
        Part::Time => Value::Time(cursor.long()?),
        Part::Type => Value::Type(RecordType(cursor.short()?)),
        Part::CertificateType => named(CERTIFICATE_TYPES, cursor.short()?),
        Part::Algorithm => named(ALGORITHMS, cursor.byte()?.into()),
        Part::Ip4 => Value::Ip4(cursor.array::<4>()?.into()),
        Part::Ip6 => Value::Ip6(cursor.array::<16>()?.into()),
        Part::Quoted => Value::Quoted(cursor.string()?),
        Part::QuotedOrNone if cursor.is_at_end() => Value::Quoted(&[]),
        Part::QuotedOrNone => Value::Quoted(cursor.string()?),
        Part::Plain => Value::Plain(cursor.string()?),
        Part::Octets => Value::Quoted(cursor.rest()),
        Part::Hex => Value::Hex(cursor.rest()),
        Part::UpperHex => Value::UpperHex(cursor.rest()),
        Part::Base64 => Value::Base64(cursor.rest()),
        Part::Salt => match cursor.string()? {
            [] => Value::Word("-"),
            salt => Value::UpperHex(salt),
        },
        Part::Base32 => Value::Base32(cursor.string()?),
        Part::Node => Value::Node(cursor.bytes(8)?),
        Part::Locator => Value::Locator(cursor.bytes(8)?),
        Part::Eui(length) => Value::Eui(cursor.bytes(length)?),
        Part::Strings => {
            while !cursor.is_at_end() {
                visit(Value::Quoted(cursor.string()?));
            }
            return Ok(());
        }
        Part::Types => return types(cursor, visit),
        Part::Parameters => {
            return service::parameters(cursor, &mut |parameter| visit(Value::Parameter(parameter)));
        }
    });
    Ok(())
}

/// Reads blocks of bits, one for each type (RFC 4034 section 4.1.2).
fn types<'m>(cursor: &mut Cursor<'m>, visit: &mut impl FnMut(Value<'m>)) -> Result<(), Malformed> {
    let mut last = None;
    while !cursor.is_at_end() {
        let window = cursor.byte()?;
        let bits = cursor.string()?;
        if last.is_some_and(|last| last >= window) || bits.is_empty() || bits.len() > 32 {
            return Err(cursor.malformed("a list of types is out of order, empty or too long"));
        }
        last = Some(window);
        for (number, byte) in (u16::from(window) << 8..).step_by(8).zip(bits) {
            for bit in 0..8_u16 {
                if byte & 0x80 >> bit != 0 {
                    visit(Value::Type(RecordType(number + bit)));
                }
            }
        }
    }
    Ok(())
}

fn named(table: &[(u16, &'static str)], number: u16) -> Value<'static> {
    let name = table.iter().find(|(known, _)| *known == number);
    name.map_or(Value::Number(number.into()), |(_, name)| Value::Word(name))
}

/// RFC 4398 section 2.1.
const CERTIFICATE_TYPES: &[(u16, &str)] = &[
    (1, "PKIX"),
    (2, "SPKI"),
    (3, "PGP"),
    (4, "IPIX"),
    (5, "ISPKI"),
    (6, "IPGP"),
    (7, "ACPKIX"),
    (8, "IACPKIX"),
    (253, "URI"),
    (254, "OID"),
];

/// IANA, DNS security algorithm numbers.
const ALGORITHMS: &[(u16, &str)] = &[
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DSA"),
    (5, "RSASHA1"),
    (6, "DSA-NSEC3-SHA1"),
    (7, "RSASHA1-NSEC3-SHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECC-GOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
    (252, "INDIRECT"),
    (253, "PRIVATEDNS"),
    (254, "PRIVATEOID"),
];
