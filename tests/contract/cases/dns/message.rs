//! Messages as a name server writes them (RFC 1035 section 4).

pub(super) const A: u16 = 1;
pub(super) const NS: u16 = 2;
pub(super) const CNAME: u16 = 5;
pub(super) const SOA: u16 = 6;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const OPT: u16 = 41;
pub(super) const IN: u16 = 1;
pub(super) const CH: u16 = 3;

/// A reply that is one (QR), to a question that wanted recursion (RD, RA): RFC 1035 section 4.1.1.
pub(super) const REPLY: u16 = 0x8180;
pub(super) const SERVFAIL: u16 = 2;
pub(super) const REFUSED: u16 = 5;
/// The reply was cut (TC).
pub(super) const CUT: u16 = 0x0200;

/// A name in a message (RFC 1035 section 3.1).
pub(super) fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> =
        labels.flat_map(|label| [&[u8::try_from(label.len()).expect("short")], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

/// A record (RFC 1035 section 4.1.3).
pub(super) fn record_of(owner: &str, kind: u16, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short");
    let fixed = [&kind.to_be_bytes()[..], &class.to_be_bytes(), &ttl.to_be_bytes(), &length.to_be_bytes()].concat();
    [name(owner), fixed, data.to_vec()].concat()
}

pub(super) fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    record_of(owner, kind, IN, 3600, data)
}

pub(super) fn address(owner: &str, last: u8) -> Vec<u8> {
    record(owner, A, &[127, 0, 0, last])
}

pub(super) fn soa(serial: u32) -> Vec<u8> {
    let numbers: Vec<u8> = [serial, 2, 3, 4, 5].iter().flat_map(|number| number.to_be_bytes()).collect();
    record("example.com", SOA, &[name("ns.example.com"), name("host.example.com"), numbers].concat())
}

/// What a server says: flags and three sections.
#[derive(Debug, Clone, Default)]
pub(super) struct Says {
    pub(super) flags: u16,
    pub(super) sections: [Vec<Vec<u8>>; 3],
}

pub(super) fn says(flags: u16) -> Says {
    Says { flags, ..Says::default() }
}

pub(super) fn two_addresses() -> Says {
    says(REPLY).answer(&[address("example.com", 1), address("example.com", 2)])
}

pub(super) fn referral() -> Says {
    two_addresses()
        .authority(&[record("example.com", NS, &name("ns1.isp.net")), record("example.com", NS, &name("ns2.isp.net"))])
        .additional(&[address("ns1.isp.net", 1), address("ns2.isp.net", 2), record("ns1.isp.net", AAAA, &[1; 16])])
}

impl Says {
    pub(super) fn answer(mut self, records: &[Vec<u8>]) -> Self {
        self.sections[0] = records.to_vec();
        self
    }

    pub(super) fn authority(mut self, records: &[Vec<u8>]) -> Self {
        self.sections[1] = records.to_vec();
        self
    }

    pub(super) fn additional(mut self, records: &[Vec<u8>]) -> Self {
        self.sections[2] = records.to_vec();
        self
    }

    /// The reply to a question.
    pub(super) fn to(&self, query: &[u8]) -> Vec<u8> {
        let mut message = query[..2].to_vec();
        message.extend(self.flags.to_be_bytes());
        message.extend([0, 1]);
        for section in &self.sections {
            message.extend(u16::try_from(section.len()).expect("few").to_be_bytes());
        }
        message.extend(&query[12..]);
        message.extend(self.sections.concat().concat());
        message
    }
}
