//! Any bytes are an SPF record, a DKIM key, a DMARC record or an MTA-STS policy, or are none. The first byte picks which.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, text)) = bytes.split_first() else { return };
    tuermer_probes::testkit::is_mail_policy(*which, text);
});
