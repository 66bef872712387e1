//! JSON Patch (RFC 6902) over a record's body, bounded: a patch may not grow a body beyond what a record may hold, nor nest it
//! deeper, and it may not reach into an encrypted field, which is opaque and only replaced as a whole.
//!
//! Corrections of entries have one operation more, `{"op": "convert", "path": "/reading", "to": "number"}`: what a release wrote with
//! the wrong type is different in each entry, so no value that stands in the patch could mend it (`docs/adr/0024-convert.md`).

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
    /// A value cannot be read as what it is to become.
    #[error("operation {at} finds nothing that can be read as a {}", .to.as_str())]
    Unreadable {
        /// Which operation.
        at: usize,
        /// As what.
        to: Kind,
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

/// What a value can be converted to, in the words of schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text that is a JSON number.
    Number,
    /// `true` or `false`, in any case.
    Boolean,
    /// A number, `true` or `false`, as JSON writes it.
    String,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Number, Self::Boolean, Self::String];

    /// As schemas name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::String => "string",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The value as this kind: `"412.5"` becomes `412.5`. What is of the kind stays; `None` when it cannot be read as that.
    #[must_use]
    pub fn of(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Number, Value::Number(_)) | (Self::Boolean, Value::Bool(_)) | (Self::String, Value::String(_)) => {
                Some(value.clone())
            }
            (Self::Number, Value::String(text)) => serde_json::from_str(text.trim()).ok().filter(Value::is_number),
            (Self::Boolean, Value::String(text)) => match text.trim() {
                text if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
                text if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
                _ => None,
            },
            (Self::String, Value::Number(_) | Value::Bool(_)) => Some(Value::String(value.to_string())),
            _ => None,
        }
    }
}

/// `{"op": "convert", "path": …, "to": …}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convert<'a> {
    /// JSON pointer.
    pub path: &'a str,
    /// What the value there becomes.
    pub to: Kind,
}

impl<'a> Convert<'a> {
    /// Reads an operation that converts; `None` when it is another one, or has a member that it does not know.
    #[must_use]
    pub fn read(operation: &'a Value) -> Option<Self> {
        let members = operation.as_object().filter(|members| members.len() == 3)?;
        let text = |name: &str| members.get(name)?.as_str();
        (text("op")? == "convert").then_some(Self { path: text("path")?, to: Kind::parse(text("to")?)? })
    }
}

/// The body after a patch of RFC 6902. All operations hold, or none.
///
/// # Errors
/// The first operation that fails.
pub fn patched(body: &Body, operations: &[Value]) -> Result<Body, PatchFault> {
    each(body, operations, apply)
}

/// The body after a correction: a patch that may convert. All operations hold, or none.
///
/// # Errors
/// The first operation that fails.
pub fn corrected(body: &Body, operations: &[Value]) -> Result<Body, PatchFault> {
    each(body, operations, |document, at, operation| match operation.get("op").and_then(Value::as_str) {
        Some("convert") => {
            let replacement = conversion(document, at, operation)?;
            apply(document, at, &replacement)
        }
        _ => apply(document, at, operation),
    })
}

fn each(
    body: &Body,
    operations: &[Value],
    apply: impl Fn(&mut Value, usize, &Value) -> Result<(), PatchFault>,
) -> Result<Body, PatchFault> {
    let mut document = Value::Object(body.clone());
    for (at, operation) in operations.iter().enumerate() {
        apply(&mut document, at, operation)?;
    }
    match document {
        Value::Object(body) => Ok(body),
        _ => Err(PatchFault::OutOfBounds { at: operations.len() }),
    }
}

fn apply(document: &mut Value, at: usize, operation: &Value) -> Result<(), PatchFault> {
    let read: json_patch::PatchOperation = serde_json::from_value(operation.clone()).map_err(|_| PatchFault::Malformed { at })?;
    for name in ["path", "from"] {
        let path = operation.get(name).and_then(Value::as_str).unwrap_or_default();
        if enters_encrypted(document, path) {
            return Err(PatchFault::Encrypted { at });
        }
    }
    let is_test = matches!(read, json_patch::PatchOperation::Test(_));
    let fault = |_| if is_test { PatchFault::TestFailed { at } } else { PatchFault::NoSuchPath { at } };
    json_patch::patch(document, &[read]).map_err(fault)?;
    // After each one: a few copies of a body into itself would double it beyond all bounds.
    if is_held(document) { Ok(()) } else { Err(PatchFault::OutOfBounds { at }) }
}

/// The replacement that an operation that converts comes to in this document.
fn conversion(document: &Value, at: usize, operation: &Value) -> Result<Value, PatchFault> {
    let Convert { path, to } = Convert::read(operation).ok_or(PatchFault::Malformed { at })?;
    let found = document.pointer(path).ok_or(PatchFault::NoSuchPath { at })?;
    let value = to.of(found).ok_or(PatchFault::Unreadable { at, to })?;
    Ok(serde_json::json!({ "op": "replace", "path": path, "value": value }))
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
    fn a_conversion_reads_what_each_body_holds_and_is_no_operation_of_the_standard() {
        let convert = |path: &str, to: &str| json!([{"op": "convert", "path": path, "to": to}]);
        let run = |before: Value, patch: Value| {
            corrected(&body(before), patch.as_array().expect("a list")).map(|after| after["a"].clone())
        };
        for (before, to, after) in [
            (json!("412.5"), "number", json!(412.5)),
            (json!(" -7 "), "number", json!(-7)),
            (json!(3), "number", json!(3)),
            (json!("True"), "boolean", json!(true)),
            (json!(false), "string", json!("false")),
            (json!(1.5), "string", json!("1.5")),
        ] {
            assert_eq!(run(json!({"a": before.clone()}), convert("/a", to)), Ok(after), "{before} {to}");
        }
        for (before, to) in [
            (json!("412,5"), Kind::Number),
            (json!("1e999"), Kind::Number),
            (json!("\"1\""), Kind::Number),
            (json!(true), Kind::Number),
            (json!(null), Kind::String),
            (json!([1]), Kind::String),
            (json!("yes"), Kind::Boolean),
        ] {
            assert_eq!(
                run(json!({"a": before.clone()}), convert("/a", to.as_str())),
                Err(PatchFault::Unreadable { at: 0, to }),
                "{before}"
            );
        }
        let exact = run(json!({"a": "9007199254740993"}), convert("/a", "number"));
        assert_eq!(exact, Err(PatchFault::OutOfBounds { at: 0 }), "beyond what every reader of JSON keeps exact");
        let deep = json!([{"op": "add", "path": "/b", "value": {"x~/y": "8"}}, {"op": "convert", "path": "/b/x~0~1y", "to": "number"},
            {"op": "move", "from": "/b/x~0~1y", "path": "/a"}]);
        assert_eq!(run(json!({}), deep), Ok(json!(8)), "on what the operations before have left");
        assert_eq!(run(json!({"a": "1"}), convert("/b", "number")), Err(PatchFault::NoSuchPath { at: 0 }));
        assert_eq!(
            run(json!({"a": {"$enc": {"ct": "1"}}}), convert("/a/$enc/ct", "number")),
            Err(PatchFault::Encrypted { at: 0 })
        );
        for odd in [json!([{"op": "convert", "path": "/a", "to": "date"}]), json!([{"op": "convert", "path": "/a"}])] {
            assert_eq!(run(json!({"a": "1"}), odd), Err(PatchFault::Malformed { at: 0 }));
        }
        let standard = patched(&body(json!({"a": "1"})), convert("/a", "number").as_array().expect("a list"));
        assert_eq!(standard, Err(PatchFault::Malformed { at: 0 }), "devices push patches of the standard");
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
