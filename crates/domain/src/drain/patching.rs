//! The corrected copy of an intent: a new intent under an id of its own that names the one it stands for.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::patch::{PATCH_FAILED, TEST_NOT_MET, corrected};
use crate::time::Millis;

/// Most characters of an operation id.
pub const PATCHED_ID_MAX: usize = 64;

/// Members that say something of the original alone, or that no longer fit.
const DROPPED: [&str; 8] = ["checksum", "sig", "idempotency_key", "client_seq", "group", "client_id", "hops", "relayed_by"];

/// Why there is no corrected copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpatched {
    /// `patch_failed`, or `test_not_met` when a test of the correction says that it is not meant for this intent.
    pub code: &'static str,
    /// What is wrong, in words, after the name of the member.
    pub words: String,
}

impl Unpatched {
    /// Something is wrong, in words.
    #[must_use]
    pub const fn failed(words: String) -> Self {
        Self { code: PATCH_FAILED, words }
    }

    /// Whether the correction is not meant for the intent, which is no failure.
    #[must_use]
    pub fn is_not_meant(&self) -> bool {
        self.code == TEST_NOT_MET
    }
}

/// The id of the copy that a job makes of an operation. Always the same one, so that a job that begins again makes no second copy.
#[must_use]
pub fn patched_id(operation_id: &str, job: &str) -> String {
    let plain = format!("{operation_id}.{job}");
    if plain.len() <= PATCHED_ID_MAX {
        return plain;
    }
    format!("p.{}.{job}", &hex::encode(Sha256::digest(operation_id))[..32])
}

/// The corrected copy as JSON text. The operations ([`corrected`]) apply to the fields of the intent, or to the arguments of a command.
///
/// # Errors
/// The correction does not fit the intent, or is not meant for it.
pub fn patched_intent(raw: &str, operations: &[Value], operation_id: &str, now: Millis) -> Result<String, Unpatched> {
    let wrong = |words: &str| Unpatched::failed(words.to_owned());
    let value: Value = serde_json::from_str(raw).map_err(|_| wrong("mutation: the archived intent is no JSON"))?;
    let Value::Object(mut intent) = value else { return Err(wrong("mutation: the archived intent is no object")) };
    let member = if intent.contains_key("args") { "args" } else { "fields" };
    let before = match intent.remove(member) {
        Some(Value::Object(fields)) => fields,
        None => Map::new(),
        Some(_) => return Err(wrong(&format!("{member}: the archived intent holds no object there"))),
    };
    let after =
        corrected(&before, operations).map_err(|fault| Unpatched { code: fault.code(), words: format!("patch: {fault}") })?;
    for name in DROPPED {
        intent.remove(name);
    }
    let original = intent.insert("operation_id".to_owned(), Value::from(operation_id)).unwrap_or_default();
    intent.insert("supersedes".to_owned(), original);
    intent.insert("created_at".to_owned(), Value::from(now.to_string()));
    if !(after.is_empty() && before.is_empty()) {
        intent.insert(member.to_owned(), Value::Object(after));
    }
    Ok(Value::Object(intent).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RAW: &str = r#"{"operation_id":"op-1","op":"update","collection":"readings","record_id":"r-1","scope":"site:a",
        "fields":{"reading":"412"},"checksum":"sha256:00","client_seq":7,"base_version":3}"#;

    fn now() -> Millis {
        Millis(1_763_000_000_000)
    }

    #[test]
    fn the_copy_has_the_corrected_fields_and_names_the_original() {
        let patch = [json!({"op": "replace", "path": "/reading", "value": 412})];
        let copy: Value = serde_json::from_str(&patched_intent(RAW, &patch, "op-1.J4", now()).expect("patched")).expect("JSON");
        assert_eq!(
            copy,
            json!({"operation_id": "op-1.J4", "supersedes": "op-1", "op": "update", "collection": "readings", "record_id": "r-1",
                "scope": "site:a", "fields": {"reading": 412}, "base_version": 3, "created_at": now().to_string()})
        );
    }

    #[test]
    fn a_conversion_keeps_what_the_entry_says() {
        let patch = [json!({"op": "convert", "path": "/reading", "to": "number"})];
        let copy: Value = serde_json::from_str(&patched_intent(RAW, &patch, "op-1.J4", now()).expect("patched")).expect("JSON");
        assert_eq!(copy["fields"], json!({"reading": 412}));
    }

    #[test]
    fn a_patch_that_does_not_fit_says_which_operation() {
        let patch = [json!({"op": "remove", "path": "/pressure"})];
        let refused = patched_intent(RAW, &patch, "op-1.J4", now()).expect_err("refused");
        assert_eq!(refused, Unpatched::failed("patch: operation 0 has a path that is not in the record".to_owned()));
        let test = [json!({"op": "test", "path": "/reading", "value": "7"})];
        let left = patched_intent(RAW, &test, "op-1.J4", now()).expect_err("not meant");
        assert!(left.is_not_meant() && left.words == "patch: the test of operation 0 does not hold", "{left:?}");
        assert!(patched_intent("[]", &patch, "x", now()).is_err());
    }

    #[test]
    fn the_id_of_a_copy_is_always_the_same_and_never_too_long() {
        assert_eq!(patched_id("op-1", "J4"), "op-1.J4");
        let long = "a".repeat(64);
        let (one, again, other) = (patched_id(&long, "J4"), patched_id(&long, "J4"), patched_id(&"b".repeat(64), "J4"));
        assert!(one == again && one != other && one.len() <= PATCHED_ID_MAX, "{one}");
    }
}
