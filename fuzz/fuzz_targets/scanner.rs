//! The status scanner.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    tower_lro_fuzz::scanner::check(bytes);
});
