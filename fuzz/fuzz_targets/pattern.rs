//! Any pattern compiles or is refused, and matches any bytes without harm.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&str, &[u8])| {
    let (source, text) = input;
    if let Ok(pattern) = tuermer_probes::Pattern::new(source) {
        let found = pattern.captures(text).is_some();
        assert_eq!(pattern.is_match(text), found);
    }
});
