//! Whatever a client says, the receiver answers with replies and comes to an end.
#![no_main]

libfuzzer_sys::fuzz_target!(|said: &[u8]| {
    tuermer::receive::fuzzing::read(said);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(tuermer::receive::fuzzing::serve(said));
});
