//! Numbers that have names: record types, classes and response codes.
//!
//! Knows no message. Mnemonics are those of the library that blackbox_exporter uses, since configurations and regular
//! expressions spell them so; the numbers are IANA's (DNS parameters).

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// What a record holds (RFC 1035 section 3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordType(pub(super) u16);

/// Which namespace a record belongs to (RFC 1035 section 3.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordClass(pub(super) u16);

/// How the server judged the question (RFC 1035 section 4.1.1), with the upper bits of EDNS (RFC 6891 section 6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResponseCode(pub(super) u16);

impl RecordType {
    pub(super) const SOA: Self = Self(6);
    pub(super) const OPT: Self = Self(41);
    pub(super) const RRSIG: Self = Self(46);
    pub(super) const ANY: Self = Self(255);

    fn of(text: &str) -> Option<Self> {
        numbered(TYPES, text, "TYPE").map(Self)
    }
}

impl RecordClass {
    pub(super) const IN: Self = Self(1);

    fn of(text: &str) -> Option<Self> {
        numbered(CLASSES, text, "CLASS").map(Self)
    }
}

impl ResponseCode {
    pub(super) const NOERROR: Self = Self(0);

    fn of(text: &str) -> Option<Self> {
        let text = match text {
            // The same number by its other names.
            "NOTIMPL" => "NOTIMP",
            "BADVERS" => "BADSIG",
            text => text,
        };
        RCODES.iter().find(|(_, name)| *name == text).map(|(number, _)| Self(*number))
    }

    /// The code's name, if it has one.
    pub(super) fn name(self) -> Option<&'static str> {
        named(RCODES, self.0)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match named(TYPES, self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Display for RecordClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match named(CLASSES, self.0) {
            // ANY is a type's name too, so records spell the class as a number.
            Some(name) if name != "ANY" => f.write_str(name),
            _ => write!(f, "CLASS{}", self.0),
        }
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

fn named(table: &[(u16, &'static str)], number: u16) -> Option<&'static str> {
    table.binary_search_by_key(&number, |(known, _)| *known).ok().map(|index| table[index].1)
}

/// A mnemonic, or the prefix and a number (RFC 3597 section 5).
fn numbered(table: &[(u16, &'static str)], text: &str, prefix: &str) -> Option<u16> {
    if let Some((number, _)) = table.iter().find(|(_, name)| *name == text) {
        return Some(*number);
    }
    let digits = text.strip_prefix(prefix)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

impl<'de> Deserialize<'de> for RecordType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
            "" => Ok(Self::ANY),
            text => Self::of(text).ok_or_else(|| {
                de::Error::custom(format_args!(
                    "unknown record type {text:?}, expected a mnemonic in capitals such as AAAA, or a number such as TYPE65"
                ))
            }),
        }
    }
}

impl<'de> Deserialize<'de> for RecordClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Cow::<'de, str>::deserialize(deserializer)?.as_ref() {
            "" => Ok(Self::IN),
            text => Self::of(text).ok_or_else(|| {
                de::Error::custom(format_args!(
                    "unknown class {text:?}, expected IN, CS, CH, HS, NONE, ANY, or a number such as CLASS1"
                ))
            }),
        }
    }
}

impl<'de> Deserialize<'de> for ResponseCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::of(&text).ok_or_else(|| {
            let names: Vec<_> = RCODES.iter().map(|(_, name)| *name).collect();
            de::Error::custom(format_args!("unknown response code {text:?}, expected one of {}", names.join(", ")))
        })
    }
}

macro_rules! schema_as_text {
    ($($type:ident $name:literal $schema:tt;)*) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

schema_as_text! {
    RecordType "record_type" {"type": "string", "description": "Mnemonic in capitals, or TYPE and a number."};
    RecordClass "record_class" {"type": "string", "description": "IN, CS, CH, HS, NONE, ANY, or CLASS and a number."};
    ResponseCode "response_code" {"type": "string", "description": "Mnemonic in capitals, such as NXDOMAIN."};
}

/// Sorted by number.
const TYPES: &[(u16, &str)] = &[
    (0, "None"),
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (23, "NSAP-PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (56, "NINFO"),
    (57, "RKEY"),
    (58, "TALINK"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (128, "NXNAME"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (258, "AVC"),
    (260, "AMTRELAY"),
    (261, "RESINFO"),
    (32768, "TA"),
    (32769, "DLV"),
    (65535, "Reserved"),
];

/// Sorted by number.
const CLASSES: &[(u16, &str)] = &[(1, "IN"), (2, "CS"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];

/// Sorted by number.
const RCODES: &[(u16, &str)] = &[
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADSIG"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        for table in [TYPES, CLASSES, RCODES] {
            assert!(table.is_sorted_by(|(a, _), (b, _)| a < b));
        }
    }

    #[test]
    fn types_are_read_by_mnemonic_and_by_number() {
        let read = |text| RecordType::of(text).map(|kind| kind.0);
        assert_eq!(read("AAAA"), Some(28));
        assert_eq!(read("NSAP-PTR"), Some(23));
        assert_eq!(read("TYPE65400"), Some(65400));
        for wrong in ["aaaa", "TYPE", "TYPE65536", "TYPE+1", "BOGUS"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_without_a_name_are_shown_as_numbers() {
        assert_eq!(RecordType(65280).to_string(), "TYPE65280");
        assert_eq!(RecordClass(7).to_string(), "CLASS7");
        assert_eq!(RecordClass(255).to_string(), "CLASS255");
        assert_eq!(ResponseCode(24).to_string(), "RCODE24");
    }
}
