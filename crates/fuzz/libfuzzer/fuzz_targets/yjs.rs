//! The target `yjs` under libFuzzer.
#![no_main]

// A panic of the library is a refusal there, and must not end the process where it starts; one of ours still ends the run.
libfuzzer_sys::fuzz_target!(
    init: std::panic::set_hook(Box::new(|panic| {
        if panic.location().is_some_and(|place| place.file().contains("crates/fuzz")) {
            eprintln!("{panic}");
        }
    })),
    |bytes: &[u8]| tidewatch_fuzz::feed("yjs", bytes)
);
