//! Keys.

use super::*;

#[tokio::test]
async fn dkim_keys_are_read() {
    const RSA_2048: &str = "v=DKIM1; k=rsa; t=y:s; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwIATqb1pQ0Jz";
    let key = |text| with("key._domainkey.example.test.", [Data::Txt(text)]);
    let ask = async |records: Records| {
        let report = asked(records, json!({"require": ["dkim"], "dkim_selectors": ["key"]})).await;
        let message = report.failure().map_or_else(String::new, |failure| failure.message().to_owned());
        (gist(&report), message, readings(&report, "dkim"))
    };
    // RFC 8463 appendix A.2.
    let (gist, message, readings) =
        ask(key("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")).await;
    assert_eq!((&*gist, &*message), ("up", ""));
    assert_eq!(
        readings,
        [
            "dkim_key_present key = 1",
            "dkim_key_revoked key = 0",
            "dkim_key_testing key = 0",
            "dkim_key_bits key = 256",
            "dkim_key_info key ed25519 = 1",
        ]
    );
    // RFC 6376 appendix C: a key of 1024 bits, in two strings.
    let example = with(
        "key._domainkey.example.test.",
        [Data::Texts(&[
            "v=DKIM1; t=y; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt",
            "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
        ])],
    );
    let (gist, message, readings) = ask(example).await;
    assert_eq!((&*gist, &*message), ("up", ""));
    assert!(readings.contains(&"dkim_key_bits key = 1024".to_owned()), "{readings:?}");
    assert!(readings.contains(&"dkim_key_testing key = 1".to_owned()), "{readings:?}");
    for (records, why) in [
        (records(), "there is none"),
        (key("v=DKIM1; p="), "it was revoked"),
        (key("v=DKIM1; k=rsa"), "the key is missing"),
        (key("k=rsa; v=DKIM1; p="), "its version is not DKIM1, or does not stand first"),
        (key("k=dsa; p=AAAA"), "keys of sort \"dsa\" are not known"),
        (key("p=!"), "the key is not base64"),
        (key("p=AAAA"), "the key is no RSA key"),
        (key(RSA_2048), "the key is no RSA key"),
        (key("k=ed25519; p=AAAA"), "the key is no Ed25519 key"),
        (key("p=MAYCAQMCAQM="), "2 bits, and 1024 are the least"),
        (with("key._domainkey.example.test.", [Data::Txt("p="), Data::Txt("p=")]), "2 records, and one is allowed"),
    ] {
        let (gist, message, _) = ask(records).await;
        assert_eq!(gist, "dkim_invalid in dkim");
        assert_eq!(message, format!("DKIM key key of example.test: {why}"));
    }
}
