//! The target `http`: see the module of that name.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| breakerbox_fuzz::http::run(input));
