//! The target `jcs` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidewatch_fuzz::feed("jcs", bytes));
