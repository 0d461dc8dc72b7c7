//! Any bytes are a mail: its headers, dates, hops and results, a notice of non-delivery, tokens.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tuermer_probes::mail_readers::read(bytes));
