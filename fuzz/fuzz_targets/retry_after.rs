//! The parser of `Retry-After`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tower_lro_fuzz::retry_after::check(bytes);
});
