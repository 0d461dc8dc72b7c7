//! Who may send.

use super::*;

/// The SPF of `example.test` with this text, and records beside it.
async fn spf(text: &'static str, beside: Records) -> (String, String) {
    let mut records = with("example.test.", [Data::Txt(text)]);
    records.extend(beside);
    judged(records, "spf").await
}

#[tokio::test]
async fn spf_is_missing_doubled_or_wrong() {
    for (records, message) in [
        (without("example.test."), "example.test has no SPF record"),
        (with("example.test.", [Data::Txt("v=spf10 -all")]), "example.test has no SPF record"),
        (
            with("example.test.", [Data::Txt("v=spf1 -all"), Data::Txt("V=SPF1")]),
            "example.test has 2 SPF records, and one is allowed",
        ),
        (
            with("example.test.", [Data::Txt("v=spf1 ip4:192.0.2.300 -all")]),
            "SPF of example.test: example.test: \"ip4:192.0.2.300\": \"192.0.2.300\" is no IPv4 address",
        ),
        (without("_spf.example.test."), "SPF of example.test: _spf.example.test is included, but has no SPF record"),
        (
            with("example.test.", [Data::Txt("v=spf1 redirect=gone.example.test")]),
            "SPF of example.test: gone.example.test has no SPF record to redirect to",
        ),
    ] {
        assert_eq!(judged(records, "spf").await, ("spf_invalid in spf".to_owned(), message.to_owned()));
    }
}

#[tokio::test]
async fn spf_may_need_ten_lookups_and_two_that_find_nothing() {
    let ten = "v=spf1 a a a a a a a a a a -all";
    let own = || vec![("example.test.", Data::A([192, 0, 2, 1]))];
    assert_eq!(spf(ten, own()).await.0, "up");
    let eleven = "v=spf1 a a a a a a a a a a a -all";
    assert_eq!(spf(eleven, own()).await.1, "SPF of example.test: 11 lookups, and 10 are allowed");
    assert_eq!(spf("v=spf1 a:x.test a:y.test -all", vec![]).await.0, "up");
    assert_eq!(
        spf("v=spf1 a:x.test mx:y.test exists:z.test -all", vec![]).await.1,
        "SPF of example.test: 3 lookups that find nothing, and 2 are allowed"
    );
    // What comes after `all` is not looked at, and a macro of the sender's cannot be asked for.
    assert_eq!(spf("v=spf1 exists:%{i}.x.test -all a a a a a a a a a a a", vec![]).await.0, "up");
}

#[tokio::test]
async fn loops_of_includes_end() {
    for text in ["v=spf1 include:example.test -all", "v=spf1 redirect=example.test"] {
        let expected = ("spf_invalid in spf", "SPF of example.test: more than 10 lookups");
        let (gist, message) = spf(text, vec![]).await;
        assert_eq!((&*gist, &*message), expected, "{text}");
    }
    // Two that include each other twice would be walked a million times.
    let tree = "v=spf1 include:_spf.example.test include:_spf.example.test -all";
    let mut records = with("_spf.example.test.", [Data::Txt("v=spf1 include:example.test include:example.test -all")]);
    records.retain(|(owner, _)| *owner != "example.test.");
    records.push(("example.test.", Data::Txt(tree)));
    let report = asked(records, json!({"require": ["spf"], "spf_senders": ["203.0.113.1"]})).await;
    assert_eq!(gist(&report), "spf_invalid in spf");
    assert_eq!(readings(&report, "spf_lookups"), ["spf_lookups = 20"]);
}

#[tokio::test]
async fn spf_says_what_it_says_of_each_sender() {
    for (text, sender, said) in [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.255", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.3.0", "fail"),
        ("v=spf1 ip4:0.0.0.0/0 -all", "2001:db8::1", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db8::1", "pass"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db9::1", "softfail"),
        ("v=spf1 -ip4:192.0.2.7 +all", "192.0.2.7", "fail"),
        ("v=spf1 ?all", "192.0.2.7", "neutral"),
        ("v=spf1", "192.0.2.7", "neutral"),
        ("v=spf1 a:a.example.test -all", "192.0.2.1", "pass"),
        ("v=spf1 a:a.example.test/24 -all", "192.0.2.9", "pass"),
        ("v=spf1 a:a.example.test//64 -all", "2001:db8::9", "pass"),
        ("v=spf1 a:a.example.test -all", "2001:db8::9", "fail"),
        ("v=spf1 mx:mail.test -all", "192.0.2.1", "pass"),
        ("v=spf1 ptr:example.test -all", "192.0.2.1", "pass"),
        ("v=spf1 ptr:ample.test -all", "192.0.2.1", "fail"),
        ("v=spf1 include:_spf.example.test -all", "192.0.2.1", "pass"),
        // That an included record ends in another way is no answer.
        ("v=spf1 include:_spf.example.test -all", "203.0.113.1", "fail"),
        ("v=spf1 redirect=_spf.example.test", "203.0.113.1", "softfail"),
        ("v=spf1 exists:%{ir}.list.test -all", "192.0.2.1", "pass"),
        ("v=spf1 exists:%{ir}.list.test -all", "192.0.2.2", "fail"),
    ] {
        let mut records = with("example.test.", [Data::Txt(text)]);
        records.push(("mail.test.", Data::Mx(1, "a.example.test.")));
        records.push(("1.2.0.192.list.test.", Data::A([127, 0, 0, 2])));
        let report = asked(records, json!({"require": ["spf"], "spf_senders": [sender]})).await;
        let expected = [format!("spf_sender_info {sender} {said} = 1")];
        assert_eq!(readings(&report, "spf_sender_info"), expected, "{text}");
        assert_eq!(gist(&report), if said == "pass" { "up" } else { "spf_invalid in spf" }, "{text}");
    }
}
