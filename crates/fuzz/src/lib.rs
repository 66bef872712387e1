//! What a fuzzer feeds: one function of bytes for each reader of bytes that come from outside, with what must hold whatever they are.
//!
//! The same functions run under libFuzzer (`cargo xtask fuzz`) and, over the kept inputs, as ordinary tests. A function returns
//! or panics; it has no other verdict. No IO, no clock, no randomness: an input that fails, fails again.

mod cursor;
mod envelope;
mod hlc;
mod jcs;
mod ndjson;
mod yjs;

/// A reader under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As `cargo xtask fuzz` names it, and the folder of its inputs.
    pub name: &'static str,
    /// Feeds it. Panics when something does not hold.
    pub feed: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 6] = [
    Target { name: "cursor", feed: cursor::feed },
    Target { name: "envelope", feed: envelope::feed },
    Target { name: "hlc", feed: hlc::feed },
    Target { name: "jcs", feed: jcs::feed },
    Target { name: "ndjson", feed: ndjson::feed },
    Target { name: "yjs", feed: yjs::feed },
];

/// Feeds the target of this name.
///
/// # Panics
/// When there is no such target, or when something does not hold.
pub fn feed(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target has a file of its name");
    (target.feed)(bytes);
}

/// The first bytes as a number, and the rest.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*first), rest))
}
