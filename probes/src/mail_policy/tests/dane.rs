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
    let expected = ("policy_unknown in tlsa".to_owned(), "the MX records could not be verified by DNSSEC".to_owned());
    assert_eq!(judged(only_tlsa, "dane").await, expected);
}
