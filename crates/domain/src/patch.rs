//! JSON Patch (RFC 6902) over a record's body, bounded: a patch may not grow a body beyond what a record may hold, nor nest it
//! deeper, and it may not reach into an encrypted field, which is opaque and only replaced as a whole.

use serde_json::Value;

use crate::engine::RECORD_BYTES_MAX;
use crate::json::{body_check, body_text};
use crate::sync::Body;

/// Code of a patch whose `test` does not hold.
pub const TEST_NOT_MET: &str = "test_not_met";
/// Code of a patch that cannot be applied otherwise.
pub const PATCH_FAILED: &str = "patch_failed";

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchFault {
    /// An operation has the wrong shape.
    #[error("operation {at} is not one of RFC 6902")]
    Malformed {
        /// Which operation.
        at: usize,
    },
    /// A `test` did not hold.
    #[error("the test of operation {at} does not hold")]
    TestFailed {
        /// Which operation.
        at: usize,
    },
    /// A path leads nowhere.
    #[error("operation {at} has a path that is not in the record")]
    NoSuchPath {
        /// Which operation.
        at: usize,
    },
    /// A path leads into an encrypted field.
    #[error("operation {at} reaches into an encrypted field")]
    Encrypted {
        /// Which operation.
        at: usize,
    },
    /// The outcome is no object, or beyond the bounds of a record.
    #[error("operation {at} makes something that a record cannot hold")]
    OutOfBounds {
        /// Which operation.
        at: usize,
    },
}

impl PatchFault {
    /// As items of drains, answers of devices and dry runs name it: a test that does not hold is no failure, it says that the patch is
    /// not meant for this body.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TestFailed { .. } => TEST_NOT_MET,
            _ => PATCH_FAILED,
        }
    }
}

/// The body after a patch. All operations hold, or none.
///
/// # Errors
/// The first operation that fails.
pub fn patched(body: &Body, operations: &[Value]) -> Result<Body, PatchFault> {
    let mut document = Value::Object(body.clone());
    for (at, operation) in operations.iter().enumerate() {
        let read: json_patch::PatchOperation =
            serde_json::from_value(operation.clone()).map_err(|_| PatchFault::Malformed { at })?;
        for name in ["path", "from"] {
            let path = operation.get(name).and_then(Value::as_str).unwrap_or_default();
            if enters_encrypted(&document, path) {
                return Err(PatchFault::Encrypted { at });
            }
        }
        let is_test = matches!(read, json_patch::PatchOperation::Test(_));
        let fault = |_| if is_test { PatchFault::TestFailed { at } } else { PatchFault::NoSuchPath { at } };
        json_patch::patch(&mut document, &[read]).map_err(fault)?;
        // After each one: a few copies of a body into itself would double it beyond all bounds.
        if !is_held(&document) {
            return Err(PatchFault::OutOfBounds { at });
        }
    }
    match document {
        Value::Object(body) => Ok(body),
        _ => Err(PatchFault::OutOfBounds { at: operations.len() }),
    }
}

fn is_held(document: &Value) -> bool {
    document.as_object().is_some_and(|body| body_check(body).is_ok() && body_text(body).len() <= RECORD_BYTES_MAX)
}

/// Whether a value is an encrypted field: `{"$enc": {…}}`.
#[must_use]
pub fn is_encrypted(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.len() == 1 && object.get("$enc").is_some_and(Value::is_object))
}

/// Whether a path goes on below an encrypted field.
fn enters_encrypted(document: &Value, path: &str) -> bool {
    path.match_indices('/').skip(1).any(|(end, _)| document.pointer(&path[..end]).is_some_and(is_encrypted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Body {
        value.as_object().cloned().expect("an object")
    }

    fn run(before: Value, patch: Value) -> Result<Value, PatchFault> {
        patched(&body(before), patch.as_array().expect("a list")).map(Value::Object)
    }

    #[test]
    fn every_operation_of_the_standard_is_applied() {
        let patch = json!([
            {"op": "test", "path": "/a", "value": 1}, {"op": "replace", "path": "/a", "value": 2},
            {"op": "add", "path": "/list/-", "value": 3}, {"op": "copy", "from": "/list/0", "path": "/first"},
            {"op": "move", "from": "/old", "path": "/new"}, {"op": "remove", "path": "/gone"}
        ]);
        let before = json!({"a": 1, "list": [1, 2], "old": {"x~y": 1}, "gone": null});
        let after = json!({"a": 2, "list": [1, 2, 3], "first": 1, "new": {"x~y": 1}});
        assert_eq!(run(before, patch), Ok(after));
    }

    #[test]
    fn each_fault_names_its_operation() {
        let cases = [
            (json!([{"op": "test", "path": "/a", "value": 2}]), PatchFault::TestFailed { at: 0 }),
            (json!([{"op": "remove", "path": "/b"}]), PatchFault::NoSuchPath { at: 0 }),
            (json!([{"op": "add", "path": "/a", "value": 1}, {"op": "merge", "path": "/a"}]), PatchFault::Malformed { at: 1 }),
            (json!([{"op": "replace", "path": "", "value": [1]}]), PatchFault::OutOfBounds { at: 0 }),
            (json!([{"op": "replace", "path": "/secret/$enc/ct", "value": "x"}]), PatchFault::Encrypted { at: 0 }),
            (json!([{"op": "copy", "from": "/secret/$enc/ct", "path": "/leak"}]), PatchFault::Encrypted { at: 0 }),
        ];
        for (patch, wanted) in cases {
            let code = if matches!(wanted, PatchFault::TestFailed { .. }) { "test_not_met" } else { "patch_failed" };
            assert_eq!(wanted.code(), code);
            assert_eq!(run(json!({"a": 1, "secret": {"$enc": {"ct": "…"}}}), patch.clone()), Err(wanted), "{patch}");
        }
    }

    #[test]
    fn an_encrypted_field_is_replaced_and_removed_as_a_whole() {
        let before = json!({"secret": {"$enc": {"ct": "1"}}, "other": {"$enc": {"ct": "2"}}});
        let patch =
            json!([{"op": "replace", "path": "/secret", "value": {"$enc": {"ct": "3"}}}, {"op": "remove", "path": "/other"}]);
        assert_eq!(run(before, patch), Ok(json!({"secret": {"$enc": {"ct": "3"}}})));
    }

    #[test]
    fn a_body_that_is_copied_into_itself_again_and_again_stops_at_the_bounds() {
        let copies: Vec<Value> = (0..64).map(|n| json!({"op": "copy", "from": "", "path": format!("/c{n}")})).collect();
        assert!(matches!(run(json!({"a": "x".repeat(100)}), Value::Array(copies)), Err(PatchFault::OutOfBounds { .. })));
    }

    proptest! {
        #[test]
        fn replacing_a_field_sets_it_and_nothing_else(name in "[a-z]{1,6}", value in -1000i64..1000) {
            let before = json!({"kept": true, name.clone(): 0});
            let after = run(before, json!([{"op": "replace", "path": format!("/{name}"), "value": value}])).expect("applied");
            prop_assert_eq!(&after[&name], &json!(value));
            prop_assert!(name == "kept" || after["kept"] == json!(true));
        }
    }
}
