//! The list against addresses and names in every disguise, and against runs that are led astray.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::net::{Network, Resolver};
use crate::report::Report;
use crate::target::Target;
use crate::terms::Terms;
use crate::testkit::{self, Peer, gist, say};

fn list(entries: &[&str]) -> TargetList {
    let mut list = TargetList::default();
    for entry in entries {
        list.push(entry).expect("an entry");
    }
    list
}

fn allows(list: &TargetList, names: &[&str], address: &str, port: u16) -> bool {
    list.judge(names, address.parse().expect("an address"), Port::Is(port)).is_ok()
}

#[test]
fn names_ranges_and_ports_are_told_apart() {
    let list = list(&["www.Example.org.", "*.example.net:443", "192.0.2.0/24", "2001:db8::/32", "[2001:db9::]:53"]);
    for (names, address, port, expected) in [
        (&["www.example.org"][..], "203.0.113.1", 1, true),
        (&["example.org"], "203.0.113.1", 1, false),
        (&["xwww.example.org"], "203.0.113.1", 1, false),
        (&["a.b.example.net"], "203.0.113.1", 443, true),
        (&["a.example.net"], "203.0.113.1", 80, false),
        (&["example.net"], "203.0.113.1", 443, false),
        (&["xexample.net"], "203.0.113.1", 443, false),
        (&["other", "www.example.org"], "10.0.0.1", 1, true),
        (&[], "192.0.2.255", 9, true),
        (&[], "192.0.3.0", 9, false),
        (&[], "2001:db8:ffff::1", 9, true),
        (&[], "2001:db9::", 53, true),
        (&[], "2001:db9::", 54, false),
    ] {
        assert_eq!(allows(&list, names, address, port), expected, "{names:?} {address} {port}");
    }
}

#[test]
fn entries_that_mean_nothing_are_refused() {
    let mut list = TargetList::default();
    for wrong in [
        "",
        "*",
        "*:80",
        "*.",
        "a b",
        "a..b",
        "192.0.2.1/24",
        "192.0.2.0/33",
        "2001:db8::/129",
        "host:0",
        "host:http",
        "host:65536",
        "[::1]x",
        "[::1",
        "0x7f.1",
        "2130706433",
        "/run/../x.sock",
        "/",
        "@",
        "relative/path",
        "*.1",
        "192.0.2.0/24/24",
        "::ffff:192.0.2.0/95",
        "a*.example.org",
        "*.*.example.org",
        "http://example.org/",
    ] {
        assert!(list.push(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(list, TargetList::default());
    for right in ["müller.example", "_dmarc.example.org", "10.0.0.0/8:443", "2001:db8::/32:443", "/run/a.sock", "@a"] {
        assert_eq!(list.push(right), Ok(()), "{right:?}");
    }
    assert!(allows(&list, &["xn--mller-kva.example"], "203.0.113.1", 1));
    assert!(allows(&list, &[], "2001:db8::1", 443) && !allows(&list, &[], "2001:db8::1", 80));
}

#[test]
fn what_must_be_named_by_itself_is_no_part_of_a_wider_range() {
    let wide = list(&["0.0.0.0/0", "::/0", "*.example.org"]);
    for address in [
        "0.0.0.0",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "::",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2001:0:a9fe:a9fe::",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "2001:db8::5efe:169.254.169.254",
        "2001:db8::200:5efe:169.254.169.254",
    ] {
        assert!(!allows(&wide, &["a.example.org"], address, 80), "{address}");
        assert!(allows(&list(&[address]), &[], address, 80), "{address} by itself");
    }
    assert!(allows(&list(&["169.254.169.254"]), &[], "::ffff:169.254.169.254", 80));
    assert!(allows(&list(&["169.254.0.0/16:80"]), &["a.b"], "169.254.169.254", 80));
    assert!(!allows(&list(&["169.254.0.0/16:80"]), &[], "169.254.169.254", 81));
    assert!(!allows(&list(&["168.0.0.0/7"]), &[], "169.254.169.254", 80));
    assert!(allows(&list(&["fe80::/10"]), &[], "fe80::1", 80));
}

#[test]
fn a_way_through_a_translator_is_judged_by_where_it_leads() {
    let both = list(&["::/0", "192.0.2.0/24"]);
    assert!(allows(&both, &[], "64:ff9b::192.0.2.1", 80));
    assert!(!allows(&both, &[], "64:ff9b::127.0.0.1", 80));
    assert!(allows(&list(&["64:ff9b::/96"]), &[], "64:ff9b::127.0.0.1", 80));
    assert!(!allows(&list(&["64:ff9b::/96"]), &[], "64:ff9b::169.254.169.254", 80));
    // Where the DNS makes such addresses (RFC 6147), names are what is listed.
    assert!(allows(&list(&["www.example.org"]), &["www.example.org"], "64:ff9b::203.0.113.1", 80));
}

#[test]
fn unix_sockets_are_listed_by_path_or_folder() {
    let list = list(&["/run/a.sock", "/run/app/*", "@bus"]);
    for (path, expected) in [
        ("/run/a.sock", true),
        ("/run/app/b.sock", true),
        ("/run/app/c/b.sock", false),
        ("/run/app/../docker.sock", false),
        ("/run/app//b.sock", false),
        ("/run/./a.sock", false),
        ("/run/docker.sock", false),
        ("@bus", true),
        ("@business", false),
        ("run/a.sock", false),
    ] {
        assert_eq!(list.judge_socket(path).is_ok(), expected, "{path}");
    }
}

#[test]
fn names_in_disguise_are_no_names_of_the_list() {
    for host in
        ["0x7f.1", "127.1", "2130706433", "017700000001", "", ".", "a\\.example.org", "a b.example.org", "%61.x"]
    {
        assert_eq!(asked_name(host), None, "{host:?}");
    }
    assert_eq!(asked_name("WWW.Example.Org."), Some("www.example.org".to_owned()));
    assert_eq!(asked_name("müller.example"), Some("xn--mller-kva.example".to_owned()));
}

fn guarded(entries: &[&str]) -> (Net, Arc<Guard>) {
    let guard = Guard::new(Arc::new(list(entries)));
    (testkit::net().guarded(&guard), guard)
}

#[test]
fn hosts_that_a_proxy_looks_up_must_be_listed() {
    let (net, _) = guarded(&["*.example.org:443", "127.0.0.0/8", "[2001:db8::1]:80"]);
    let permits = |host: &str, port| net.permit_unresolved(host, port).is_ok();
    assert!(permits("www.example.org", 443) && !permits("www.example.org", 80) && !permits("example.com", 443));
    for loopback in ["127.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.1"] {
        assert!(permits(loopback, 1), "{loopback}");
    }
    for metadata in ["169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "fe80::1%eth0", "0", "::"] {
        assert!(!permits(metadata, 80), "{metadata}");
    }
    assert!(permits("2001:db8::1", 80) && !permits("", 80));
}

async fn ask(net: &Net, network: serde_json::Value, target: &str) -> Report {
    let network: Network = serde_json::from_value(network).expect("a network");
    let terms = Terms { network: Some(Arc::new(network)), ..Terms::default() };
    let module = crate::kind("tcp").expect("tcp").module(json!({})).expect("settings").on(terms);
    module.bind(&Target::new(target)).expect("a target").run(net, Duration::from_secs(20)).await
}

#[tokio::test]
async fn a_target_that_is_not_listed_is_refused_before_anything_is_sent() {
    let server = Peer::play(vec![say("hello")]).await;
    let (net, guard) = guarded(&["192.0.2.0/24", "www.example.org"]);
    let report = ask(&net, json!({}), &server.address().to_string()).await;
    assert_eq!(gist(&report), "target_refused in resolve");
    let message = "127.0.0.1 must not be asked from outside: `probe_targets` does not name it";
    assert_eq!(report.failure().expect("a failure").message(), message);
    assert!(!guard.has_connected());
}

#[tokio::test]
async fn a_listed_name_may_lead_anywhere_but_to_special_addresses() {
    let server = Peer::play(vec![say("hello")]).await;
    let target = format!("www.example.org:{}", server.address().port());
    let network = json!({"resolve": {"www.example.org": "127.0.0.1"}});
    let (net, guard) = guarded(&["www.example.org"]);
    assert_eq!(gist(&ask(&net, network.clone(), &target).await), "up");
    assert!(guard.has_connected());
    let (net, _) = guarded(&["www.example.org:1"]);
    assert_eq!(gist(&ask(&net, network, &target).await), "target_refused in resolve");
    let (net, _) = guarded(&["www.example.org"]);
    let network = json!({"resolve": {"www.example.org": "169.254.169.254"}});
    let report = ask(&net, network, &target).await;
    assert_eq!(gist(&report), "target_refused in resolve");
    let message = "www.example.org (169.254.169.254) must not be asked from outside: it is link-local, where clouds keep \
                   their metadata (RFC 3927), and `probe_targets` does not name that by itself";
    assert_eq!(report.failure().expect("a failure").message(), message);
}

#[tokio::test]
async fn every_address_of_a_name_is_judged_for_itself() {
    let server = Peer::play(vec![say("hello")]).await;
    let target = format!("host.test:{}", server.address().port());
    let network = json!({"resolve": {"host.test": ["127.0.0.1", "127.0.0.2"]}, "addresses": "all"});
    let (net, guard) = guarded(&["127.0.0.1"]);
    let report = ask(&net, network, &target).await;
    assert_eq!(gist(&report), "target_refused in resolve");
    assert!(guard.has_connected());
}

#[tokio::test]
async fn without_a_guard_nothing_is_refused() {
    let server = Peer::play(vec![say("hello")]).await;
    assert_eq!(gist(&ask(&testkit::net(), json!({}), &server.address().to_string()).await), "up");
    let net = Net::new(Resolver::of_servers(&[]).expect("a resolver"), Arc::new(testkit::DiskFiles));
    assert_eq!(net.permit_unresolved("anything", 1), Ok(()));
}

/// Addresses of IPv4 that must be named by themselves.
fn specials() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        any::<u16>().prop_map(|low| Ipv4Addr::from_bits(0xa9fe_0000 | u32::from(low))),
        any::<u32>().prop_map(|low| Ipv4Addr::from_bits(0xe000_0000 | (low & 0x0fff_ffff))),
        Just(Ipv4Addr::BROADCAST),
        (1_u32..1 << 24).prop_map(Ipv4Addr::from_bits),
    ]
}

/// The ways in which an address of IPv6 leads to one of IPv4.
fn disguises(inner: Ipv4Addr) -> Vec<Ipv6Addr> {
    let bits = u128::from(inner.to_bits());
    let prefixed = |prefix: u128, shift: u32| Ipv6Addr::from_bits(prefix | (bits << shift));
    let mut all = vec![
        inner.to_ipv6_mapped(),
        prefixed(0x0064_ff9b << 96, 0),
        prefixed(0x2002 << 112, 80),
        prefixed(0x2001_0000 << 96, 64),
        Ipv6Addr::from_bits((0x2001_0000 << 96) | (0x0808_0808 << 64) | u128::from(!inner.to_bits())),
        prefixed(0x2001_0db8_u128 << 96 | 0x5efe << 32, 0),
    ];
    if bits > 1 {
        all.push(Ipv6Addr::from_bits(bits));
    }
    all
}

proptest! {
    #[test]
    fn no_disguise_hides_a_special_address(inner in specials(), port in 1_u16..) {
        let wide = list(&["0.0.0.0/0", "::/0"]);
        prop_assert!(wide.judge(&[], inner.into(), Port::Is(port)).is_err());
        for disguise in disguises(inner) {
            prop_assert!(wide.judge(&[], disguise.into(), Port::Is(port)).is_err(), "{}", disguise);
        }
    }

    #[test]
    fn no_disguise_leads_out_of_the_list(inner in any::<u32>(), port in 1_u16..) {
        let inner = Ipv4Addr::from_bits(inner);
        prop_assume!(inner.octets()[0] != 198);
        let without = list(&["198.0.0.0/8", "::/0"]);
        for disguise in disguises(inner) {
            prop_assert!(without.judge(&[], disguise.into(), Port::Is(port)).is_err(), "{}", disguise);
        }
    }

    #[test]
    fn an_address_listed_by_itself_is_allowed_and_no_other(a in any::<u128>(), b in any::<u128>()) {
        let [a, b] = [a, b].map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)));
        let only = list(&[&a.to_string()]);
        prop_assert!(only.judge(&[], a, Port::None).is_ok());
        prop_assert_eq!(only.judge(&[], b, Port::None).is_ok(), a.to_canonical() == b.to_canonical());
    }

    #[test]
    fn a_range_holds_what_begins_alike(base in any::<u32>(), other in any::<u32>(), bits in 0_u32..=32) {
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let (base, other) = ((base & mask) | 1 << 30, (other & mask) | 1 << 30);
        prop_assume!(base & mask == base);
        let range = address::Range::parse(&format!("{}/{bits}", Ipv4Addr::from_bits(base))).expect("a range");
        prop_assert_eq!(range.contains(Ipv4Addr::from_bits(other).into()), other & mask == base);
    }

    #[test]
    fn any_text_is_an_entry_or_a_complaint(text in "\\PC{0,40}") {
        let _ = TargetList::default().push(&text);
        let _ = asked_name(&text);
    }

    #[test]
    fn a_name_below_another_is_matched_by_whole_labels(labels in prop::collection::vec("[a-z]{1,6}", 1..4), glued in "[a-z]{1,6}") {
        let parent = labels.join(".");
        let below = list(&[&format!("*.{parent}")]);
        let address = IpAddr::from([203, 0, 113, 1]);
        let judge = |name: &str| below.judge(&[name], address, Port::Is(1)).is_ok();
        let (under, beside) = (format!("{glued}.{parent}"), format!("{glued}{parent}"));
        prop_assert!(judge(&under));
        prop_assert!(!judge(&parent) && !judge(&beside));
    }
}
