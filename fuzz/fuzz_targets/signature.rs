//! Whatever a mail says of its signatures and of those who handed it on, it is verified or not, and never passes without keys.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(tuermer_probes::mail_readers::verify(bytes));
});
