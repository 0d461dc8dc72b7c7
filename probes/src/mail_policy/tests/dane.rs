//! TLSA records.

use super::*;

#[tokio::test]
async fn dane_tlsa_records_must_be_usable_and_verified() {
    let signed = |mut records: Records| {
        records.push((".", Data::Authentic));
        records
    };
    const TLSA: &str = "_25._tcp.b.example.test.";
    for (records, message) in [
        (signed(without(TLSA)), "the mail host b.example.test has no TLSA record"),
        (
            signed(with(TLSA, [Data::Tlsa(0, 0, 1, vec![7; 32]), Data::Tlsa(3, 1, 1, vec![7; 31])])),
            "no TLSA record of the mail host b.example.test can be used",
        ),
    ] {
        assert_eq!(judged(records, "dane").await, ("dane_invalid in tlsa".to_owned(), message.to_owned()));
    }
    let (gist, message) = judged(records(), "dane").await;
    assert_eq!(gist, "policy_unknown in tlsa");
    let begin = "the TLSA records of a.example.test could not be verified by DNSSEC: name server 127.0.0.1:";
    assert!(message.starts_with(begin) && message.ends_with(" gives no signatures (DNSSEC)"), "{message}");
    let mut only_tlsa = records();
    only_tlsa.push(("_25._tcp.a.example.test.", Data::Authentic));
    only_tlsa.push((TLSA, Data::Authentic));
    let (gist, message) = judged(only_tlsa.clone(), "dane").await;
    let addresses = "the addresses of the mail host a.example.test could not be verified by DNSSEC";
    assert_eq!((&*gist, &*message), ("policy_unknown in tlsa", addresses));
    only_tlsa.push(("a.example.test.", Data::Authentic));
    only_tlsa.push(("b.example.test.", Data::Authentic));
    let expected = ("policy_unknown in tlsa".to_owned(), "the MX records could not be verified by DNSSEC".to_owned());
    assert_eq!(judged(only_tlsa, "dane").await, expected);
}

#[tokio::test]
async fn the_tlsa_records_of_an_alias_stand_at_its_other_name_or_at_its_own() {
    const HOST: &str = "b.example.test.";
    const OWN: &str = "_25._tcp.b.example.test.";
    const OTHER: &str = "_25._tcp.other.test.";
    let records = |at: &[&'static str]| {
        let mut records = with(HOST, [Data::Alias("c.test.")]);
        records.retain(|(name, _)| *name != OWN);
        records.push(("c.test.", Data::Alias("other.test.")));
        records.push(("other.test.", Data::A([198, 51, 100, 2])));
        records.extend(at.iter().map(|name| (*name, Data::Tlsa(3, 1, 1, vec![7; 32]))));
        records.push((".", Data::Authentic));
        records
    };
    let asked = async |records: Records| {
        let report = asked(records, json!({"require": ["dane"]})).await;
        let message = report.failure().map_or_else(String::new, |failure| failure.message().to_owned());
        (message, readings(&report, "dane_tlsa_records b.example.test"))
    };
    let found = |count: usize| vec![format!("dane_tlsa_records b.example.test = {count}")];
    assert_eq!(asked(records(&[OTHER])).await, (String::new(), found(1)));
    assert_eq!(asked(records(&[OWN])).await, (String::new(), found(1)));
    // What stands at the other name comes first.
    assert_eq!(asked(records(&[OTHER, OTHER, OWN])).await, (String::new(), found(2)));
    let none = "the mail host b.example.test has no TLSA record".to_owned();
    assert_eq!(asked(records(&["_25._tcp.c.test."])).await, (none, found(0)));
    // Where nobody can be asked about the other name, nothing is known.
    let mut failing = records(&[OWN]);
    failing.push((OTHER, Data::Code(ResponseCode::ServFail)));
    assert_eq!(judged(failing, "dane").await.0, "policy_unknown in tlsa");
}
