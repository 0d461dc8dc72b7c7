//! Any text is a configuration, or is refused with a message.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = tuermer::config::parse(text, "fuzz.yml") {
        assert!(!error.to_string().is_empty());
    }
});
