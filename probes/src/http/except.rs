//! Hosts that are asked without a proxy, as Go's programs read `NO_PROXY`.

use std::net::IpAddr;

/// Hosts that are asked without a proxy.
#[derive(Debug, Default)]
pub(super) struct Except {
    rules: Vec<(Host, Option<u16>)>,
    /// Whether exceptions can be made at all: then this machine is asked without a proxy.
    spares_loopback: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Host {
    Every,
    Network(IpAddr, u8),
    /// A domain, and whether it is meant itself besides the hosts below it.
    Domain(String, bool),
}

impl Except {
    /// No host, not even this machine.
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    /// Reads a list of names, addresses and networks, joined by commas.
    pub(super) fn of(list: &str) -> Self {
        let rules = list.split(',').map(|rule| rule.trim().to_ascii_lowercase()).filter(|rule| !rule.is_empty());
        Self { rules: rules.map(|rule| read(&rule)).collect(), spares_loopback: true }
    }

    /// Whether a host is asked without a proxy: by its address where that is known, else by its name.
    pub(super) fn spares(&self, address: Option<IpAddr>, host: &str, port: u16) -> bool {
        if !self.spares_loopback {
            return false;
        }
        let host = if address.is_some() { "" } else { host.trim_end_matches('.') }.to_ascii_lowercase();
        let address = address.or_else(|| host.parse().ok());
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let mut rules = self.rules.iter().filter(|(_, only)| only.is_none_or(|only| only == port));
        rules.any(|(rule, _)| match rule {
            Host::Every => true,
            Host::Network(network, bits) => address.is_some_and(|address| is_within(address, *network, *bits)),
            Host::Domain(domain, itself) => {
                let is_below = host.strip_suffix(domain.as_str()).is_some_and(|head| head.ends_with('.'));
                is_below || *itself && host == *domain
            }
        })
    }
}

fn read(rule: &str) -> (Host, Option<u16>) {
    if rule == "*" {
        return (Host::Every, None);
    }
    if let Some((network, bits)) = rule.split_once('/')
        && let (Ok(network), Ok(bits)) = (network.parse(), bits.parse())
    {
        return (Host::Network(network, bits), None);
    }
    let bare: Result<IpAddr, _> = rule.parse();
    let (host, port) = match rule.rsplit_once(':') {
        Some((host, port)) if bare.is_err() && port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        _ => (rule, None),
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = address.parse::<IpAddr>() {
        return (Host::Network(address, if address.is_ipv4() { 32 } else { 128 }), port);
    }
    let host = if host.starts_with("*.") { &host[1..] } else { host };
    match host.strip_prefix('.') {
        Some(domain) => (Host::Domain(domain.to_owned(), false), port),
        None => (Host::Domain(host.to_owned(), true), port),
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    // Addresses as numbers that fill the same width from the left.
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let address = address.to_canonical();
    let differing = number(address) ^ number(network);
    address.is_ipv4() == network.is_ipv4() && differing.leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::Except;

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        let list = "one.example, .two.example,*.three.example,10.0.0.0/8,192.0.2.1,[2001:db8::1]:80,four.example:81";
        let except = Except::of(list);
        for (host, port, spared) in [
            ("one.example", 80, true),
            ("A.One.example.", 80, true),
            ("xone.example", 80, false),
            ("two.example", 80, false),
            ("a.two.example", 80, true),
            ("three.example", 80, false),
            ("a.three.example", 80, true),
            ("10.9.8.7", 80, true),
            ("11.9.8.7", 80, false),
            ("::ffff:10.9.8.7", 80, true),
            ("192.0.2.1", 443, true),
            ("192.0.2.2", 443, false),
            ("2001:db8::1", 80, true),
            ("2001:db8::1", 81, false),
            ("four.example", 81, true),
            ("four.example", 82, false),
            ("localhost", 80, true),
            ("127.0.0.9", 80, true),
            ("::1", 80, true),
        ] {
            assert_eq!(except.spares(None, host, port), spared, "{host}:{port}");
        }
        assert!(except.spares(Some([10, 0, 0, 1].into()), "other.example", 80));
        assert!(!except.spares(Some([192, 0, 2, 9].into()), "one.example", 80));
        assert!(Except::of("*").spares(None, "other.example", 80));
        assert!(!Except::nothing().spares(None, "localhost", 80));
    }
}
