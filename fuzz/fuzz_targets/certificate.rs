//! Any bytes are a certificate, or are none.
#![no_main]

libfuzzer_sys::fuzz_target!(|der: &[u8]| {
    if let Some(identity) = tuermer_probes::net::Identity::of_der(der) {
        assert_eq!(identity.fingerprint_sha256.len(), 64);
    }
});
