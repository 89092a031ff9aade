//! Protocols as files have them.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    _ = tower_lro_fuzz::protocol::check(bytes);
});
