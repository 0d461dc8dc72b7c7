//! What an address really is: what hides in it, and whether it is one of those that nobody asks by accident.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    base: IpAddr,
    bits: u8,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Range {
    Range { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
}

const fn v6(segments: [u16; 8], bits: u8) -> Range {
    let [a, b, c, d, e, f, g, h] = segments;
    Range { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), bits }
}

impl Range {
    /// One address.
    pub(super) fn single(address: IpAddr) -> Self {
        let base = address.to_canonical();
        Self { base, bits: if base.is_ipv4() { 32 } else { 128 } }
    }

    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or an address alone.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither an address nor a range of them such as 192.0.2.0/24");
        let (address, bits) = match text.split_once('/') {
            None => return text.parse().map(Self::single).map_err(|_| wrong()),
            Some((address, bits)) => (address.parse::<IpAddr>().map_err(|_| wrong())?, bits),
        };
        let mut bits: u8 = bits.parse().map_err(|_| wrong())?;
        let base = address.to_canonical();
        if address.is_ipv6() && base.is_ipv4() {
            // A range of mapped addresses is one of IPv4.
            bits = bits.checked_sub(96).ok_or_else(wrong)?;
        }
        if bits > if base.is_ipv4() { 32 } else { 128 } {
            return Err(wrong());
        }
        let range = Self { base, bits };
        if range.masked(base) == base {
            Ok(range)
        } else {
            Err(format!("{text:?} has bits beyond its first {bits}, write {}/{bits}", range.masked(base)))
        }
    }

    fn masked(self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        }
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4() && self.masked(address) == self.base
    }

    /// Whether all of the other lies in this one.
    pub(super) fn covers(self, other: Self) -> bool {
        self.bits <= other.bits && self.contains(other.base)
    }
}

/// Addresses that a list must name by themselves: a wider range does not mean them.
const SPECIAL: &[(Range, &str)] = &[
    (v4(0, 0, 0, 0, 8), "this host itself (RFC 1122 section 3.2.1.3)"),
    (v4(169, 254, 0, 0, 16), "link-local, where clouds keep their metadata (RFC 3927)"),
    (v4(100, 100, 100, 200, 32), "a cloud's metadata service"),
    (v4(168, 63, 129, 16, 32), "a cloud's metadata service"),
    (v4(192, 0, 0, 192, 32), "a cloud's metadata service"),
    (v4(224, 0, 0, 0, 4), "multicast (RFC 1112)"),
    (v4(255, 255, 255, 255, 32), "broadcast (RFC 919)"),
    (v6([0; 8], 128), "this host itself (RFC 4291 section 2.5.2)"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local (RFC 4291 section 2.5.6)"),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), "a cloud's metadata service"),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), "a cloud's metadata service"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast (RFC 4291 section 2.7)"),
];

/// The special range that an address lies in, and what it is.
pub(super) fn special(address: IpAddr) -> Option<(Range, &'static str)> {
    SPECIAL.iter().find(|(range, _)| range.contains(address)).copied()
}

/// `::/96`: IPv4-compatible (RFC 4291 section 2.5.5.1).
const COMPATIBLE: Range = v6([0; 8], 96);
/// `64:ff9b::/96` (RFC 6052 section 2.1).
const NAT64: Range = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// `64:ff9b:1::/48` (RFC 8215).
const NAT64_LOCAL: Range = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
/// `2002::/16` (RFC 3056).
const SIX_TO_FOUR: Range = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);
/// `2001::/32` (RFC 4380).
const TEREDO: Range = v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);
/// Interface identifiers that begin with this carry an IPv4 address (RFC 5214 section 6.1), but for one bit.
const ISATAP: u32 = 0x0000_5efe;

/// An address of IPv6 that leads to addresses of IPv4: those, and the range that makes it so.
pub(super) struct Embedded {
    pub(super) within: Range,
    pub(super) addresses: Vec<IpAddr>,
}

/// The addresses of IPv4 that an address of IPv6 leads to.
pub(super) fn embedded(address: IpAddr) -> Option<Embedded> {
    let IpAddr::V6(own) = address else { return None };
    let bits = own.to_bits();
    let at = |shift: u32| IpAddr::from(Ipv4Addr::from_bits((bits >> shift) as u32));
    let found = |within, addresses| Some(Embedded { within, addresses });
    if COMPATIBLE.contains(address) {
        return if bits <= 1 { None } else { found(COMPATIBLE, vec![at(0)]) };
    }
    if NAT64.contains(address) {
        return found(NAT64, vec![at(0)]);
    }
    if NAT64_LOCAL.contains(address) {
        // The prefix in use may be 48, 56, 64 or 96 bits long (RFC 6052 section 2.2); bits 64 to 71 are always zero.
        let spread = |upper: u32| {
            let (high, low) = ((bits >> 64) as u64, (bits << 72 >> 72) as u64);
            let joined = (u128::from(high) << 56) | u128::from(low);
            IpAddr::from(Ipv4Addr::from_bits((joined >> (120 - upper - 32)) as u32))
        };
        let candidates = [at(0), spread(48), spread(56), spread(64)];
        return found(NAT64_LOCAL, candidates.into_iter().filter(|address| !address.is_unspecified()).collect());
    }
    if SIX_TO_FOUR.contains(address) {
        return found(SIX_TO_FOUR, vec![at(80)]);
    }
    if TEREDO.contains(address) {
        // The server, and the client behind it, whose bits are inverted (RFC 4380 section 4).
        let client = Ipv4Addr::from_bits(!(bits as u32));
        return found(TEREDO, vec![at(64), client.into()]);
    }
    let identifier = (bits >> 32) as u32 & !0x0200_0000;
    let network = Range { base: Ipv6Addr::from_bits(bits >> 64 << 64).into(), bits: 64 };
    if identifier == ISATAP { found(network, vec![at(0)]) } else { None }
}
