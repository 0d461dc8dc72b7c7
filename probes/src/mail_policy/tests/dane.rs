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
        (records(), "the TLSA records of a.example.test are not verified by DNSSEC"),
    ] {
        assert_eq!(judged(records, "dane").await, ("dane_invalid in tlsa".to_owned(), message.to_owned()));
    }
    let mut only_tlsa = records();
    only_tlsa.push(("_25._tcp.a.example.test.", Data::Authentic));
    only_tlsa.push((TLSA, Data::Authentic));
    assert_eq!(judged(only_tlsa, "dane").await.1, "the MX records are not verified by DNSSEC");
}
