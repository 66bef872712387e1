//! JSON by hand, for answers of thousands of rows: numbers, and members whose text is nearly always an id.

use tidewatch_domain::hlc::{Hlc, Ticks};

/// Writes a number.
pub(super) fn number_write(out: &mut Vec<u8>, number: i64) {
    serde_json::to_writer(out, &number).expect("a number is JSON");
}

/// Writes a member whose value is an id, an instant, or a word of ours: their alphabets have nothing that JSON escapes. `name` is the text
/// up to the colon.
pub(super) fn id_member(out: &mut Vec<u8>, name: &[u8], id: &str) {
    debug_assert!(is_plain(id), "an id that needs an escape: {id}");
    out.extend_from_slice(name);
    out.push(b'"');
    out.extend_from_slice(id.as_bytes());
    out.push(b'"');
}

/// Writes a member whose value is any text; `name` is the text up to the colon. Nearly every text here is an id, and ids need no escape.
pub(super) fn text_member(out: &mut Vec<u8>, name: &[u8], text: &str) {
    out.extend_from_slice(name);
    if is_plain(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a text is JSON");
    }
}

/// Writes a member whose value is the stamp of a hybrid logical clock.
pub(super) fn hlc_member(out: &mut Vec<u8>, name: &[u8], ticks: Ticks, node: &str) {
    if !is_plain(node) {
        return text_member(out, name, &Hlc { ticks, node: node.to_owned() }.to_string());
    }
    out.extend_from_slice(name);
    let mut stamp = *b"\"0000000000000000-";
    for (digit, shift) in stamp[1..=16].iter_mut().zip((0..16).rev()) {
        *digit = b"0123456789abcdef"[(ticks.0 >> (4 * shift)) as usize & 0xf];
    }
    out.extend_from_slice(&stamp);
    out.extend_from_slice(node.as_bytes());
    out.push(b'"');
}

/// Whether a text needs no escape. Looks at every byte, so that the compiler can look at many at once.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}
