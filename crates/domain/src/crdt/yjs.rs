//! Yjs documents: updates in format 1, merged without opening the document.
//!
//! In a body: `{"$yjs1": "<base64 of the merged update>"}`. Bytes of devices are walked before the library sees them: it
//! reserves memory for counts that it reads, and adds up clocks that it reads, so both are bounded here.

mod walk;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CrdtRefusal, wrong};
use crate::sync::Body;

pub(super) fn applied(before: Option<&Value>, op: &Body) -> Result<Value, CrdtRefusal> {
    let text = op.get("update").and_then(Value::as_str).ok_or_else(|| wrong("update", "must be base64"))?;
    let update = STANDARD.decode(text).map_err(|_| wrong("update", "must be base64"))?;
    let update = walk::canonical(&update).ok_or_else(|| wrong("update", "is no Yjs update of format 1"))?;
    // A document that does not pass, from a file that rotted say, is neither opened nor replaced.
    let state = before.and_then(|before| before["$yjs1"].as_str()).map(|text| {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| walk::canonical(&bytes));
        bytes.ok_or_else(|| wrong("update", "cannot be merged with the document"))
    });
    let state = state.transpose()?;
    let merged = merged(state.as_deref(), &update).ok_or_else(|| wrong("update", "cannot be merged with the document"))?;
    Ok(json!({"$yjs1": STANDARD.encode(merged)}))
}

/// The state with an update on top. A library that gives up on bytes is a refusal, not an end of the process.
#[cfg(feature = "yjs")]
fn merged(state: Option<&[u8]>, update: &[u8]) -> Option<Vec<u8>> {
    let parts: Vec<Vec<u8>> = state.into_iter().chain([update]).map(<[u8]>::to_vec).collect();
    let merged = std::panic::catch_unwind(move || yrs::merge_updates_v1(parts).ok()).ok()??;
    // What comes back is read again later: it has to pass the same walk, which gives it its one form.
    walk::canonical(&merged)
}

/// Without the library no policy can have such a field, see [`crate::policy`].
#[cfg(not(feature = "yjs"))]
fn merged(_state: Option<&[u8]>, _update: &[u8]) -> Option<Vec<u8>> {
    None
}
