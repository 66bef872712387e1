//! Texts that merge by themselves, with the library that the store uses, but without the store's walk over the bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use yrs::updates::decoder::Decode as _;
use yrs::{Doc, GetString as _, ReadTxn as _, Text as _, Transact as _, Update};

fn bytes(state: Option<&Value>) -> Option<Vec<u8>> {
    STANDARD.decode(state?["$yjs1"].as_str()?).ok()
}

fn opened(state: Option<&Value>, who: u64) -> Doc {
    let doc = Doc::with_client_id(who);
    if let Some(bytes) = bytes(state) {
        let update = Update::decode_v1(&bytes).expect("the store keeps updates");
        doc.transact_mut().apply_update(update).expect("the store keeps what can be applied");
    }
    doc
}

/// What somebody types into a text that it holds, as an update in base64. A new session each time, as Yjs has it: no session goes on
/// from another device's idea of what was sent.
#[must_use]
pub fn typed(state: Option<&Value>, session: u64, value: u8) -> String {
    let doc = opened(state, session);
    let text = doc.get_or_insert_text("text");
    let mut turn = doc.transact_mut();
    let length = text.len(&turn);
    if value == 1 && length > 0 {
        text.remove_range(&mut turn, 0, 1);
    } else {
        text.insert(&mut turn, u32::from(value) % (length + 1), char::from(b'a' + value % 26).encode_utf8(&mut [0; 4]));
    }
    STANDARD.encode(turn.encode_update_v1())
}

/// The state with an update on top.
#[must_use]
pub fn merged(state: Option<&Value>, update: &str) -> Value {
    let update = STANDARD.decode(update).expect("devices send base64");
    let parts: Vec<Vec<u8>> = bytes(state).into_iter().chain([update]).collect();
    json!({"$yjs1": STANDARD.encode(yrs::merge_updates_v1(parts).expect("devices send updates"))})
}

/// The words of it, and whether something is missing that they follow on.
#[must_use]
pub fn read(state: &Value) -> (String, bool) {
    let doc = opened(Some(state), 1);
    let text = doc.get_or_insert_text("text");
    let turn = doc.transact();
    (text.get_string(&turn), turn.has_missing_updates())
}
