//! Yjs updates: whatever bytes two devices send for one document, each ends in a new document or in a refusal, and a document
//! that was taken can be read again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidewatch_domain::crdt::{CrdtType, applied};

/// The first byte says where the first update ends.
pub(crate) fn feed(bytes: &[u8]) {
    let Some((cut, rest)) = bytes.split_first() else { return };
    let (one, two) = rest.split_at(usize::from(*cut).min(rest.len()));
    let first = apply(None, one);
    let second = apply(None, two);
    if let Some(document) = &first {
        sound(document);
        if let Some(document) = apply(Some(document), two) {
            sound(&document);
        }
    }
    if let Some(document) = &second {
        sound(document);
    }
    // Bytes that a device never could have sent, in the place of the document: a file that rotted.
    let rotten = json!({"$yjs1": STANDARD.encode(one)});
    if let Some(document) = apply(Some(&rotten), two) {
        sound(&document);
    }
}

fn apply(before: Option<&Value>, update: &[u8]) -> Option<Value> {
    let op = json!({"update": STANDARD.encode(update)});
    applied(CrdtType::Yjs, before, op.as_object().expect("an object"), "op").ok()
}

/// A document is one text, and the next device can send it back: it is read, and nothing comes of it that was not there.
fn sound(document: &Value) {
    let text = document["$yjs1"].as_str().expect("a document is a text");
    let bytes = STANDARD.decode(text).expect("in base64");
    assert!(apply(None, &bytes).is_some(), "what was kept can be sent again");
    let twice = apply(Some(document), &bytes).expect("what was kept merges with itself");
    let thrice = apply(Some(&twice), &bytes).expect("and again");
    assert_eq!(twice, thrice, "repeats do not make it grow");
}
