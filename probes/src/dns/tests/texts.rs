//! The text form of records, as blackbox_exporter's DNS library prints them.

use super::super::message::Message;
use super::super::text::Text;
use super::super::wire::Header;
use super::*;

/// The text of a record of `zoo.`, alone in a message, that lives for a minute.
fn text(kind: u16, data: &[u8]) -> String {
    text_of(&record_of("zoo", kind, 1, 60, data))
}

fn text_of(record: &[u8]) -> String {
    let mut bytes = vec![0, 0, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend(record);
    let message = Message::read(&bytes, Header::read(&bytes).expect("a header")).expect("a message");
    Text::new(&bytes, &message.answer()[0]).to_string()
}

#[test]
fn known_types_are_in_zone_file_style() {
    for (kind, data, expected) in VECTORS {
        assert_eq!(text(*kind, data), format!("zoo.\t60\tIN\t{expected}"));
    }
}

#[test]
fn unknown_types_and_classes_are_numbers() {
    assert_eq!(text(65280, b"\xab\xcd"), "zoo.\t60\tCLASS1\tTYPE65280\t\\# 2 abcd");
    assert_eq!(text(65280, b""), "zoo.\t60\tCLASS1\tTYPE65280\t\\# 0 ");
    assert_eq!(text_of(&record_of("zoo", A, 7, 60, &[1, 2, 3, 4])), "zoo.\t60\tCLASS7\tA\t1.2.3.4");
    assert_eq!(text_of(&record_of("zoo", A, 255, 60, &[1, 2, 3, 4])), "zoo.\t60\tCLASS255\tA\t1.2.3.4");
    assert_eq!(text_of(&record_of("zoo", A, 254, 60, &[])), "zoo.\t60\tNONE\tA\t");
}

#[test]
fn names_keep_their_case_and_are_escaped() {
    let owner = record_of("ZoO.a\\.b \\;\\007\\255", A, 1, u32::MAX, &[1, 2, 3, 4]);
    assert_eq!(text_of(&owner), "ZoO.a\\.b\\ \\;\\007\\255.\t4294967295\tIN\tA\t1.2.3.4");
    assert_eq!(text_of(&record_of(".", NS, 1, 0, &[0])), ".\t0\tIN\tNS\t.");
    // A compressed name: the owner again.
    assert_eq!(text_of(&record_of("zoo", 15, 1, 60, b"\0\x0a\x04Mail\xc0\x0c")), "zoo.\t60\tIN\tMX\t10 Mail.zoo.");
}

#[test]
fn edns_is_several_lines() {
    let options = b"\0\x03\0\x02ns\0\x0a\0\x02\xab\xcd\0\x0f\0\x05\0\x12no!\xff\xdc\0\x01\x01";
    assert_eq!(
        text_of(&record_of(".", OPT, 1232, 0x0000_8001, options)),
        "\n;; OPT PSEUDOSECTION:\n; EDNS: version 0; flags: do; MBZ: 0x0001, udp: 1232\n; NSID: 6e73  (n)(s)\
         \n; COOKIE: abcd\n; EDE: 18 (Prohibited): (no!)\n; LOCAL OPT: 65500:0x01"
    );
}

const VECTORS: &[(u16, &[u8], &str)] = &[
    (1, &[192, 0, 2, 1], "A\t192.0.2.1"),
    (2, b"\x02ns\x03Zoo\0", "NS\tns.Zoo."),
    (5, b"\x03www\x03zoo\0", "CNAME\twww.zoo."),
    (
        6,
        b"\x02ns\0\x04a.b\xff\0\xff\xff\xff\xff\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05",
        "SOA\tns. a\\.b\\255. 4294967295 2 3 4 5",
    ),
    (12, b"\x04host\0", "PTR\thost."),
    (13, b"\x03a\"b\x02OS", "HINFO\t\"a\\\"b\" \"OS\""),
    (15, b"\0\x0a\x04Mail\x03Zoo\0", "MX\t10 Mail.Zoo."),
    (16, b"\x03a b\x06\"\\\x00\x7f;\xe4\0", "TXT\t\"a b\" \"\\\"\\\\\\000\\127;\\228\" \"\""),
    (17, b"\x01m\0\x01t\0", "RP\tm. t."),
    (18, b"\0\x01\x01h\0", "AFSDB\t1 h."),
    (19, b"\x03311", "X25\t311"),
    (20, b"\x03150", "ISDN\t\"150\" \"\""),
    (20, b"\x03150\x03004", "ISDN\t\"150\" \"004\""),
    (26, b"\0\x01\x01a\0\x01b\0", "PX\t1 a. b."),
    (27, b"\x03-32\x03116\x0210", "GPOS\t-32 116 10"),
    (28, b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", "AAAA\t2001:db8::1"),
    (28, b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04", "AAAA\t::ffff:1.2.3.4"),
    (28, &[0; 16], "AAAA\t::"),
    (31, b"\xab\x01", "EID\tAB01"),
    (33, b"\0\x01\0\x02\0\x03\x01s\0", "SRV\t1 2 3 s."),
    (35, b"\0\x01\0\x02\x01u\x07E2U+sip\x04!^\"!\0", "NAPTR\t1 2 \"u\" \"E2U+sip\" \"!^\\\"!\" ."),
    (36, b"\0\x05\x01k\0", "KX\t5 k."),
    (37, b"\0\x01\0\x02\x08abc", "CERT\tPKIX 2 RSASHA256 YWJj"),
    (37, b"\0\x63\0\x02\x63ab", "CERT\t99 2 99 YWI="),
    (39, b"\x01d\0", "DNAME\td."),
    (43, b"\x12\x34\x0d\x02\xab\xcd", "DS\t4660 13 2 ABCD"),
    (44, b"\x04\x02\xab\xcd", "SSHFP\t4 2 ABCD"),
    (
        46,
        b"\0\x01\x0d\x02\0\0\x0e\x10\x65\x92\x00\x80\x65\x6e\x6a\x00\x12\x34\x03zoo\0signature!",
        "RRSIG\tA 13 2 3600 20240101000000 20231205000832 4660 zoo. c2lnbmF0dXJlIQ==",
    ),
    (
        46,
        b"\xff\x00\x08\x02\0\0\x0e\x10\xff\xff\xff\xff\x56\xd4\xda\x80\0\x01\0s",
        "RRSIG\tTYPE65280 8 2 3600 21060207062815 20160229235544 1 . cw==",
    ),
    (47, b"\x01b\0\0\x06\x40\x01\0\0\0\x03\x01\x01\x40", "NSEC\tb. A MX RRSIG NSEC CAA"),
    (48, b"\x01\x01\x03\x0dkey", "DNSKEY\t257 3 13 a2V5"),
    (49, b"\x00\x01\x02\x03", "DHCID\tAAECAw=="),
    (
        50,
        b"\x01\x01\0\x05\x02\xab\xcd\x05\x00\x01\x02\x03\xff\0\x01\x40",
        "NSEC3\t1 1 5 ABCD 000G40VV A",
    ),
    (50, b"\x01\0\0\0\0\x01\xff\0\x01\x40", "NSEC3\t1 0 0 - VS A"),
    (51, b"\x01\0\0\x0a\0", "NSEC3PARAM\t1 0 10 -"),
    (52, b"\x03\x01\x01\xab\xcd", "TLSA\t3 1 1 abcd"),
    (60, b"\x01\0\x03\x0dk", "CDNSKEY\t256 3 13 aw=="),
    (62, b"\0\0\0\x42\0\x03\0\x01\x40", "CSYNC\t66 3 A"),
    (63, b"\0\0\0\x42\x01\x01\xab", "ZONEMD\t66 1 1 ab"),
    (
        65,
        b"\0\x01\0\0\x01\0\x06\x02h2\x02h3\0\x03\0\x02\x01\xbb\0\x04\0\x08\x01\x02\x03\x04\x05\x06\x07\x08\0\x05\0\x03ech\
          \0\x06\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x02\x9a\0\x03a\"\xff",
        "HTTPS\t1 . alpn=\"h2,h3\" port=\"443\" ipv4hint=\"1.2.3.4,5.6.7.8\" ech=\"ZWNo\" ipv6hint=\"2001:db8::1\" \
         key666=\"a\\\"\\255\"",
    ),
    (64, b"\0\x02\x01s\0\0\0\0\x04\0\x01\0\x03\0\x02\0\0", "SVCB\t2 s. mandatory=\"alpn,port\" no-default-alpn=\"\""),
    (64, b"\0\x00\x01s\0", "SVCB\t0 s."),
    (104, b"\0\x0a\0\x14\x4f\xff\xff\x20\xee\x64", "NID\t10 0014:4fff:ff20:ee64"),
    (105, b"\0\x0a\x0a\x01\x02\0", "L32\t10 10.1.2.0"),
    (106, b"\0\x0a\x20\x01\x0d\xb8\x11\x40\xab\xcd", "L64\t10 2001:0DB8:1140:ABCD"),
    (108, b"\0\x1a\x2b\x3c\x4d\x5e", "EUI48\t00-1a-2b-3c-4d-5e"),
    (109, b"\0\x1a\x2b\x3c\x4d\x5e\x6f\x70", "EUI64\t00-1a-2b-3c-4d-5e-6f-70"),
    (256, b"\0\x0a\0\x01https://a/\"", "URI\t10 1 \"https://a/\\\"\""),
    (257, b"\x80\x05issueca \"x\"", "CAA\t128 issue \"ca \\\"x\\\"\""),
];
