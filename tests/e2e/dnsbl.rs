//! Blocklists as zones of a real BIND: good ones, and such as may not be believed.

use std::net::SocketAddr;

use crate::asked::Asked;
use crate::daemon::bind::Bind;
use crate::daemon::tuermer::Tuermer;

/// What every zone begins with.
const HEAD: &str = "$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n";

/// The lists that BIND serves, and their records.
const LISTS: [[&str; 2]; 4] = [
    ["good.example", "2.0.0.127 A 127.0.0.2\n99.2.0.192 A 127.0.0.4\n"],
    // Its owner gave it up: it names everybody.
    ["world.example", "* A 127.0.0.2\n"],
    // It does not serve this resolver.
    ["refusing.example", "* A 127.255.255.254\n"],
    ["empty.example", ""],
];

/// Asks these lists about an address.
async fn asked(bind: &Bind, lists: &[&str], address: &str) -> (u16, Asked) {
    asked_within("20s", bind.address, lists, address).await
}

async fn asked_within(timeout: &str, name_server: SocketAddr, lists: &[&str], address: &str) -> (u16, Asked) {
    let lists = lists.join(", ");
    let tuermer = Tuermer::start(&format!(
        "probe_metrics: all\nresolver: ['{name_server}']\n\
         modules: {{ lists: {{ prober: dnsbl, timeout: {timeout}, dnsbl: {{ address_lists: [{lists}] }} }} }}\n"
    ));
    let (status, _) = tuermer.get(&format!("/probe?module=lists&target={address}")).await;
    (status, Asked::of(&tuermer, "lists", address).await)
}

fn lists() -> Option<Bind> {
    let zones = LISTS.map(|[name, records]| (name, format!("{HEAD}{records}")));
    Bind::start_all(&zones.each_ref().map(|(name, zone)| [*name, zone]))
}

#[tokio::test]
async fn a_good_list_is_believed() {
    let Some(bind) = lists() else { return };
    let (status, found) = asked(&bind, &["good.example"], "192.0.2.7").await;
    assert_eq!((status, &*found.verdict()), (200, "up"));
    assert_eq!(
        found.beginning("probe_dnsbl_"),
        [
            r#"listed{step="good.example",subject="192.0.2.7"} 0"#,
            "listings 0",
            "lists 1",
            "lists_usable 1",
            r#"refused{step="good.example"} 0"#,
            r#"zone_ok{step="good.example"} 1"#,
        ]
    );
    let (status, found) = asked(&bind, &["good.example"], "192.0.2.99").await;
    assert_eq!((status, &*found.verdict()), (200, r#"down{phase="query",reason="listed",step="good.example"}"#));
    assert_eq!(
        found.beginning("probe_dnsbl_"),
        [
            r#"code_info{code="127.0.0.4",step="good.example",subject="192.0.2.99"} 1"#,
            r#"listed{step="good.example",subject="192.0.2.99"} 1"#,
            "listings 1",
            "lists 1",
            "lists_usable 1",
            r#"refused{step="good.example"} 0"#,
            r#"zone_ok{step="good.example"} 1"#,
        ]
    );
}

/// That the run says nothing for or against the address, as this list may not be believed.
fn assert_says_nothing((status, found): (u16, Asked), list: &str, is_refused: bool) {
    let expected = format!("unknown{{phase=\"self_test\",reason=\"list_unusable\",step=\"{list}\"}}");
    assert_eq!((status, found.verdict()), (503, expected));
    assert_eq!(
        found.beginning("probe_dnsbl_"),
        [
            "listings 0",
            "lists 1",
            "lists_usable 0",
            &format!("refused{{step=\"{list}\"}} {}", u8::from(is_refused)),
            &format!("zone_ok{{step=\"{list}\"}} 0"),
        ]
    );
}

#[tokio::test]
async fn a_list_that_fails_its_test_or_refuses_is_not_believed() {
    let Some(bind) = lists() else { return };
    for (list, is_refused) in [
        ("world.example", false),
        ("empty.example", false),
        ("refusing.example", true),
        // BIND itself refuses what it does not serve.
        ("foreign.example", true),
    ] {
        assert_says_nothing(asked(&bind, &[list], "192.0.2.99").await, list, is_refused);
    }
}

#[tokio::test]
async fn what_a_good_list_says_counts_beside_others_that_say_nothing() {
    let Some(bind) = lists() else { return };
    let all = ["world.example", "refusing.example", "good.example"];
    for (address, verdict, listings) in
        [("192.0.2.7", "up", "0"), ("192.0.2.99", r#"down{phase="query",reason="listed",step="good.example"}"#, "1")]
    {
        let (status, found) = asked(&bind, &all, address).await;
        assert_eq!((status, &*found.verdict()), (200, verdict));
        assert_eq!(found.beginning("probe_dnsbl_lists "), ["3"]);
        assert_eq!(found.beginning("probe_dnsbl_lists_usable "), ["1"]);
        assert_eq!(found.beginning("probe_dnsbl_listings "), [listings]);
        assert_eq!(found.beginning("probe_dnsbl_listed").len(), 1, "{found:?}");
    }
}

#[tokio::test]
async fn without_its_name_server_a_list_says_nothing() {
    let Some(bind) = lists() else { return };
    let address = bind.address;
    drop(bind);
    let (status, found) = asked_within("1s", address, &["good.example"], "192.0.2.99").await;
    let expected = r#"unknown{phase="self_test",reason="list_unusable",step="good.example"}"#;
    assert_eq!((status, &*found.verdict()), (503, expected));
    // Nobody refused anything.
    let lines = ["listings 0", "lists 1", "lists_usable 0", r#"zone_ok{step="good.example"} 0"#];
    assert_eq!(found.beginning("probe_dnsbl_"), lines);
}
