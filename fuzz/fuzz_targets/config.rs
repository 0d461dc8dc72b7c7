//! Any text is a configuration, of the agent or of its web, or is refused with a message.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = tuermer::config::parse(text, "fuzz.yml") {
        assert!(!error.to_string().is_empty());
    }
    if let Err(error) = tuermer::config::web::parse(text, std::path::Path::new("web.yml")) {
        assert!(!error.to_string().is_empty());
    }
});
