//! The parser of hints.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tower_lro_fuzz::hint::check(bytes);
});
